"""The code and the commands that the pages of the project show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def block(page: str, mark: str) -> str:
    """The code below a mark, such as `<!-- file: shop.py -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert found is not None, f"{page} has no {mark}"
    return found[1]


def commands(page: str, of: str, word: str = "") -> list[list[str]]:
    """The arguments of the page's commands of a program, of those with a word in them."""
    lines = re.findall(rf"^\$ {of} (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines if word in line]
