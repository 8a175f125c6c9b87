"""Measure how `up`, `status`, `down` and memory grow with the number of containers, beside docker compose.

    python -m benchmarks.growth --engine unix:///var/run/docker.sock

Apps of one image that do nothing: what is measured is what a tool and the engine need for each container. The two sides
take turns as in `benchmarks.up`; each sample is a whole process, and its memory what it had at most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import projects, sides
from benchmarks.pairs import Pairs
from benchmarks.sides import Side, Verb

SIZES = (1, 10, 30, 100)
VERBS: tuple[str, ...] = ("cold up", "warm up", "status", "down")
WARM = 3
"""Samples a visit of what changes nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process: how long it took, how long it kept a processor busy itself, and the most memory it had.

    Its children count; what the engine does for it does not, but for the first.
    """

    seconds: float
    processor: float
    megabytes: float


@dataclass(slots=True)
class Size:
    """What was measured at one number of containers."""

    count: int
    seconds: dict[str, Pairs] = field(default_factory=lambda: {name: Pairs(name) for name in VERBS})
    processor: dict[str, Pairs] = field(default_factory=lambda: {name: Pairs(name) for name in VERBS})
    megabytes: dict[str, Pairs] = field(default_factory=lambda: {name: Pairs(name) for name in VERBS})

    def add(self, what: str, sample: Sample, *, mine: bool) -> None:
        """Take a sample of one side."""
        for found, value in (
            (self.seconds, sample.seconds),
            (self.processor, sample.processor),
            (self.megabytes, sample.megabytes),
        ):
            (found[what].ours if mine else found[what].theirs).append(value)


def main() -> None:
    """Measure, and print a table or JSON."""
    given = _arguments()
    version = sides.compose_version()
    if version is None:
        print("skipped: `docker compose` is not installed, there is nothing to compare with", file=sys.stderr)
        return
    environ = sides.environ(given.engine)
    engine = projects.ask(environ, "version", "--format", "{{.Server.Version}}").strip()
    facts = {"engine": engine, "compose": version, "runs": given.runs, "load": round(os.getloadavg()[0], 2)}
    if not given.json:
        print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    sizes = [_measured(count, given.runs, environ) for count in sorted(set(given.sizes or SIZES))]
    if given.json:
        print(json.dumps(facts | {"sizes": [_data(one) for one in sizes]}, indent=2))
        return
    print(table(sizes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", metavar="ADDRESS", help="as DOCKER_HOST; default: that, or docker's own default")
    parser.add_argument("--runs", type=int, default=3, help="visits of each side (default: 3)")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of containers (1 10 30 100)")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    given = parser.parse_args()
    if given.runs < 1 or min(given.sizes or SIZES) < 1:
        parser.error("--runs and --sizes: at least 1")
    return given


def _measured(count: int, runs: int, environ: dict[str, str]) -> Size:
    found = Size(count)
    with projects.made(f"{count}-apps", environ) as project:
        ours = sides.devenv(project, environ)
        try:
            ours.run("up")  # builds the image, makes the volume and renders the file
            ours.run("down")
            theirs = sides.compose(project, environ)
            for turn in range(runs):
                order = ((ours, True), (theirs, False)) if turn % 2 == 0 else ((theirs, False), (ours, True))
                for side, mine in order:
                    for what, sample in _visit(side):
                        found.add(what, sample, mine=mine)
        finally:
            ours.run("down --volumes", check=False)
    return found


def _visit(side: Side) -> Iterator[tuple[str, Sample]]:
    yield "cold up", _sample(side, "up")
    for _ in range(WARM):
        yield "warm up", _sample(side, "up")
        yield "status", _sample(side, "status")
    yield "down", _sample(side, "down")


def _sample(side: Side, verb: Verb) -> Sample:
    """Run a process to its end.

    Raises:
        SystemExit: It failed.
    """
    command = side.commands[verb]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=side.project.folder,
        env=side.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` ended with {process.returncode}")
    return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


def table(sizes: Sequence[Size]) -> str:
    """Both sides at every size, the ratio pair by pair, and by which power of the number each side grows."""
    heads = [str(one.count) for one in sizes]
    lines = [
        f"| what: devenv / compose, ratio | {' | '.join(heads)} | growth |",
        "|---" * (len(sizes) + 2) + "|",
    ]
    counts = [one.count for one in sizes]
    lines += [_row(name, [one.seconds[name] for one in sizes], counts, "s") for name in VERBS]
    lines += [_row(f"processor of {name}", [one.processor[name] for one in sizes], counts, "s") for name in VERBS]
    lines += [_row(f"memory of {name}", [one.megabytes[name] for one in sizes], counts, "MB") for name in VERBS]
    return "\n".join(lines)


def _row(name: str, measured: Sequence[Pairs], counts: Sequence[int], unit: str) -> str:
    digits = 2 if unit == "s" else 0
    cells = [
        f"{median(one.ours):.{digits}f} / {median(one.theirs):.{digits}f} {unit}, {one.paired:.2f}" for one in measured
    ]
    ours = exponent(counts, [median(one.ours) for one in measured])
    theirs = exponent(counts, [median(one.theirs) for one in measured])
    growth = "" if ours is None or theirs is None else f"{ours:.2f} / {theirs:.2f}"
    return f"| {' | '.join((name, *cells, growth))} |"


def exponent(counts: Sequence[int], values: Sequence[float], least: int = 10) -> float | None:
    """The power of the number that values grow by, fitted to those from `least` on; None where there are not two.

    What a command needs for itself, whatever the number, hides it below.
    """
    points = [(math.log(count), math.log(value)) for count, value in zip(counts, values, strict=True) if count >= least]
    if len(points) < 2:
        return None
    mean = [sum(one[axis] for one in points) / len(points) for axis in (0, 1)]
    spread = sum((x - mean[0]) ** 2 for x, _ in points)
    return sum((x - mean[0]) * (y - mean[1]) for x, y in points) / spread


def _data(size: Size) -> dict[str, object]:
    return {
        "containers": size.count,
        "seconds": [one.summary() for one in size.seconds.values()],
        "processor": [one.summary() for one in size.processor.values()],
        "megabytes": [one.summary() for one in size.megabytes.values()],
    }


if __name__ == "__main__":
    main()
