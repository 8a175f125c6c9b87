"""The secrets of a checkout: its key, the passwords generated from it, and the files that containers get them from."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import string
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import blueprint, config, files, render, veil
from devenv.blueprint import mounts
from devenv.catalog import Catalog
from devenv.errors import DevenvError, Problems
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Fingerprint, Observed
from devenv.model.pins import RegistryPin
from devenv.model.project import Project, Service

if TYPE_CHECKING:
    from devenv.workspace import Workspace

FOLDER = mounts.SECRETS
KEY = "key"
COMPOSE = "compose.yaml"
"""For plain `docker compose`, where files are copied; beside the key."""
GIVEN = "given.json"
"""What people brought; see `vault.given`."""
KEY_BYTES = 32
LENGTH = 32
"""Characters of a generated password: all that 256 bits give as letters and digits, 190 bits."""
_ALPHABET = string.ascii_letters + string.digits


def values(project: Project, entries: Catalog) -> dict[str, str]:
    """Every secret by its name, `<service>.<option>`; a key is made where there is none and one is needed.

    Raises:
        DevenvError: The key is damaged or cannot be written.
    """
    generated = _values(project, entries, _key(project.root)) if any(_names(project, entries)) else {}
    return generated | brought(project)


def brought(project: Project) -> dict[str, str]:
    """The secrets that people bring, by name, as containers were last given them."""
    if not project.secrets:
        return {}
    from devenv.vault import given

    known = given.read(project.root)
    found = {one.name: known[one.name] for one in project.secrets if one.name in known}
    for value in found.values():
        veil.hide(value)
    return found


def fingerprints(project: Project, entries: Catalog, *, makes: bool = True) -> dict[str, Fingerprint]:
    """What tells the secrets apart, by name.

    Args:
        makes: Whether a key is made where there is none; else what is told is another key's.

    Raises:
        DevenvError: As `values` does.
    """
    mine = brought(project)
    if not mine and not any(_names(project, entries)):
        return {}
    key = _key(project.root) if makes or has_key(project.root) else bytes(KEY_BYTES)
    identity = _digest(key, "identity").hex()[:8]
    origins = mine | {name: _given(service, option) for name, service, option in _names(project, entries)}
    return {
        name: Fingerprint(
            "given" if origins[name] else "generated", identity, _digest(key, f"fingerprint {name} {value}").hex()[:16]
        )
        for name, value in (_values(project, entries, key) | mine).items()
    }


def has_key(root: Path) -> bool:
    """Whether a checkout has its key already."""
    return (root / FOLDER / KEY).exists()


def take_over(root: Path, other: Path) -> None:
    """Give a checkout without a key that of another one, so that passwords are the same in both.

    Raises:
        DevenvError: It cannot be read or written.
    """
    if not has_key(root) and has_key(other):
        _put(root, _key(other))


def _values(project: Project, entries: Catalog, key: bytes) -> dict[str, str]:
    names = _names(project, entries)
    found = {name: _given(service, option) or _generated(key, name) for name, service, option in names}
    for one in found.values():
        veil.hide(one)
    return found


def write(project: Project, entries: Catalog, wanted: Blueprint) -> None:
    """Bring the files to what the blueprint's containers are to get; what is not among it is removed.

    Raises:
        DevenvError: A file cannot be written.
    """
    folder = project.root / FOLDER
    if not any(one.secrets for one in wanted.containers) and not folder.is_dir():
        return
    contents = _contents(project, entries, wanted)
    compose = _for_compose(wanted, contents)
    own = {folder / name for name in (KEY, GIVEN, *((COMPOSE,) if compose else ()))}
    _clear(folder, keep=own | contents.keys())
    for path, content in contents.items():
        _update(path, content.encode(), 0o444)
    if compose:
        _update(folder / COMPOSE, compose.encode(), 0o600)
    for path in _ignore_files(project, wanted):
        _update(path, _ignored(project.root), 0o644)


def _contents(project: Project, entries: Catalog, wanted: Blueprint) -> dict[Path, str]:
    """By file; one that nobody has brought yet has none."""
    known = values(project, entries)
    hidden = blueprint.secrets(project, entries, known)
    return {
        Path(one.source): hidden[container.unit][one.name].revealed(known)
        for container in wanted.containers
        for one in container.secrets
        if known.keys() >= set(hidden[container.unit][one.name].secrets)
    }


def _for_compose(wanted: Blueprint, contents: Mapping[Path, str]) -> str:
    """Empty where compose mounts the files themselves."""
    copied = render.secret_configs(wanted)
    return (
        render.compose_secrets({name: contents.get(Path(path), "") for path, name in copied.items()}) if copied else ""
    )


def _ignore_files(project: Project, wanted: Blueprint) -> list[Path]:
    """Beside each Dockerfile whose context has the secrets in it: what a build of it is to leave out."""
    at_root = {app.name for app in project.apps if posixpath.normpath(app.dir) == "."}
    sources = {image.reference: image.source for image in wanted.images}
    units = [one.unit for one in wanted.containers if not isinstance(sources[one.image], RegistryPin)]
    return [project.root / ".devenv" / name / "Dockerfile.dockerignore" for name in units if name in at_root]


def _ignored(root: Path) -> bytes:
    """The project's own patterns, which such a file takes the place of, and the secrets."""
    own = root / ".dockerignore"
    patterns = own.read_bytes().rstrip() + b"\n" if own.is_file() else b""
    mine = (
        f"# Made by devenv; what stands above is from `.dockerignore`.\n{FOLDER}\n{FOLDER}.env\n{config.LOCAL_NAME}\n"
    )
    return patterns + mine.encode()


def _update(path: Path, content: bytes, mode: int) -> None:
    if not path.is_file() or path.read_bytes() != content:
        files.write(path, content, mode=mode)


def _clear(folder: Path, *, keep: set[Path]) -> None:
    """Remove files that nothing needs any more, and folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # there is still something in it
                path.rmdir()
        elif path not in keep and not path.name.startswith("."):
            path.unlink(missing_ok=True)


# --- where they come from ---


def _names(project: Project, entries: Catalog) -> Iterator[tuple[str, Service, str]]:
    """The name of each secret, with its service and option."""
    for service in project.services:
        options = entries.service(service.use).options if service.use else {}
        yield from ((f"{service.name}.{name}", service, name) for name, one in options.items() if one.secret)


def _given(service: Service, option: str) -> str | None:
    value = service.options.get(option)
    return None if value is None else str(value)


def _generated(key: bytes, name: str) -> str:
    number = int.from_bytes(_digest(key, f"password {name}"))
    letters = []
    for _ in range(LENGTH):
        number, at = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[at])
    return "".join(letters)


def _digest(key: bytes, message: str) -> bytes:
    import hmac

    return hmac.digest(key, message.encode(), hashlib.sha256)


def _key(root: Path) -> bytes:
    """The checkout's key; made by whoever comes first, and then the same for all."""
    path = root / FOLDER / KEY
    with suppress(FileNotFoundError):
        return _read(path)
    _put(root, os.urandom(KEY_BYTES))
    return _read(path)


def _put(root: Path, key: bytes) -> None:
    """Give a checkout a key, unless it has one."""
    path = root / FOLDER / KEY
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        files.write(root / ".devenv" / ".gitignore", render.IGNORED)
        _make(path, key)
    except OSError as error:
        hint = "make the folder writable"
        raise DevenvError(f"cannot write `{FOLDER}/{KEY}`: {error.strerror}", hint=hint) from error


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DevenvError(
            f"cannot read `{FOLDER}/{KEY}`: {error.strerror}", hint="it belongs to whoever first ran devenv here"
        ) from error
    if len(key) != KEY_BYTES:
        hint = "put it back as it was; without it, `devenv reset` lets services begin anew under a new one"
        raise DevenvError(f"`{FOLDER}/{KEY}` is damaged, passwords are made from it", hint=hint)
    return key


def _make(path: Path, key: bytes) -> None:
    """Write a key beside, and give it its name only if nobody else was faster."""
    import tempfile

    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()


# --- data that was made with others ---


def object_to(project: Workspace, wanted: Blueprint, observed: Observed) -> tuple[str, ...]:
    """Refuse to start a service on data that has another password; what cannot be told is returned in words.

    Raises:
        Problems: All such services, each with the way out.
    """
    there = {one.name: one.labels for one in observed.volumes}
    doubts: dict[tuple[str, str], str] = {}
    problems: dict[tuple[str, str], DevenvError] = {}
    for volume in wanted.volumes:
        needed = _told(volume.labels.get(labels.SECRETS))
        if volume.name not in there or not needed:
            continue
        unit = next(one.unit for one in wanted.containers for mount in one.mounts if mount.source == volume.name)
        has = _told(there[volume.name].get(labels.SECRETS))
        for option, now in needed.items():
            before = has.get(option)
            if before is None or _is_doubtful(before, now):
                doubts[unit, option] = (
                    f"whether `{option}` of `{unit}` is the one that the data in volume `{volume.name}` was made with "
                    f"cannot be told; if it is refused, set that one, or let `devenv reset {unit}` begin anew"
                )
            elif _is_another(before, now):
                problems[unit, option] = _another(project, unit, option, volume.name, before, now)
    if problems:
        raise Problems(list(problems.values()))
    return tuple(doubts.values())


def others(before: str | None, now: str | None) -> Iterator[str]:
    """The options whose secrets are surely not the same in two labels of volumes."""
    then = _told(before)
    for option, one in _told(now).items():
        if option in then and not _is_doubtful(then[option], one) and _is_another(then[option], one):
            yield option


def _is_doubtful(before: Fingerprint, now: Fingerprint) -> bool:
    """Whether a password was given that may be the one that another key has hidden."""
    return before.key != now.key and now.origin == "given"


def _is_another(before: Fingerprint, now: Fingerprint) -> bool:
    return (before.key, before.value) != (now.key, now.value)


def _another(
    project: Workspace, unit: str, option: str, volume: str, before: Fingerprint, now: Fingerprint
) -> DevenvError:
    if before.key != now.key:
        why = f"`{FOLDER}/{KEY}` is another key than it was then"
        back = f'put the old file back, or set `{option} = "…"` to what it was'
    elif before.origin == "given":
        why = "another one was given then" if now.origin == "given" else "one was given then"
        back = f"set `{option}` to that one again"
    else:
        why = "it was generated then"
        back = f"take `{option}` out again"
    where = config.place(project.folder, "services", unit)
    given = _given(next(one for one in project.project.services if one.name == unit), option)
    if where is not None and given is not None and given in where.text:
        where = None  # the line would show it
    return DevenvError(
        f"the data of `{unit}` in volume `{volume}` was made with another `{option}`: {why}",
        hint=f"{back}; or let `devenv reset {unit}` begin anew, without the data",
        where=where,
    )


def _told(label: str | None) -> Mapping[str, Fingerprint]:
    """Fingerprints as a volume's label tells them; a label that nobody can read tells none."""
    try:
        told = json.loads(label or "{}")
        return {option: _fingerprint(text) for option, text in told.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _fingerprint(text: str) -> Fingerprint:
    origin, key, value = text.split(" ")
    return Fingerprint("given" if origin == "given" else "generated", key, value)
