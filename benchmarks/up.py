"""Measure `up`, `status`, `down` and `check` against docker compose on the file that devenv renders.

    python -m benchmarks.up --engine unix:///var/run/docker.sock

Every sample is a whole process. The two tools take turns, and take turns in going first; before each, everything of
the other is gone, without the clock running. Nothing is asserted: a slow machine is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import pairs, projects, sides
from benchmarks.pairs import Pairs
from benchmarks.projects import Project
from benchmarks.sides import Side

INTERVAL = re.compile(r"^( +interval: )(.+)$", re.MULTILINE)
QUICK = 3
"""Samples a visit of what takes little time and changes nothing."""
EMPTY = "empty up"
TARGETS = {"cold up": 0.75, "warm up": 0.30, "status": 1.5, "down": None, "check": 1.5, EMPTY: None}
"""The ratios that devenv promises not to exceed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What one run of the benchmark was told."""

    runs: int
    health_interval: str | None
    empty: bool
    environ: dict[str, str]


def main() -> None:
    """Measure, and print tables or JSON."""
    given = _arguments()
    version = sides.compose_version()
    if version is None:
        print("skipped: `docker compose` is not installed, there is nothing to compare with", file=sys.stderr)
        return
    setting = Setting(given.runs, given.health_interval, given.empty, sides.environ(given.engine))
    load = os.getloadavg()[0]
    engine = projects.ask(setting.environ, "version", "--format", "{{.Server.Version}}").strip()
    facts = {"engine": engine, "compose": version, "runs": given.runs, "load": round(load, 2), "cpus": os.cpu_count()}
    if not given.json:
        print(", ".join(f"{key} {value}" for key, value in facts.items()))
    results = [_project(kind, setting, quiet=given.json) for kind in given.only or projects.MAKERS]
    if given.json:
        print(json.dumps(facts | {"projects": results}, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.up", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", metavar="ADDRESS", help="as DOCKER_HOST; default: that, or docker's own default")
    parser.add_argument("--runs", type=int, default=7, help="visits of each side (default: 7)")
    parser.add_argument("--only", action="append", choices=list(projects.MAKERS), help="a project; can be repeated")
    parser.add_argument("--empty", action="store_true", help="also `up` without volumes: initialising, installing")
    parser.add_argument("--health-interval", metavar="TIME", help="give compose this interval instead of devenv's")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs: at least 1")
    return given


def _project(kind: str, setting: Setting, *, quiet: bool) -> dict[str, object]:
    with projects.made(kind, setting.environ) as project, _prepared(project, setting) as (ours, theirs):
        interval = "/".join(sorted({found[1] for found in INTERVAL.findall(_compose_text(project, theirs))}))
        measured = _measure(ours, theirs, setting)
    if not quiet:
        print(f"\n{kind}, compose's health interval {interval}\n\n{pairs.HEADER}")
        print("\n".join(pairs.row(one) for one in measured), flush=True)
    return {"project": kind, "health_interval": interval, "measured": [one.summary() for one in measured]}


def _compose_text(project: Project, theirs: Side) -> str:
    return (project.folder / theirs.commands["up"][3]).read_text()


@contextmanager
def _prepared(project: Project, setting: Setting) -> Iterator[tuple[Side, Side]]:
    """Build, install and render everything once, so that the measured runs find it."""
    ours = sides.devenv(project, setting.environ)
    try:
        ours.run("up")
        ours.run("down")
        file = sides.RENDERED
        if setting.health_interval:
            file = _rewritten(project, setting.health_interval, setting.environ)
        yield ours, sides.compose(project, setting.environ, file)
    finally:
        ours.run("down --volumes", check=False)


def _rewritten(project: Project, interval: str, environ: dict[str, str]) -> str:
    """A copy of the rendered file with another interval of the health checks, from the first one on.

    Engines since API 1.44 check every 5 seconds until a container has been healthy once, unless told otherwise; older
    ones refuse to be told.
    """
    file = f".devenv/compose-{interval}.yaml"
    text = (project.folder / sides.RENDERED).read_text()
    version = projects.ask(environ, "version", "--format", "{{.Server.APIVersion}}").strip().split(".")
    since = "\n      start_interval: " + interval if [int(part) for part in version] >= [1, 44] else ""
    (project.folder / file).write_text(INTERVAL.sub(rf"\g<1>{interval}{since}", text))
    return file


def _measure(ours: Side, theirs: Side, setting: Setting) -> list[Pairs]:
    found = {name: Pairs(name, target) for name, target in TARGETS.items() if setting.empty or name != EMPTY}
    for turn in range(-1, setting.runs):
        order = ((ours, True), (theirs, False)) if turn % 2 == 0 else ((theirs, False), (ours, True))
        for side, mine in order:
            for name, seconds in _visit(side, empty=setting.empty):
                # The first turn only warms caches.
                if turn >= 0:
                    (found[name].ours if mine else found[name].theirs).append(seconds)
        for side, mine in order * QUICK if turn >= 0 else ():
            (found["check"].ours if mine else found["check"].theirs).append(side.run("check"))
    return list(found.values())


def _visit(side: Side, *, empty: bool) -> Iterator[tuple[str, float]]:
    """From nothing to everything and back, as a day of work does; what is left are volumes and images."""
    if empty:
        side.run("down --volumes")
        yield EMPTY, side.run("up")
        side.run("down")
    yield "cold up", side.run("up")
    side.settle()
    for _ in range(QUICK):
        yield "warm up", side.run("up")
    for _ in range(QUICK):
        yield "status", side.run("status")
    yield "down", side.run("down")


if __name__ == "__main__":
    main()
