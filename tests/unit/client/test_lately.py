from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from orchestrator.client.lately import Lately
from orchestrator.errors import Unreachable


def test_an_answer_is_shared_until_it_is_too_old() -> None:
    """Its age is that of the question, so that it never says what is older."""
    now_s, numbers = 10.0, count(1)

    def answer() -> int:
        nonlocal now_s
        now_s += 1
        return next(numbers)

    lately = Lately[int](4, lambda: now_s)

    assert lately.ask(answer) == 1
    now_s = 13.9
    assert lately.ask(answer) == 1
    now_s = 14.0
    assert lately.ask(answer) == 2


def test_many_who_ask_at_once_are_one_question() -> None:
    """Whoever comes meanwhile waits for the answer to it."""
    numbers, lately = count(1), Lately[int](60)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: lately.ask(lambda: next(numbers)), range(40)))

    assert set(found) == {1}


def test_what_could_not_be_answered_is_asked_again() -> None:
    """An error is nobody's answer."""
    lately = Lately[int](60)

    def fail() -> int:
        raise Unreachable("away")

    with pytest.raises(Unreachable):
        lately.ask(fail)

    assert lately.ask(lambda: 7) == 7
