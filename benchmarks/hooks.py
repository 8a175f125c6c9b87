"""Measure a run of hooks: one fast check on one staged file, the environment up.

    python -m benchmarks.hooks --engine unix:///var/run/docker.sock

Each sample is a whole `devenv hooks run`. The check tells how long it took itself, by the container's clock; what the
run takes over that is devenv's and the engine's. Nothing is asserted: a slow machine is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import figures, projects, sides
from benchmarks.projects import Project

TARGET = 0.3
"""Seconds over the check's own time that devenv promises not to exceed."""
MODES = ("bind", "copy")
CHECK = "begun=$(date +%s%N); grep -q . {files}; echo $(($(date +%s%N) - begun))"


@dataclass(slots=True)
class Runs:
    """What was measured in one mode, pair by pair, in seconds.

    Args:
        own: The check itself.
    """

    mode: str
    whole: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    @property
    def over(self) -> list[float]:
        """The rest of each run."""
        return [whole - own for whole, own in zip(self.whole, self.own, strict=True)]


def main() -> None:
    """Measure, and print a table or JSON."""
    given = _arguments()
    environ = sides.environ(given.engine)
    engine = projects.ask(environ, "version", "--format", "{{.Server.Version}}").strip()
    facts = {"engine": engine, "runs": given.runs, "files": given.files, "load": round(os.getloadavg()[0], 2)}
    if not given.json:
        print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    found = [_measured(mode, given.runs, given.files, environ) for mode in MODES]
    if given.json:
        print(json.dumps(facts | {"modes": [_data(one) for one in found]}, indent=2))
    else:
        print(table(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hooks", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", metavar="ADDRESS", help="as DOCKER_HOST; default: that, or docker's own default")
    parser.add_argument("--runs", type=int, default=20, help="runs in each mode (default: 20)")
    parser.add_argument("--files", type=int, default=1000, help="files that the repository has besides (default: 1000)")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON")
    given = parser.parse_args()
    if given.runs < 1 or given.files < 0:
        parser.error("--runs: at least 1; --files: at least 0")
    return given


def _measured(mode: str, runs: int, files: int, environ: Mapping[str, str]) -> Runs:
    found = Runs(mode)
    with projects.made("1-apps", environ) as project:
        _arrange(project, mode, files)
        side = sides.devenv(project, environ)
        side.run("up")
        try:
            _sample(project, environ, 0)  # lays all files out
            for number in range(1, runs + 1):
                whole, own = _sample(project, environ, number)
                found.whole.append(whole)
                found.own.append(own)
        finally:
            side.run("down --volumes", check=False)
    return found


def _arrange(project: Project, mode: str, files: int) -> None:
    text = (project.folder / "devenv.toml").read_text()
    hook = f'\n[hooks.check]\nrun = "{CHECK}"\nfiles = ["*.py"]\n\n[sync]\nmode = "{mode}"\n'
    (project.folder / "devenv.toml").write_text(text + hook)
    for number in range(files):
        path = project.folder / f"{number // 100:03}" / f"{number:05}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * 50)
    _git(project.folder, "init", "-q", "-b", "main")
    _git(project.folder, "add", "-A")
    _git(project.folder, "commit", "-qm", "1")


def _sample(project: Project, environ: Mapping[str, str], number: int) -> tuple[float, float]:
    """Stage a change of one file and run the check; the seconds of both.

    Raises:
        SystemExit: It failed.
    """
    (project.folder / "changed.py").write_text(f"{number}\n")
    _git(project.folder, "add", "changed.py")
    command = [*sides.program(), "hooks", "run", "--json"]
    begun = time.perf_counter()
    done = subprocess.run(
        command, cwd=project.folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    whole = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
    (checked,) = json.loads(done.stdout)["checked"]
    return whole, int(checked["output"]) / 1e9


def _git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


def table(found: list[Runs]) -> str:
    """Medians (95th percentiles) in each mode, and whether the promise was kept."""
    lines = ["| files | run | the check itself | over it | target | result |", "|---|---|---|---|---|---|"]
    for one in found:
        result = "met" if median(one.over) <= TARGET else "missed"
        cells = (one.mode, *map(_cell, (one.whole, one.own, one.over)), f"≤ {TARGET * 1000:.0f} ms", result)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(samples: list[float]) -> str:
    return f"{median(samples) * 1000:.0f} ms ({figures.percentile(samples, 95) * 1000:.0f})"


def _data(runs: Runs) -> dict[str, object]:
    over = {"median": median(runs.over), "p95": figures.percentile(runs.over, 95)}
    return {"mode": runs.mode, "whole": runs.whole, "own": runs.own, "over": over, "target": TARGET}


if __name__ == "__main__":
    main()
