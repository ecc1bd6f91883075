"""How the engine writes its values: dataclasses that are frozen for the type checker.

A step makes dozens of them. Those that the interpreter, too, keeps frozen take four times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True)
def value(made: type[_Class]) -> type[_Class]:
    """A dataclass with slots, whose instances nobody changes."""
    return dataclass(slots=True, unsafe_hash=True)(made)
