"""What a project asks for beyond its own containers, and whether this machine's user has allowed that.

Consent is given to asks one by one. Each has a mark, the hash of all that it says and of what it leads to on this
machine, so that a changed one is a new one. Marks are kept in the user's state folder, by repository: all worktrees of
one share them. No file of the project has a say in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devenv import blueprint, config, files, toml, worktree
from devenv.blueprint import hashing
from devenv.blueprint.reaches import ENGINES_OWN
from devenv.config import findings, reaching
from devenv.errors import DevenvError, Place, Untrusted
from devenv.model.blueprint import Container
from devenv.model.project import App, HostPath, Service
from devenv.values import dataclass

if TYPE_CHECKING:
    from devenv.workspace import Workspace

FOLDER = "trust"
"""In the user's state folder."""

Kind = Literal["mount", "socket", "engine", "privileged", "capabilities", "address", "secret"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that a project asks for.

    Args:
        unit: The app or service that is to have it.
        words: What it is, in one line that begins with the unit.
        keys: Where it is written.
        mark: 64 hex digits, others for an ask that differs in anything.
        where: None while nobody has looked it up.
        given: Whether there is consent to it.
    """

    kind: Kind
    unit: str
    words: str
    keys: toml.Keys
    mark: str
    where: Place | None = None
    given: bool = False


class Unconsented(Untrusted):
    """There are asks without consent.

    Args:
        project: As it was read.
    """

    def __init__(self, project: Workspace, asks: Sequence[Ask]) -> None:
        lines = "\n".join(f"  {one.words}{_placed(one.where)}" for one in asks)
        super().__init__(
            f"`{project.project.name}` asks for more than its own containers, and you have not allowed it:\n{lines}",
            hint="`devenv trust` shows it and asks; in scripts and CI, `devenv trust --yes`",
        )
        self.project = project
        self.asks = tuple(asks)


class Refused(Untrusted):
    """The user was asked, or could not be, and has allowed nothing."""

    def __init__(self, project: Workspace) -> None:
        super().__init__(
            f"`{project.project.name}` was not allowed what it asks for",
            hint="in scripts and CI, `devenv trust --yes` allows it without asking",
        )


def _placed(where: Place | None) -> str:
    return f"  ({where.file}:{where.line})" if where else ""


def asked(project: Workspace) -> tuple[Ask, ...]:
    """Everything that the project asks for, with its place, allowed or not."""
    found = _marked(project)
    if not found:
        return ()
    place = config.read(project.folder, profile=project.profile).place
    return tuple(replace(one, where=place(one.keys) or place(one.keys[:2])) for one in found)


def unconsented(project: Workspace) -> tuple[Ask, ...]:
    """What of it nobody has allowed."""
    if all(one.given for one in _marked(project)):
        return ()
    return tuple(one for one in asked(project) if not one.given)


def require(project: Workspace) -> None:
    """Refuse to go on before there is consent to everything; for whoever is about to start or change something.

    Raises:
        Unconsented: There is none to some of it.
        DevenvError: Something of this machine that a container is to have is not there.
    """
    # Without leave to read a secret of this machine, it is only not read.
    missing = tuple(one for one in unconsented(project) if one.kind != "secret")
    if missing:
        raise Unconsented(project, missing)
    _check_there(project)


def guard(project: Workspace, container: Container) -> None:
    """Refuse to start a container one of whose paths leads elsewhere by now; what runs already may have changed it.

    The engine follows links when a container starts, not when it is made.

    Raises:
        Unconsented: It leads to what nobody has allowed.
        DevenvError: It leads out of the project, and was never to.
    """
    asked_for = {str(_located(project, mount)) for _, mount in _mounts(project)}
    if asked_for:
        require(project)
    for mount in container.mounts:
        is_own = mount.kind == "bind" and Path(mount.source).is_relative_to(project.folder)
        if is_own and mount.source not in asked_for and files.leads_out(Path(mount.source), project.folder):
            shown = toml.printable(os.path.relpath(mount.source, project.folder), 400)
            raise DevenvError(
                f"`{container.unit}` is not started: `{shown}` leads out of the project by now",
                hint="something has put a symbolic link there; remove it",
            )


def consent(project: Workspace, asks: Sequence[Ask] | None = None) -> None:
    """Allow what the project asks for.

    Args:
        asks: Those that were shown; all for None.

    Raises:
        DevenvError: The record cannot be written, or would be where the project can write it.
    """
    allowed = _allowed(project) | {one.mark: one.words for one in (asked(project) if asks is None else asks)}
    told = {"project": str(repository(project.folder)), "allowed": allowed}
    files.write(_record(project), json.dumps(told, indent=1) + "\n", mode=0o600)


def withdraw(project: Workspace) -> bool:
    """Forget every consent that was given to the project, in whichever profile and worktree; whether there was any."""
    record = _record(project)
    with files.named(record):
        there = record.is_file()
        record.unlink(missing_ok=True)
    return there


# --- the record ---


def _record(project: Workspace) -> Path:
    state = project.machine.state
    if state.resolve().is_relative_to(project.folder.resolve()):
        raise DevenvError(
            f"consent cannot be kept in `{state}`: the project, and its containers, could write it themselves",
            hint="choose a folder outside of it with `state` in your `config.toml`, or `DEVENV_STATE`",
        )
    return state / FOLDER / f"{hashing.of(str(repository(project.folder)))[:16]}.json"


def _allowed(project: Workspace) -> dict[str, str]:
    """The marks of what was allowed; a record that nobody can read allows nothing."""
    try:
        told = json.loads(_record(project).read_bytes())["allowed"]
        return {str(mark): str(words) for mark, words in told.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def marks(project: Workspace) -> frozenset[str]:
    """The marks of all that was allowed."""
    return frozenset(_allowed(project))


def repository(folder: Path) -> Path:
    """The folder of the project in the main checkout of its repository, its own where it is in no linked worktree."""
    own = folder.resolve()
    linked = worktree.linked(own)
    if linked is None or not _is_known(linked):
        return own
    return linked.main.resolve() / own.relative_to(linked.folder)


def _is_known(linked: worktree.Worktree) -> bool:
    """Whether the repository knows the worktree, too: by its own word alone, a folder would be one of any."""
    place = linked.folder / (worktree.pointer(linked.folder / ".git", "gitdir:") or "")
    common, back = worktree.pointer(place / "commondir", ""), worktree.pointer(place / "gitdir", "")
    try:
        is_there = common is not None and place.parent.samefile(place / common / "worktrees")
        return is_there and back is not None and (place / back).samefile(linked.folder / ".git")
    except OSError:
        return False


# --- what is asked for ---


def _marked(project: Workspace) -> tuple[Ask, ...]:
    found = [one for source in _SOURCES for one in source(project)]
    allowed = _allowed(project) if found else {}
    return tuple(replace(one, given=one.mark in allowed) for one in found)


def _of_units(project: Workspace) -> Iterator[Ask]:
    ports: dict[str, list[int]] = {}
    for key in blueprint.service_ports(project.project, project.entries):
        unit, _, port = key.partition("/")
        ports.setdefault(unit, []).append(int(port))
    for app in project.project.apps:
        yield from _of_unit(project, app, ("apps", app.name), app.ports)
    for service in project.project.services:
        yield from _of_unit(project, service, ("services", service.name), ports.get(service.name, ()))


def _of_secrets(project: Workspace) -> Iterator[Ask]:
    if project.project.secrets:
        from devenv import vault

        yield from vault.asks(project)


_SOURCES: tuple[Callable[[Workspace], Iterator[Ask]], ...] = (_of_units, _of_secrets)
"""Each tells of other things; a project that asks for any must be one that `Project.reaches`, for others are let by.

Secrets alone are let by.
"""


def _of_unit(project: Workspace, unit: App | Service, keys: tuple[str, str], ports: Sequence[int]) -> Iterator[Ask]:
    reach = unit.reach
    for mount in reach.mounts:
        yield from _of_mount(project, mount, keys)
    if reach.privileged:
        words = "runs privileged: it may do what this machine's administrator may"
        yield _ask("privileged", words, (*keys, "privileged"))
    if reach.capabilities:
        told = findings.listed(reach.capabilities, "and")
        words = f"has rights that containers do not have: {told}"
        yield _ask("capabilities", words, (*keys, "capabilities"), sorted(reach.capabilities))
    if ports and not reach.address.startswith("127."):
        numbers = findings.listed([str(port) for port in ports], "and")
        words = f"is reached from other computers, on {reach.address}: port{'s' if len(ports) > 1 else ''} {numbers}"
        yield _ask("address", words, (*keys, "address"), reach.address, list(ports))


def _ask(kind: Kind, words: str, keys: toml.Keys, *details: object) -> Ask:
    unit = str(keys[1])
    return Ask(kind, unit, f"`{unit}` {words}", keys, hashing.of([kind, *keys, *details]))


def _of_mount(project: Workspace, mount: HostPath, keys: tuple[str, str]) -> Iterator[Ask]:
    """What of this machine a mount gives; nothing where it is only a file or folder of the project."""
    path = _located(project, mount)
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # links that go in a circle lead nowhere
        real = path
    root = project.folder.resolve()
    if reaching.is_inside(mount.source) and real.is_relative_to(root) and not _is_of_git(real, root):
        return
    kind = _kind(project, real, path)
    words = (
        f"{_does(kind, mount)} `{toml.printable(mount.source)}`{_leading(mount, path, real)}{_what(kind, real, root)}"
    )
    if mount.target not in (str(path), str(real)):
        words += f"; inside it is `{toml.printable(mount.target)}`"
    yield _ask(kind, words, (*keys, "mounts", mount.target), mount.source, str(real), mount.read_only)


def _is_of_git(real: Path, root: Path) -> bool:
    return ".git" in real.relative_to(root).parts


def _kind(project: Workspace, real: Path, path: Path) -> Kind:
    if str(path) in ENGINES_OWN or str(real) in _engines(project):
        return "engine"
    try:
        return "socket" if real.is_socket() else "mount"
    except OSError:
        return "mount"


def _engines(project: Workspace) -> frozenset[str]:
    """Sockets that an engine may listen on: the usual ones, and the one that the user has named."""
    from devenv.engine import address

    named = address.sockets(project.machine, os.environ, Path.home())
    return frozenset(str(place) for one in named for place in (one, one.resolve()))


def _does(kind: Kind, mount: HostPath) -> str:
    if kind in ("engine", "socket"):
        return "talks to"
    return "reads" if mount.read_only else "reads and changes"


def _leading(mount: HostPath, path: Path, real: Path) -> str:
    """Where a path leads, if it does not say so itself."""
    says = path == real and (mount.source.startswith(("/", "~")) or reaching.is_inside(mount.source))
    return "" if says else f", which is `{toml.printable(str(real))}`"


def _what(kind: Kind, real: Path, root: Path) -> str:
    """What a thing of the machine is, in words; the more it gives, the plainer."""
    if kind == "engine":
        return ": the whole engine, and with it this machine"
    if kind == "socket":
        return ": a socket, so whatever the program behind it does"
    if real == Path(real.anchor):
        return ": this whole machine"
    held = [what for place, what in _held(root) if place.is_relative_to(real)]
    if held:
        return f", with {', and '.join(held)}"
    if real.is_relative_to(root) and _is_of_git(real, root):
        return ": git's own, what is written there may be run on this machine"
    return " of this machine"


def _held(root: Path) -> Iterator[tuple[Path, str]]:
    yield Path.home(), "all that is in your home folder"
    for place in ENGINES_OWN[1:]:
        yield Path(place), "the engine's socket: the whole engine, and with it this machine"
    yield root, "this project and its secrets"


# --- what is there ---


def _check_there(project: Workspace) -> None:
    """Refuse what is outside and not there: some engines would make an empty folder in its place."""
    for keys, mount in _mounts(project):
        path = _located(project, mount)
        if str(path) not in ENGINES_OWN and not _is_there(path):
            place = config.read(project.folder, profile=project.profile).place
            raise DevenvError(
                f"`{keys[1]}` is to have `{toml.printable(mount.source)}`, and this machine has no such file or folder",
                hint="create it, or set another one in `devenv.local.toml`",
                where=place((*keys, "mounts", mount.target)),
            )


def _is_there(path: Path) -> bool:
    """Whether there is something; the engine may see what this user may not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _located(project: Workspace, mount: HostPath) -> Path:
    return reaching.located(mount.source, project.folder, Path.home())


def _mounts(project: Workspace) -> Iterator[tuple[tuple[str, str], HostPath]]:
    units: Mapping[str, Sequence[App | Service]] = {"apps": project.project.apps, "services": project.project.services}
    for table, each in units.items():
        for unit in each:
            yield from (((table, unit.name), mount) for mount in unit.reach.mounts)
