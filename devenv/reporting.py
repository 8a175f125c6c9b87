"""What a machine says of itself and of a project's environment on it, to be held against another machine's."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from devenv import __version__, drift, identity, lockfile, veil, workspace
from devenv.diagnosis import Finding
from devenv.drift import Difference
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, EngineError, LockfileError, Problems, UsageError
from devenv.lockfile import form
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Image, Observed
from devenv.model.machine import Machine
from devenv.values import dataclass
from devenv.workspace import Workspace

Weight = Literal["decisive", "circumstance"]

FORMAT = 1
LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageReport:
    """An image the project needs.

    Args:
        key: Of its pin.
        pinned: The configuration's digest by the lockfile.
        found: The same by the engine; None when it does not have the image.
    """

    key: str
    pinned: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class _Machine:
    """What there is to say without engine and project."""

    format: int
    devenv: str
    python: str
    system: str
    kernel: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about this machine and this environment that may make a difference, and nothing secret.

    How files reach the apps makes none, so that the containers which hold them are left out.

    Args:
        environment: The environment id.
        lockfile: The lockfile's checksum.
        images: By app and service.
        containers: Whether what runs is what is asked for, by app and service.
    """

    format: int
    devenv: str
    python: str
    system: str
    kernel: str
    architecture: str
    engine: str
    engine_kernel: str
    engine_architecture: str
    project: str
    environment: str
    lockfile: str | None
    images: Mapping[str, ImageReport]
    containers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """What one has to know to help somebody whose devenv does not do as it should.

    Args:
        report: Without a project or an engine, what there is to say all the same.
        findings: What is wrong with the machine, and what was looked at.
        differences: What does not run as it is asked for: names, no values.
        crash: The newest log of a bug in devenv; it is in the state folder.
        troubles: Why something is not told.
    """

    report: Mapping[str, Any]
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...] = ()
    crash: str | None = None
    troubles: tuple[str, ...] = ()

    def data(self, home: Path) -> dict[str, Any]:
        """All of it as plain data, without secrets, logins and whose machine it is.

        Args:
            home: Its user's folder.
        """
        told = {
            **self.report,
            "findings": [
                {"name": one.name, "state": one.state, "message": one.message}
                for one in self.findings
                if one.name != _OTHERS
            ],
            "differences": [
                {"unit": one.unit, "what": one.what, "name": one.name, "explanation": one.explanation}
                for one in self.differences
            ],
            "crash": self.crash,
            "troubles": list(self.troubles),
        }
        return {key: _scrubbed(one, str(home)) for key, one in told.items()}


_OTHERS = "instances"
"""The finding that names other projects of the same person."""
_ONLY_HERE = frozenset({"findings", "differences", "crash", "troubles"})
"""What of an account is not held against another machine's."""
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")


def _scrubbed(value: Any, home: str) -> Any:
    if isinstance(value, str):
        text = _LOGIN.sub("", veil.over(value))
        return text.replace(home, "~") if len(home) > 1 else text
    if isinstance(value, Mapping):
        return {key: _scrubbed(one, home) for key, one in value.items()}
    return [_scrubbed(one, home) for one in value] if isinstance(value, list) else value


def account(
    project: Workspace | None,
    engine: Engine | None,
    machine: Machine,
    findings: tuple[Finding, ...],
    troubles: Iterable[DevenvError],
) -> Account:
    """Tell all there is to tell; what stands in the way of a part of it leaves that part out.

    Args:
        troubles: Why there is no project or no engine.
    """
    heard = list(troubles)
    report: Mapping[str, Any] = asdict(_machine())
    differences: tuple[Difference, ...] = ()
    if project is not None and engine is not None:
        try:
            report = asdict(make(project, engine))
            differences = _differences(project, engine)
        except DevenvError as error:
            heard.append(error)
    lines = tuple(line for one in heard for line in _trouble(one))
    return Account(report, findings, differences, _crash(machine.state), lines)


def _trouble(error: DevenvError) -> Iterator[str]:
    """What went wrong; of a mistake in a file only where it is, for its words may be a secret."""
    if isinstance(error, Problems):
        for one in error.problems:
            yield from _trouble(one)
    elif error.where is not None:
        yield f"there is a mistake in {error.where.file}:{error.where.line}"
    elif isinstance(error, EngineError | LockfileError):
        yield error.message
    else:
        yield "there is no project, or it cannot be read"


def _differences(project: Workspace, engine: Engine) -> tuple[Difference, ...]:
    copies = workspace.copies_recorded(project, engine.address)
    wanted = workspace.resolve(project, engine.info.architecture, copies=copies, records=False)
    observed = engine.observe(project.instance)
    return drift.of(engine, wanted, observed) if observed.containers else ()


def _crash(state: Path) -> str | None:
    try:
        return max((path.name for path in (state / "logs").glob("bug-*.md")), default=None)
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Contrast:
    """Something that is not the same on two machines.

    Args:
        name: `engine`, `images.postgres.found`.
        weight: Whether it makes the environments different, or may only explain why they behave so.
    """

    name: str
    here: str | None
    there: str | None
    weight: Weight


def make(project: Workspace, engine: Engine) -> Report:
    """Report on this machine."""
    info = engine.info
    observed = engine.observe(project.instance)
    wanted = workspace.resolve(
        project, info.architecture, copies=workspace.copies_recorded(project, engine.address), records=False
    )
    lock = lockfile.read(project.folder)
    return Report(
        **asdict(_machine()),
        engine=f"{info.name} {info.version}",
        engine_kernel=info.kernel,
        engine_architecture=info.architecture,
        project=project.project.name,
        environment=identity.of(project, lock),
        lockfile=form.checksum(lock) if lock else None,
        images=_images(engine, wanted),
        containers=_containers(wanted, observed),
    )


def _machine() -> _Machine:
    return _Machine(FORMAT, __version__, platform.python_version(), _system(), platform.release(), platform.machine())


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return f"{platform.system()} {platform.release()}"


def _images(engine: Engine, wanted: Blueprint) -> dict[str, ImageReport]:
    images = {image.reference: image for image in wanted.images}
    return {one.unit: _image(engine, images[one.image]) for one in wanted.containers if one.kind != "files"}


def _image(engine: Engine, image: Image) -> ImageReport:
    there = engine.image(image.reference)
    return ImageReport(image.key, image.digest, there.config_digest if there else None)


def _containers(wanted: Blueprint, observed: Observed) -> dict[str, str]:
    seen = {one.name: one for one in observed.containers}
    found: dict[str, str] = {}
    for one in (one for one in wanted.containers if one.kind != "files"):
        there = seen.get(one.name)
        current = there is not None and there.labels.get(labels.CONFIG) == one.config_hash
        name = one.unit if one.replica == 1 else f"{one.unit}-{one.replica}"
        found[name] = "missing" if there is None else f"{there.status}, {'current' if current else 'not current'}"
    return found


# --- two of them ---

_DECISIVE = ("environment", "lockfile", "images.", "engine_architecture")


def read(path: Path) -> Mapping[str, Any]:
    """A report that another machine wrote, as plain data.

    Raises:
        UsageError: It is none, or of another version of devenv.
    """
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(LARGEST))
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {(error.strerror or 'no such file').lower()}") from error
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UsageError(f"`{path}` is no report", hint="write one on the other machine: `devenv report > report.json`")
    return data


def contrast(here: Report, there: Mapping[str, Any]) -> tuple[Contrast, ...]:
    """What differs between two reports, what decides first."""
    ours, theirs = (
        dict(_flat("", asdict(here))),
        dict(_flat("", {key: one for key, one in there.items() if key not in _ONLY_HERE})),
    )
    found = [
        Contrast(name, ours.get(name), theirs.get(name), _weight(name))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    ]
    return tuple(sorted(found, key=lambda one: one.weight != "decisive"))


def _weight(name: str) -> Weight:
    return "decisive" if name.startswith(_DECISIVE) and not name.endswith(".found") else "circumstance"


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str | None]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), one)
    else:
        yield prefix, None if value is None else str(value)
