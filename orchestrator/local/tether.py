"""Run as a script, `tether.py PARENT COMMAND…`: becomes COMMAND, which the kernel kills when PARENT dies.

A program of its own, because code between fork and exec is unsafe in a process with threads. Linux only. It is started
without site-packages, so it imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent, then turn into the command."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the tie was made
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  # the point of this file; no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
