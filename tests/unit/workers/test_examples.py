from __future__ import annotations

import pytest

from orchestrator import OperationError, StepContext
from workers.operations.examples import CallUnstable, JoinText, Parts, Text, UnstableRequest, UpperText


def test_texts_are_joined_and_put_in_capitals() -> None:
    """`text.join` puts its separator between the parts; `text.upper` knows more letters than ASCII's."""
    joined = JoinText(Parts(parts=["grüß", "dich"], separator=", "))

    assert UpperText(Text(text=joined.text)).text == "GRÜSS, DICH"


def test_unstable_call_fails_as_often_as_it_is_told() -> None:
    """The first attempts fail with the given code; the next one succeeds and says which it was."""
    request = UnstableRequest(failures=2, code="bad_request")

    for attempt in (1, 2):
        with pytest.raises(OperationError) as failure:
            CallUnstable(request, StepContext("run", "call", attempt=attempt))
        assert failure.value.code == "bad_request"

    assert CallUnstable(request, StepContext("run", "call", attempt=3)).attempt == 3
