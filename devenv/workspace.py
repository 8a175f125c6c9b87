"""Opens a project on this machine: its files, its lockfile, its place and so its blueprint."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import blueprint, catalog, config, files, instances, lockfile, secrets
from devenv.catalog import Catalog
from devenv.errors import Conflict, DevenvError, EngineError, LockfileError
from devenv.instances import Checkout, Claim, ledger, naming, ports, state
from devenv.lockfile import wanted
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Observed, Placement
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile, Pins
from devenv.model.project import Project
from devenv.values import dataclass

if TYPE_CHECKING:
    from devenv.engine.protocol import Engine

STATE = state.FILE
USERS = ".devenv/passwd"
_LAST = "last"
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
        is_named: Whether its name was given on this machine.
        claim: What was found, or recorded, of its instance.
    """

    folder: Path
    project: Project
    entries: Catalog
    machine: Machine
    is_alone: bool = False
    is_named: bool = False
    claim: Claim | None = None

    @property
    def instance(self) -> str:
        """The name that prefixes every resource of this checkout."""
        return self.claimed.name

    @property
    def claimed(self) -> Claim:
        """What this checkout is on the machine, or would be."""
        return self.claim or instances.read(self.checkout)

    @property
    def checkout(self) -> Checkout:
        return Checkout(self.folder, self.project.name, self.machine, self.is_named)


@dataclass(frozen=True, slots=True)
class Scaled:
    """An app that runs here in another number than `devenv.toml` says."""

    app: str
    here: int
    declared: int


def load(start: Path, machine: Machine, *, profile: str | None = None) -> Workspace:
    """Read the project that `start` lies in.

    Raises:
        Problems: Everything that is wrong with `devenv.toml`.
    """
    folder = config.find(start)
    loaded = config.read(folder, profile=profile)
    entries = catalog.of(folder)
    catalog.check(loaded.project, entries, loaded.place)
    named = any(one.document.name == config.LOCAL_NAME and "name" in one.table for one in loaded.source.layers)
    opened = Workspace(folder, loaded.project, entries, machine, loaded.source.is_alone, named)
    return replace(opened, claim=opened.claimed)


def claim(
    project: Workspace, name: str | None = None, engine: Engine | None = None, *, tells: bool = False
) -> Workspace:
    """Make sure that the checkout's instance has a name of its own, and that this is recorded.

    Args:
        name: The one to give it.
        engine: Knows of environments that this machine has forgotten.
        tells: Whether people hear what there is to be told of it; else they still have to.

    Raises:
        Conflict: The name belongs to another folder, or there are things under the old one.
    """
    if name is not None:
        naming.check(name)
        assert engine is not None
        _check_rename(project, engine, name)
    found = instances.claim(
        project.checkout,
        name=name,
        declared=_declared(project),
        tells=tells,
        elsewhere=set if engine is None else lambda: _others(project, engine),
    )
    return replace(project, claim=found)


def _check_rename(project: Workspace, engine: Engine, name: str) -> None:
    """Refuse to leave something behind under the old name, or to take over what is another folder's."""
    if name == project.instance:
        return
    observed = engine.observe(project.instance)
    told = _labels(Observed(observed.containers, (), observed.volumes))
    if any(ledger.is_same(one.get(labels.FOLDER, ""), project.folder) for one in told):
        kinds = "containers" if observed.containers else "volumes"
        raise Conflict(
            f"this checkout has {kinds} as `{project.instance}`, which cannot be renamed",
            hint=f"`devenv down --volumes` removes them, after `devenv snapshot save` if the data is to be kept; then "
            f"`devenv up --instance {name}`",
        )
    guard(replace(project, claim=Claim(name)), engine.observe(name))


def _others(project: Workspace, engine: Engine) -> set[str]:
    """The names that an engine has for other checkouts."""
    try:
        seen = engine.observe(None)
    except EngineError:  # who needs it next tells that better
        return set()
    return {one[labels.INSTANCE] for one in _labels(seen) if _is_others(one, project)}


def _labels(seen: Observed) -> list[Mapping[str, str]]:
    return [one.labels for one in (*seen.networks, *seen.volumes)] + [one.labels for one in seen.containers]


def _is_others(told: Mapping[str, str], project: Workspace) -> bool:
    """Whether labels tell of another checkout that is still there, as far as can be seen from this machine."""
    folder, host = told.get(labels.FOLDER), told.get(labels.HOST)
    if folder is None or ledger.is_same(folder, project.folder):
        return False
    return host not in (None, ledger.host(project.machine)) or ledger.is_there(Path(folder) / config.NAME)


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
    workspace: Workspace,
    architecture: str,
    *,
    copies: bool = False,
    generations: Mapping[str, int] | None = None,
    records: bool = True,
) -> Blueprint:
    """The blueprint for this checkout on this machine.

    Args:
        copies: Whether the apps' folders are copied; what `copies` or `copies_recorded` says.
        generations: Of services' volumes, in place of those recorded.
        records: Whether what is chosen for the checkout is recorded; else it is only what it would be.
    """
    found = pins(workspace, lock(workspace), architecture) if needs_lock(workspace) else None
    place = placement(workspace, copies=copies, records=records)
    if generations is not None:
        place = replace(place, generations=dict(place.generations) | dict(generations))
    return blueprint.make(workspace.project, workspace.entries, found, place)


def begins_with(workspace: Workspace, source: str) -> None:
    """Note that services are to begin with another instance's data."""
    state.record(workspace.folder, {"cloning": {"from": source}})


def begun(workspace: Workspace) -> None:
    """Note that services have begun."""
    state.record(workspace.folder, {"cloning": {"from": ""}})


def generations(workspace: Workspace) -> dict[str, int]:
    """The generation of services' volumes, as last seen on an engine; those with the first are left out."""
    return {
        name: number
        for name, number in state.table(workspace.folder, "data").items()
        if isinstance(number, int) and number > 1
    }


def record_generations(workspace: Workspace, found: Mapping[str, int]) -> None:
    """Note which generation services have, for commands that ask no engine."""
    state.record(workspace.folder, {"data": dict(found)})


def replicas(workspace: Workspace) -> dict[str, int]:
    """How many of an app run in this checkout, where `devenv scale` said so."""
    apps = {app.name for app in workspace.project.apps}
    found = state.table(workspace.folder, "replicas") if apps else {}
    return {name: number for name, number in found.items() if name in apps and isinstance(number, int) and number > 0}


def scaled(workspace: Workspace) -> tuple[Scaled, ...]:
    """Apps that run in this checkout in another number than `devenv.toml` says."""
    here = replicas(workspace)
    each = (Scaled(app.name, here[app.name], app.replicas or 1) for app in workspace.project.apps if app.name in here)
    return tuple(one for one in each if one.here != one.declared)


def record_replicas(workspace: Workspace, found: Mapping[str, int | None]) -> None:
    """Note how many of these apps are to run here; None is as many as `devenv.toml` says."""
    known = state.table(workspace.folder, "replicas")
    changes = {name: number for name, number in found.items() if known.get(name) != number}
    if changes:
        state.record(workspace.folder, {"replicas": changes})


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
    known = state.table(workspace.folder, "sync")
    if (known.get(_LAST), known.get(engine.address)) != (engine.address, mode):
        state.record(workspace.folder, {"sync": {engine.address: mode, _LAST: engine.address}})
    return mode == "copy"


def copies_recorded(workspace: Workspace, address: str | None = None) -> bool:
    """The same as it was last found out, on the engine of that address or on whichever was asked last; asks nothing."""
    fixed = _fixed_copies(workspace.project)
    if fixed is not None:
        return fixed
    known = state.table(workspace.folder, "sync")
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


def placement(workspace: Workspace, *, copies: bool = False, records: bool = True) -> Placement:
    """What this machine and checkout add; host ports and a key for secrets are chosen where missing.

    Args:
        records: Whether they are recorded; else they are only what they would be.
    """
    machine = workspace.machine
    if records and not workspace.claimed.is_recorded:
        workspace = claim(workspace)
    return Placement(
        instance=workspace.instance,
        folder=str(workspace.folder),
        user=machine.user,
        ports=host_ports(workspace, records=records),
        certificates=_certificates(machine),
        env=_proxy(workspace, machine.proxy),
        passwd=None if machine.user.startswith("0:") else str(workspace.folder / USERS),
        copies=copies,
        secrets=secrets.fingerprints(workspace.project, workspace.entries, makes=records),
        generations=generations(workspace),
        host=ledger.host(machine, records=records),
        replicas=replicas(workspace),
        home=str(Path.home()),
    )


def nowhere(workspace: Workspace) -> Placement:
    """A place on no machine in particular, for checks: nothing is chosen and nothing recorded."""
    return Placement(workspace.instance, str(workspace.folder))


def guard(workspace: Workspace, observed: Observed) -> None:
    """Refuse to touch an environment of the same name that belongs to another folder.

    Raises:
        Conflict: There is one, and its folder still exists, or is another machine's.
    """
    for found in _labels(observed):
        if _is_others(found, workspace):
            there = ledger.is_there(Path(found[labels.FOLDER]) / config.NAME)
            raise Conflict(
                f"an environment named `{workspace.instance}` belongs to `{found[labels.FOLDER]}`"
                f"{'' if there else ' on another machine'}",
                hint="`devenv up --instance NAME` gives this checkout another name; or run `devenv down` there",
            )


def host_ports(project: Workspace, *, records: bool) -> dict[str, int]:
    """Host ports by `<unit>/<port>`; those that apps are to have as they declare them are left out."""
    return ports.of(project.folder, project.machine, _wanted_ports(project), records=records)


def move_port(project: Workspace, unit: str, container: int, taken: int) -> int | None:
    """Choose another host port for a unit in place of one that something else has; None when it is declared."""
    key = f"{unit}/{container}"
    if _wanted_ports(project).get(key, taken) is not None:
        return None
    return ports.move(project.folder, project.machine, key, taken)


def _wanted_ports(project: Workspace) -> dict[str, int | None]:
    """The main checkout has ports as they are declared; all of another one are chosen."""
    wanted = blueprint.service_ports(project.project, project.entries)
    if project.instance == project.project.name:
        return wanted
    return dict.fromkeys((*wanted, *(f"{app.name}/{port}" for app in project.project.apps for port in app.ports)))


def _declared(project: Workspace) -> set[int]:
    fixed = (one.port for one in project.project.services if one.port is not None)
    return {*fixed, *(port for app in project.project.apps for port in app.ports)}


def _proxy(workspace: Workspace, proxy: Mapping[str, str]) -> dict[str, str]:
    """Proxy variables in both spellings; what runs in the instance's network is reached without the proxy."""
    if not proxy:
        return {}
    units = [one.name for one in workspace.project.pinned] + [one.name for one in workspace.project.apps]
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
