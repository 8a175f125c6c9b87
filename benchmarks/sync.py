"""Measure how copy mode keeps files in step, against `docker compose watch` on the same tree.

    python -m benchmarks.sync --engine unix:///var/run/docker.sock

Both sides' containers are from the same image and have a volume at the same place. A program inside sees the files, by
the clock of this machine: so it has to be an engine of this very machine, not one in a virtual machine. The two tools
take turns, and take turns in going first. Nothing is deleted before it has to be: for minutes afterwards some file
systems are slow to create files. Nothing is asserted: a slow machine is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import copies, figures, live, projects, sides, synced
from benchmarks.figures import Figures, Target
from benchmarks.synced import Place, Setting

TARGETS: Mapping[str, Target] = {
    "first copy": Target(ratio=0.5),
    "rest, processor": Target(p50=1.0),
    "rest, memory": Target(p50=120.0),
    "save": Target(p50=0.012, p95=0.025, ratio=1 / 40),
    "inside": Target(),
    "burst": Target(ratio=0.2),
    "checkout": Target(),
    "torn": Target(p50=0.0),
    "delete": Target(),
}
"""What can be measured, and what devenv promises of it."""
NAMES = tuple(dict.fromkeys(name.partition(",")[0] for name in TARGETS))


def main() -> None:
    """Measure, and print a table or JSON."""
    given = _arguments()
    version = sides.compose_version()
    if version is None:
        print("skipped: `docker compose` is not installed, there is nothing to compare with", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="devenv-bench-", dir=given.folder) as folder:
        place = Place(Path(folder), synced.environ(given.engine, Path(folder) / "state"))
        engine = projects.ask(place.environ, "version", "--format", "{{.Server.Version}}").strip()
        facts = {"engine": engine, "compose": version, "load": round(os.getloadavg()[0], 2), "cpus": os.cpu_count()}
        print(", ".join(f"{key} {value}" for key, value in facts.items()), file=sys.stderr, flush=True)
        setting = Setting(given.runs, given.saves, given.files, given.reads, place)
        measured = _measured(setting, given.only or NAMES, quiet=given.json)
    if given.json:
        print(json.dumps(facts | {"measured": [one.summary() for one in measured]}, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", metavar="ADDRESS", help="as DOCKER_HOST; default: that, or docker's own default")
    parser.add_argument("--runs", type=int, default=5, help="turns of what takes long (default: 5)")
    parser.add_argument(
        "--saves", type=int, default=25, help=f"turns of saves; in each, {live.SAVES} of ours (default: 25)"
    )
    parser.add_argument("--files", type=int, action="append", help="of a first copy (default: 10000 and 50000)")
    parser.add_argument("--reads", type=int, default=1_000_000, help="while a file is saved (default: 1,000,000)")
    parser.add_argument("--only", action="append", choices=NAMES, help="one of these; can be repeated")
    parser.add_argument("--folder", default="/var/tmp", help="where the trees lie; on a disk (default: /var/tmp)")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    given = parser.parse_args()
    given.files = given.files or [10_000, 50_000]
    if min(given.runs, given.saves, given.reads, *given.files) < 1:
        parser.error("at least 1 of everything")
    return given


def _measured(setting: Setting, only: Sequence[str], *, quiet: bool) -> list[Figures]:
    found: list[Figures] = []
    if not quiet:
        print(figures.HEADER)
    try:
        setting.place.build()
        for one in _all(setting, only):
            one.target = TARGETS[one.kind]
            found.append(one)
            if not quiet:
                print(figures.row(one), flush=True)
    finally:
        setting.place.clean()
    return found


def _all(setting: Setting, only: Sequence[str]) -> Iterator[Figures]:
    """Copies come first, for nothing has been deleted yet."""
    yield from copies.measure(setting, first="first copy" in only, rest="rest" in only)
    yield from live.measure(setting, [name for name in live.MEASURES if name in only])


if __name__ == "__main__":
    main()
