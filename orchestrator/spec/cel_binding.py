"""The CEL binding, when it is first needed, and without its command line, which brings a terminal toolkit of 9 MB.

It takes 2 MB of a process itself, and most have nothing to evaluate: beat, a worker's main process, producers.
"""

from __future__ import annotations

import sys
import threading
from functools import lru_cache
from types import ModuleType
from typing import Any

_CLI = "cel.cli"
_FIRST = threading.Lock()
"""Held by whoever imports it: a module is in `sys.modules` before it is whole."""


@lru_cache(maxsize=1)
def binding() -> Any:
    """The module `cel`, whose types are not known before it is there."""
    with _FIRST:
        if "cel" not in sys.modules:
            sys.modules[_CLI] = ModuleType(_CLI)  # what `cel` finds where it looks for its command line
            import cel  # noqa: PLC0415

            del sys.modules[_CLI], cel.cli
        return sys.modules["cel"]
