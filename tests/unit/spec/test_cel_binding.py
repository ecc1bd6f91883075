"""The binding is imported where it is first needed."""

from __future__ import annotations

import subprocess
import sys


def test_threads_that_need_it_first_at_once_all_get_it_whole() -> None:
    """As those of an API that was just started."""
    program = """
import threading
from orchestrator.spec.cel_binding import binding

barrier, done = threading.Barrier(16), []

def act():
    barrier.wait()
    done.append(binding().compile("1 + 1").execute())

threads = [threading.Thread(target=act) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(done)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert found.stdout.strip() == str([2] * 16), found.stderr
