"""The CEL binding without its command line, which brings a terminal toolkit of 9 MB into every process."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["cel"]

_CLI = "cel.cli"

if "cel" in sys.modules:
    import cel
else:
    sys.modules[_CLI] = ModuleType(_CLI)  # what `cel` finds where it looks for its command line
    import cel

    del sys.modules[_CLI], cel.cli
