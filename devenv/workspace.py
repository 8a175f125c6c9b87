"""Opens a project on this machine: its files, its lockfile, its place and so its blueprint."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv import blueprint, catalog, config, files, lockfile, render, secrets, toml
from devenv.catalog import Catalog
from devenv.errors import Conflict, DevenvError, LockfileError
from devenv.lockfile import wanted
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Observed, Placement
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile, Pins
from devenv.model.project import Project
from devenv.values import dataclass

if TYPE_CHECKING:
    from devenv.engine.protocol import Engine

STATE = ".devenv/state.toml"
USERS = ".devenv/passwd"
_LAST = "last"
# Below the range that kernels give to outgoing connections (32768 and up).
PORTS = range(20000, 30000)
# A file with more certificates than this is a whole bundle; fewer are additions to the system's.
BUNDLE = 20
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project, read and checked, with the machine it is on.

    Args:
        is_alone: Whether `devenv.toml` says everything: no overlay on this machine, no profiles.
    """

    folder: Path
    project: Project
    entries: Catalog
    machine: Machine
    is_alone: bool = False

    @property
    def instance(self) -> str:
        """The name that prefixes every resource of this checkout."""
        return self.project.name


def load(start: Path, machine: Machine, *, profile: str | None = None) -> Workspace:
    """Read the project that `start` lies in.

    Raises:
        Problems: Everything that is wrong with `devenv.toml`.
    """
    folder = config.find(start)
    loaded = config.read(folder, profile=profile)
    entries = catalog.of(folder)
    catalog.check(loaded.project, entries, loaded.place)
    return Workspace(folder, loaded.project, entries, machine, loaded.source.is_alone)


def lock(workspace: Workspace) -> Lockfile:
    """Read the lockfile.

    Raises:
        LockfileError: There is none, or it is damaged.
    """
    found = lockfile.read(workspace.folder)
    if found is None:
        raise LockfileError(f"there is no `{lockfile.NAME}`", hint="run `devenv lock`")
    return found


def pins(workspace: Workspace, found: Lockfile, architecture: str) -> Pins | None:
    """The lockfile's pins for an architecture.

    Raises:
        LockfileError: It does not cover the project.
    """
    reasons = lockfile.stale(found, workspace.project, workspace.entries, architecture)
    if reasons:
        raise LockfileError(f"`{lockfile.NAME}` is stale: {'; '.join(reasons)}", hint="run `devenv lock`")
    return found.platforms.get(architecture)


def resolve(
    workspace: Workspace, architecture: str, *, copies: bool = False, generations: Mapping[str, int] | None = None
) -> Blueprint:
    """The blueprint for this checkout on this machine.

    Args:
        copies: Whether the apps' folders are copied; what `copies` or `copies_recorded` says.
        generations: Of services' volumes, in place of those recorded.
    """
    found = pins(workspace, lock(workspace), architecture) if needs_lock(workspace) else None
    place = placement(workspace, copies=copies)
    if generations is not None:
        place = replace(place, generations=dict(place.generations) | dict(generations))
    return blueprint.make(workspace.project, workspace.entries, found, place)


def generations(workspace: Workspace) -> dict[str, int]:
    """The generation of services' volumes, as last seen on an engine; those with the first are left out."""
    return {
        name: number for name, number in _state(workspace, "data").items() if isinstance(number, int) and number > 1
    }


def record_generations(workspace: Workspace, found: Mapping[str, int]) -> None:
    """Note which generation services have, for commands that ask no engine."""
    _record(workspace, {"data": dict(found)})


def copies(workspace: Workspace, engine: Engine) -> bool:
    """Whether the host's files are copied on this engine: as the project says, else unless it shares them.

    What is found out is recorded, for commands that ask no engine.

    Raises:
        EngineUnreachable: It does not answer.
    """
    fixed = _fixed_copies(workspace.project)
    if fixed is not None:
        return fixed
    from devenv.engine import shared

    mode = "bind" if shared.shares(engine, workspace.folder, workspace.machine) else "copy"
    known = _state(workspace, "sync")
    if (known.get(_LAST), known.get(engine.address)) != (engine.address, mode):
        _record(workspace, {"sync": {engine.address: mode, _LAST: engine.address}})
    return mode == "copy"


def copies_recorded(workspace: Workspace, address: str | None = None) -> bool:
    """The same as it was last found out, on the engine of that address or on whichever was asked last; asks nothing."""
    fixed = _fixed_copies(workspace.project)
    if fixed is not None:
        return fixed
    known = _state(workspace, "sync")
    mode: object = known.get(address, known.get(known.get(_LAST)))
    return mode == "copy"


def has_copies(workspace: Workspace, address: str) -> bool:
    """Whether there are apps whose folders were last copied on that engine; asks nothing."""
    return bool(workspace.project.apps) and copies_recorded(workspace, address)


def _fixed_copies(project: Project) -> bool | None:
    """What the project says; without apps, too, for a service's files have to get there as well."""
    return None if project.sync.mode == "auto" else project.sync.mode == "copy"


def needs_lock(workspace: Workspace) -> bool:
    """Whether anything in the project has to be pinned."""
    return bool(wanted.of(workspace.project, workspace.entries))


def placement(workspace: Workspace, *, copies: bool = False) -> Placement:
    """What this machine and checkout add; host ports and a key for secrets are chosen and recorded where missing."""
    machine = workspace.machine
    return Placement(
        instance=workspace.instance,
        folder=str(workspace.folder),
        user=machine.user,
        ports=_ports(workspace),
        certificates=_certificates(machine),
        env=_proxy(workspace, machine.proxy),
        passwd=None if machine.user.startswith("0:") else str(workspace.folder / USERS),
        copies=copies,
        secrets=secrets.fingerprints(workspace.project, workspace.entries),
        generations=generations(workspace),
    )


def nowhere(workspace: Workspace) -> Placement:
    """A place on no machine in particular, for checks: nothing is chosen and nothing recorded."""
    return Placement(workspace.instance, str(workspace.folder))


def guard(workspace: Workspace, observed: Observed) -> None:
    """Refuse to touch an environment of the same name that belongs to another folder.

    Raises:
        Conflict: There is one, and its folder still exists.
    """
    seen = [one.labels for one in (*observed.networks, *observed.volumes)] + [one.labels for one in observed.containers]
    for found in seen:
        folder = found.get(labels.FOLDER, str(workspace.folder))
        if folder != str(workspace.folder) and (Path(folder) / config.NAME).is_file():
            raise Conflict(
                f"an environment named `{workspace.instance}` belongs to `{folder}`",
                hint=f'run `devenv down` there, or set another `name = "…"` in `{config.LOCAL_NAME}` here',
            )


def _ports(workspace: Workspace) -> dict[str, int]:
    """Host ports by `<unit>/<port>`: fixed ones, then recorded ones, then free ones, which are recorded."""
    wanted = blueprint.service_ports(workspace.project, workspace.entries)
    known = {key: port for key, port in _state(workspace, "ports").items() if _is_port(port)}
    ports = {key: fixed or known.get(key, 0) for key, fixed in wanted.items()}
    missing = [key for key, port in ports.items() if not port]
    if missing:
        taken = {*ports.values(), *(port for app in workspace.project.apps for port in app.ports)}
        for key in missing:
            ports[key] = _free_port(f"{workspace.folder}/{key}", taken)
            taken.add(ports[key])
        _record(workspace, {"ports": {key: ports[key] for key in missing}})
    return ports


def _is_port(value: object) -> bool:
    return isinstance(value, int) and 0 < value < 65536


def _state(workspace: Workspace, table: str) -> Mapping[Any, Any]:
    """A table of what is recorded for this checkout; empty when there is none."""
    path = workspace.folder / STATE
    found = toml.read(path, name=STATE).data.get(table) if path.is_file() else None
    return found if isinstance(found, dict) else {}


def _record(workspace: Workspace, changes: Mapping[str, Any]) -> None:
    files.write(workspace.folder / ".devenv" / ".gitignore", render.IGNORED)
    toml.update(workspace.folder / STATE, changes)


def _free_port(seed: str, taken: set[int]) -> int:
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    for offset in range(len(PORTS)):
        port = PORTS[(start + offset) % len(PORTS)]
        if port not in taken and _is_free(port):
            return port
    raise Conflict("no free port between 20000 and 29999", hint="stop what listens there")


def _is_free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _proxy(workspace: Workspace, proxy: Mapping[str, str]) -> dict[str, str]:
    """Proxy variables in both spellings; what runs in the instance's network is reached without the proxy."""
    if not proxy:
        return {}
    units = [one.name for one in workspace.project.services] + [one.name for one in workspace.project.apps]
    direct = ",".join([*filter(None, [proxy.get("NO_PROXY", "")]), "localhost", "127.0.0.1", *units])
    merged = dict(proxy) | {"NO_PROXY": direct}
    return merged | {key.lower(): value for key, value in merged.items()}


def _certificates(machine: Machine) -> str | None:
    """Path of the one bundle to mount, named by its content; None when the containers' own will do."""
    if not machine.certificates:
        return None
    content = _bundle(machine.certificates)
    path = machine.state / "certificates" / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not path.is_file():
        files.write(path, content)
    return str(path)


@functools.cache
def _bundle(certificates: tuple[Path, ...]) -> bytes:
    contents = [_read_certificates(path) for path in certificates]
    if not any(content.count(b"BEGIN CERTIFICATE") > BUNDLE for content in contents):
        contents = [Path(path).read_bytes() for path in SYSTEM_BUNDLES if Path(path).is_file()][:1] + contents
    return b"\n".join(contents)


def _read_certificates(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DevenvError(
            f"cannot read the CA certificates `{path}`: {error.strerror}",
            hint="correct `ca_certificates` in your `config.toml`, or the variable that names the file",
        ) from error
    if b"BEGIN CERTIFICATE" not in content:
        raise DevenvError(f"`{path}` holds no PEM certificate", hint="convert it with `openssl x509`")
    return content
