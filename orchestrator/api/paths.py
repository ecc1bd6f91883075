"""What of a path is a run's id: one part, or, of a child, several that end in its number: `RUN/ship[3]/go:1`."""

from __future__ import annotations

from typing import Final

from starlette.convertors import Convertor, register_url_convertor

RUN: Final = "/runs/{run_id:run}"
"""The beginning of every path about one run."""


class _RunId(Convertor[str]):
    regex = "[^/]+(?:/.+:[0-9]+)?"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("run", _RunId())
