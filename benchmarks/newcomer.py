"""Measure how long a newcomer waits for the first page of a project, end to end.

    python -m benchmarks.newcomer --engine unix:///run/empty.sock

`devenv onboard` with a repository's address, and the first answer of the app, from three beginnings:

- nothing: an engine without images, nothing in devenv's cache;
- cache: the same engine, but all packages and layers are in the cache, as they are after another project;
- team: as nothing, with a registry that has the images (`devenv push`), as colleagues have it.

The engine is emptied between samples, so it must have nothing to begin with, and belong to nobody else. The registry
is Debian's `docker-registry` on loopback: its answers cost no network. What the app's own `setup` downloads comes from
where it always does, in all three. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import projects, sides
from benchmarks.projects import Project

BEGINNINGS = ("nothing", "cache", "team")
TARGET = 0.25
"""The share of the time from nothing that a team's registry is promised to leave."""
ARRIVAL = "{devenv} onboard --yes --json {origin} {clone}"
"""What a newcomer types."""
PATIENCE = 600.0


@dataclass(slots=True)
class Waits:
    """Seconds to the first page from each beginning, and those of the parts."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {one: [] for one in BEGINNINGS})
    parts: dict[str, list[Mapping[str, float]]] = field(default_factory=lambda: {one: [] for one in BEGINNINGS})

    @property
    def ratio(self) -> float:
        """The median of the ratios, run by run, of the team's registry to nothing."""
        pairs = zip(self.seconds["team"], self.seconds["nothing"], strict=True)
        return median(team / nothing for team, nothing in pairs)


@dataclass(frozen=True, slots=True)
class Setting:
    """What one run of the benchmark was told.

    Args:
        place: A folder for clones, caches and the registry.
        arrival: The command, `ARRIVAL` or another one.
    """

    place: Path
    arrival: str
    environ: Mapping[str, str]


def main() -> None:
    """Measure, and print a table or JSON."""
    given = _arguments()
    environ = sides.environ(given.engine)
    _check_empty(environ)
    engine = projects.ask(environ, "version", "--format", "{{.Server.Version}}").strip()
    facts = {"engine": engine, "runs": given.runs, "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    if not given.json:
        print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="devenv-bench-") as place:
        found = _measured(Setting(Path(place), given.arrival, environ), given.runs, quiet=given.json)
    if given.json:
        print(json.dumps(facts | {"seconds": found.seconds, "parts": found.parts, "ratio": found.ratio}, indent=2))
    else:
        print(table(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newcomer", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", metavar="ADDRESS", required=True, help="one that is empty, and emptied each time")
    parser.add_argument("--runs", type=int, default=3, help="from each beginning (default: 3)")
    parser.add_argument("--arrival", metavar="COMMAND", default=ARRIVAL, help=f"what is typed (default: {ARRIVAL})")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs: at least 1")
    return given


def _check_empty(environ: Mapping[str, str]) -> None:
    """Refuse an engine that somebody uses.

    Raises:
        SystemExit: It has a container, an image or a volume.
    """
    for what in (("ps", "-aq"), ("images", "-q"), ("volume", "ls", "-q")):
        if projects.ask(environ, *what).strip():
            raise SystemExit(
                "the engine is not empty: this benchmark removes all that an engine has; give it one of its own"
            )


def _measured(setting: Setting, runs: int, *, quiet: bool) -> Waits:
    from tests import registries

    found = Waits()
    with registries.running(setting.place / "registry") as registry:
        repository = f"{registry.address}/team/devenv"
        origin = _origin(setting, repository)
        for turn in range(runs):
            for beginning in BEGINNINGS if turn % 2 == 0 else reversed(BEGINNINGS):
                own = _own(setting, beginning, repository)
                seconds, parts = _sample(setting, origin, own)
                found.seconds[beginning].append(seconds)
                found.parts[beginning].append(parts)
                if not quiet:
                    shown = ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
                    print(f"{beginning}: {seconds:.1f} s ({shown})", flush=True)
    return found


def _origin(setting: Setting, repository: str) -> Path:
    """A repository with the example and its lockfile, whose images are in the team's registry and in a warm cache."""
    with projects.made("bookshop", setting.environ) as project:
        origin = setting.place / "bookshop.git"
        shutil.copytree(project.folder, origin)
    environ = {**setting.environ, "DEVENV_CACHE": str(setting.place / "warm")}
    with _up(Project(origin, "bookshop"), environ):
        _run([*sides.program(), "push", "--to", repository], origin, environ)
    for path in (origin / ".devenv", origin / "devenv.local.toml"):
        shutil.rmtree(path, ignore_errors=True)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "1"]):
        own = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
        _run(["git", *own, *command], origin, setting.environ)
    return origin


@contextmanager
def _up(project: Project, environ: Mapping[str, str]) -> Iterator[None]:
    """An environment that runs, and in the end an engine that has nothing of it."""
    try:
        _run([*sides.program(), "up", "-d"], project.folder, environ)
        yield
    finally:
        _run([*sides.program(), "down", "--volumes"], project.folder, environ)
        _empty(environ)


def _empty(environ: Mapping[str, str]) -> None:
    images = projects.ask(environ, "images", "-aq").split()
    if images:
        subprocess.run(["docker", "image", "rm", "--force", *dict.fromkeys(images)], env=environ, capture_output=True)
    _check_empty(environ)


def _own(setting: Setting, beginning: str, repository: str) -> dict[str, str]:
    """The machine of somebody who begins so."""
    cache = setting.place / "warm" if beginning == "cache" else Path(tempfile.mkdtemp(dir=setting.place))
    state = tempfile.mkdtemp(dir=setting.place)
    team = {"DEVENV_REGISTRY_IMAGES": repository} if beginning == "team" else {}
    return {**setting.environ, "DEVENV_CACHE": str(cache), "DEVENV_STATE": state, **team}


def _sample(setting: Setting, origin: Path, environ: Mapping[str, str]) -> tuple[float, Mapping[str, float]]:
    """Clone, arrive, and wait for the page; the seconds in all, and of each part."""
    clone = Path(tempfile.mkdtemp(dir=setting.place)) / "bookshop"
    begun = time.perf_counter()
    words = {"devenv": shlex.join(sides.program()), "origin": str(origin), "clone": str(clone)}
    try:
        told = _run(shlex.split(setting.arrival.format(**words)), setting.place, environ)
        arrived = time.perf_counter()
        _page(clone, environ)
        ended = time.perf_counter()
    finally:
        _run([*sides.program(), "down", "--volumes"], clone, environ)
        _empty(environ)
    return ended - begun, {**stages(told), "page": ended - arrived}


def stages(told: str) -> dict[str, float]:
    """Seconds of the stages that took any, by what `devenv onboard --json` has told; nothing of another command."""
    try:
        return {one["stage"]: one["seconds"] for one in json.loads(told)["stages"] if one["seconds"] >= 0.05}
    except (ValueError, KeyError, TypeError):
        return {}


def _page(clone: Path, environ: Mapping[str, str]) -> None:
    address = _run([*sides.program(), "url", "web"], clone, environ).strip()
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{address} gives no page: {error}") from error
            time.sleep(0.05)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> str:
    """Run to the end; what it prints.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"`{shlex.join(command)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def table(found: Waits) -> str:
    """Medians from each beginning, and whether the promise was kept."""
    words = {"nothing": "nothing", "cache": "an engine and a warm cache", "team": "the team's registry"}
    lines = ["| from | first page: median (min) | share of nothing | target | result |", "|---|---|---|---|---|"]
    for one, seconds in found.seconds.items():
        share = median(own / all_ for own, all_ in zip(seconds, found.seconds["nothing"], strict=True))
        promise = (f"≤ {TARGET:.2f}", "met" if share <= TARGET else "missed") if one == "team" else ("", "")
        lines.append(
            f"| {' | '.join((words[one], f'{median(seconds):.1f} s ({min(seconds):.1f})', f'{share:.2f}', *promise))} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
