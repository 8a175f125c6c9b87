"""Reads, writes and judges `devenv.lock`: every image of a project fixed to bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from devenv import files, toml
from devenv.catalog import Catalog
from devenv.errors import DevenvError, LockfileConflict, LockfileError
from devenv.lockfile import form, wanted
from devenv.lockfile.form import FORMAT as FORMAT
from devenv.lockfile.form import HEADER as HEADER
from devenv.lockfile.form import text as text
from devenv.lockfile.wanted import BASE as BASE
from devenv.lockfile.wanted import meaning as meaning
from devenv.model.pins import DebianPins, Layer, LayerRequest, Lockfile, Pins
from devenv.model.project import Project

NAME = "devenv.lock"
LIMIT = 16 * 1024 * 1024

_RESTORE = f"restore it from version control, or remove `{NAME}` and run `devenv lock`"
_CONFLICT = "<<<<<<< "


# --- does it cover the project ---


def stale(lock: Lockfile, project: Project, entries: Catalog, architecture: str) -> tuple[str, ...]:
    """Why the lockfile does not cover the project on this architecture; nothing when it does."""
    asked = wanted.of(project, entries)
    if not asked:
        return ()
    pins = lock.platforms.get(architecture)
    if pins is None:
        return (f"it has no pins for {architecture}",)
    return (
        *_seed_reasons(lock, project),
        *_debian_reasons(asked.layers, pins.debian, project.suite, architecture),
        *_registry_reasons(asked, pins),
    )


def _seed_reasons(lock: Lockfile, project: Project) -> Iterator[str]:
    if project.seed is not None and (lock.seed is None or lock.seed.file != project.seed):
        yield f"it has no hash of the seed `{project.seed}`"


def _debian_reasons(
    asked: tuple[LayerRequest, ...], pins: DebianPins | None, suite: str, architecture: str
) -> Iterator[str]:
    if not asked:
        return
    if pins is None:
        yield f"it has no Debian packages for {architecture}"
    elif pins.suite != suite:
        yield f"it is for Debian {pins.suite}, `devenv.toml` asks for {suite}"
    else:
        for request in asked:
            yield from _missing(request, pins.layers.get(request.name))


def _registry_reasons(asked: wanted.Wanted, pins: Pins) -> Iterator[str]:
    yield from (f"`{image}` has no pin" for image in asked.images if image not in pins.registry)
    for request in asked.added:
        base = pins.registry.get(request.parent or "")
        if base is not None:
            placed = LayerRequest(f"packages/{request.name}", request.request, base.manifest)
            yield from _missing(placed, pins.added.get(request.name))


def _missing(request: LayerRequest, layer: Layer | None) -> Iterator[str]:
    if layer is None:
        yield f"`{request.name}` has no pin"
    elif (layer.request, layer.parent) != (request.request, request.parent):
        added = sorted(set(request.request) - set(layer.request))
        gone = sorted(set(layer.request) - set(request.request))
        words = [f"`{name}` was added" for name in added] + [f"`{name}` was removed" for name in gone]
        yield f"`{request.name}`: {', '.join(words) or 'it stands on another layer'}"


# --- on disk ---


def read(folder: Path) -> Lockfile | None:
    """Read the project's lockfile; None when there is none.

    Raises:
        LockfileConflict: A merge left both sides in it.
        LockfileError: It is another tool's, damaged, or was changed by hand.
    """
    path = folder / NAME
    if path.is_symlink() and files.leads_out(path, folder):
        hint = f"remove the link, then run `devenv lock`, or restore `{NAME}` from version control"
        raise LockfileError(f"`{NAME}` is a symbolic link that leads out of the project", hint=hint)
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LockfileError(f"cannot read `{NAME}`: {error}", hint="restore it from version control") from error
    return parse(content)


@functools.lru_cache(maxsize=4)
def parse(content: str) -> Lockfile:
    """Read a lockfile's text; see `read`."""
    if content.startswith(_CONFLICT) or f"\n{_CONFLICT}" in content:
        raise LockfileConflict(
            f"`{NAME}` holds both sides of a merge", hint="run `devenv lock`: it puts them together, then `git add` it"
        )
    if not content.startswith(HEADER):
        raise LockfileError(
            f"`{NAME}` is not a lockfile of this devenv, so it stays as it is",
            hint=f"another tool of that name writes one too; move it away, then run `devenv lock`{_guess(content)}",
        )
    try:
        data = toml.read_text(content, name=NAME, limit=LIMIT).data
    except DevenvError as error:
        raise LockfileError(f"`{NAME}` is damaged: {error.message}", hint=_RESTORE, where=error.where) from error
    if data.get("format") != FORMAT:
        raise _other_format(data.get("format"))
    try:
        lock, written = form.lockfile(data), str(data["checksum"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockfileError(f"`{NAME}` is damaged: {error}", hint=_RESTORE) from error
    if written != form.checksum(lock):
        raise LockfileError(f"`{NAME}` was changed by hand: its checksum does not fit", hint=_RESTORE)
    return lock


def _guess(content: str) -> str:
    return " (it looks like JSON)" if content.lstrip().startswith("{") else ""


def _other_format(found: object) -> LockfileError:
    message = f"`{NAME}` has format {found!r}, this devenv reads {FORMAT}"
    older = isinstance(found, int) and found < FORMAT
    return LockfileError(message, hint=f"remove `{NAME}` and run `devenv lock`" if older else "update devenv")


def write(folder: Path, lock: Lockfile) -> None:
    """Write the lockfile, whole or not at all.

    Raises:
        LockfileError: What stands there is not ours.
    """
    # One with both sides of a merge is ours, and `lock` is what they make.
    with suppress(LockfileConflict):
        read(folder)
    files.write(folder / NAME, text(lock))
