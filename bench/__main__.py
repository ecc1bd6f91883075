"""`python -m bench`: measure, print the page, and write it to bench/RESULTS.md."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from bench.measures import Round, idle_memory, measure
from bench.meters import server_version
from bench.report import page, write_part
from bench.systems import Ours, Plain, System


def main() -> None:
    """Measure each system once a pair, in turns, so that what disturbs the machine disturbs all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--dry", action="store_true", help="print the page, and do not write it")
    options = parser.parse_args()
    with ExitStack() as stack:
        systems: list[System] = [
            stack.enter_context(Plain()),
            stack.enter_context(Ours("bench.read", "ours, read")),
            stack.enter_context(Ours("bench.write", "ours, write")),
        ]
        idle = {one.name: idle_memory(one) for one in systems}
        rounds: dict[str, list[Round]] = {one.name: [] for one in systems}
        for number in range(1, options.pairs + 1):
            for one in systems:
                rounds[one.name].append(measure(one))
                print(f"{number}/{options.pairs} {one.name}: {rounds[one.name][-1]}", flush=True)
        text = page(rounds, idle, server_version(systems[0].server.url()))
    print(text)
    if not options.dry:
        write_part("Results", text)


if __name__ == "__main__":
    main()
