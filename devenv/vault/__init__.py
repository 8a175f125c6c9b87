"""The secrets that a project asks its people for: where each value comes from, and what this machine keeps of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devenv import config, toml, trust, veil
from devenv.blueprint import hashing
from devenv.config import findings
from devenv.errors import DevenvError, Problems, UsageError
from devenv.model.machine import Machine
from devenv.model.project import App, Project, Secret
from devenv.trust import Ask
from devenv.values import dataclass
from devenv.vault import given, sources, store
from devenv.vault.store import Kept

if TYPE_CHECKING:
    from devenv.workspace import Workspace

Source = Literal["variable", "file", "keyring", "command", "kept"]
"""In the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """A secret, and where its value comes from.

    Args:
        source: None when it has none.
        is_held: Whether this machine has a variable of that name, or the user a command, that the project may not read.
        why: What a source says that should have had it.
    """

    secret: Secret
    source: Source | None = None
    value: str | None = field(default=None, repr=False)
    is_held: bool = False
    why: str = ""


def wanted(project: Project) -> tuple[Secret, ...]:
    """The secrets that some app gets."""
    return tuple(one for one in project.secrets if any(gets(app, one) for app in project.apps))


def gets(app: App, secret: Secret) -> bool:
    """Whether an app is given a secret: it is meant to, and does not set that variable itself."""
    return (secret.apps is None or app.name in secret.apps) and secret.name not in app.env


def look(project: Workspace, environ: Mapping[str, str] | None = None) -> tuple[Found, ...]:
    """Look for the value of every secret that some app gets.

    Args:
        environ: This machine's variables; None is the process's own.

    Raises:
        DevenvError: A source is unsafe or damaged, or a value cannot be given to a program.
    """
    secrets = wanted(project.project)
    if not secrets:
        return ()
    kept, allowed = store.read(project.machine, project.folder), _allowed(project, secrets)
    found = _quick(project, secrets, kept, allowed, os.environ if environ is None else environ)
    asked = [name for name in allowed if found[name].source is None]
    told = sources.from_command(project.machine.secret_command, project.project.name, sorted(asked))
    for name, answer in told.items():
        found[name] = _answered(found[name], "command", answer)
    for name in [name for name, one in found.items() if one.source is None and name in kept.values]:
        found[name] = replace(found[name], source="kept", value=kept.values[name])
    for one in found.values():
        veil.hide(one.value or "")
    return tuple(found.values())


def _quick(
    project: Workspace, secrets: Iterable[Secret], kept: Kept, allowed: Collection[str], environ: Mapping[str, str]
) -> dict[str, Found]:
    """What the sources have that cost next to nothing."""
    written = sources.from_file(project.folder)
    found: dict[str, Found] = {}
    for secret in secrets:
        name, may = secret.name, secret.name in allowed
        there = bool(environ.get(name))
        one = Found(secret, is_held=not may and (there or bool(project.machine.secret_command)))
        if may and there:
            one = replace(one, source="variable", value=sources.check(name, environ[name]))
        elif written.get(name):
            one = replace(one, source="file", value=sources.check(name, written[name]))
        elif name in kept.keyring:
            one = _answered(one, "keyring", sources.from_keyring(project.folder, name))
        found[name] = one
    return found


def _answered(one: Found, source: Source, answer: sources.Answer) -> Found:
    return replace(one, source=source if answer.value else None, value=answer.value, why=answer.why or one.why)


def missing(project: Workspace, environ: Mapping[str, str] | None = None) -> tuple[Secret, ...]:
    """The required secrets that have no value.

    Raises:
        DevenvError: As `look` does.
    """
    return tuple(one.secret for one in lacking(look(project, environ)))


def lacking(found: Iterable[Found]) -> tuple[Found, ...]:
    """Those of what was found that apps are not started without."""
    return tuple(one for one in found if one.secret.required and one.source is None)


def collect(project: Workspace, environ: Mapping[str, str] | None = None) -> None:
    """Find every value, and let it be what containers of this checkout are given.

    Raises:
        Problems: Required ones have none, each with the remedy.
        DevenvError: As `look` does.
    """
    if not project.project.secrets:
        return
    found = look(project, environ)
    _object(project, lacking(found))
    given.write(project.folder, {one.secret.name: one.value for one in found if one.value is not None})


def require(project: Workspace) -> None:
    """Refuse to start apps that have not been given what they need.

    Raises:
        Problems: Such secrets, each with the remedy.
    """
    if project.project.secrets:
        known = given.read(project.folder)
        _object(project, tuple(Found(one) for one in wanted(project.project) if one.required and one.name not in known))


def _object(project: Workspace, lacking: Collection[Found]) -> None:
    if lacking:
        raise Problems([_problem(project, one) for one in lacking])


def _problem(project: Workspace, found: Found) -> DevenvError:
    name = found.secret.name
    what = toml.printable(", ".join(filter(None, (found.secret.description, found.secret.url))), 300)
    message = f"the secret `{name}` has no value{f': {what}' if what else ''}"
    hint = f"run `devenv secrets set {name}`, which asks for it"
    if found.is_held:
        message += "; this machine may have one, which the project must not read unasked"
        hint = f"`devenv secrets allow {name}` lets it read that; `devenv secrets set {name}` asks for another"
    elif found.why:
        message += f"; {found.why}"
    where = config.read(project.folder, profile=project.profile).place(("secrets", name))
    return DevenvError(message, hint=hint, where=where)


# --- what people say ---


def asks(project: Workspace) -> Iterator[Ask]:
    """What there has to be consent to before it is done: that the project reads a secret of this machine."""
    for secret in wanted(project.project):
        apps = [app.name for app in project.project.apps if gets(app, secret)]
        who = findings.listed(apps, "and")
        verb = "reads" if len(apps) == 1 else "read"
        words = f"{who} {verb} this machine's `{secret.name}`: its variable, or what your command for secrets prints"
        keys = ("secrets", secret.name)
        yield Ask("secret", apps[0], words, keys, _mark(secret))


def _mark(secret: Secret) -> str:
    """A name that is asked for goes on to be allowed, whatever else is said of it."""
    return hashing.of(["secret", secret.name])


def _allowed(project: Workspace, secrets: Iterable[Secret]) -> frozenset[str]:
    """Names that may be read from this machine's variables, and by the user's command."""
    marks = trust.marks(project)
    return frozenset(one.name for one in secrets if _mark(one) in marks)


def unasked(project: Workspace) -> tuple[Secret, ...]:
    """The secrets that the project may not read from this machine as yet."""
    secrets = wanted(project.project)
    allowed = _allowed(project, secrets) if secrets else ()
    return tuple(one for one in secrets if one.name not in allowed)


def allow(project: Workspace, names: Iterable[str]) -> None:
    """Let the project read these from this machine's variables and by the user's command, in all of its worktrees.

    Raises:
        UsageError: The project asks for no such secret.
    """
    chosen = {_known(project, name) for name in names}
    trust.consent(project, [one for one in asks(project) if one.keys[1] in chosen])


def keep(project: Workspace, name: str, value: str | bytes, *, in_keyring: bool = False) -> None:
    """Keep a value for all worktrees of the project, outside of them.

    Args:
        in_keyring: In the system's keyring; else in a file that only this user can read.

    Raises:
        UsageError: The project asks for no such secret.
        DevenvError: The value is empty, binary or too long, or cannot be kept.
    """
    _known(project, name)
    text = sources.check(name, value)
    veil.hide(text)
    if in_keyring:
        sources.to_keyring(project.folder, name, text)
    store.change(project.machine, project.folder, lambda kept: _with(kept, name, None if in_keyring else text))


def _with(kept: Kept, name: str, value: str | None) -> Kept:
    """With a value in one place and no other; None is the keyring."""
    values = {one: text for one, text in kept.values.items() if one != name}
    if value is None:
        return replace(kept, values=values, keyring=kept.keyring | {name})
    return replace(kept, values=values | {name: value}, keyring=kept.keyring - {name})


def forget(project: Workspace, name: str) -> bool:
    """Take a value away that is kept; whether there was any.

    Raises:
        UsageError: The project asks for no such secret, and nothing is kept under that name.
    """
    kept = store.read(project.machine, project.folder)
    there = name in kept.values or name in kept.keyring
    if not there:
        _known(project, name)
    if name in kept.keyring:
        sources.out_of_keyring(project.folder, name)
    store.change(project.machine, project.folder, lambda one: _without(one, name))
    told = given.read(project.folder)
    if name in told:
        given.write(project.folder, {one: value for one, value in told.items() if one != name})
    return there


def _without(kept: Kept, name: str) -> Kept:
    values = {one: text for one, text in kept.values.items() if one != name}
    return Kept(values, kept.keyring - {name})


def drop(machine: Machine, folder: Path) -> None:
    """Keep nothing any more of a project whose folder is gone."""
    try:
        names = store.read(machine, folder).keyring
    except DevenvError:  # damaged: then nobody knows
        names = frozenset()
    for name in names:
        sources.out_of_keyring(folder, name)
    store.remove(machine, folder)


def has_keyring() -> bool:
    """Whether the system has a keyring."""
    return sources.has_keyring()


def _known(project: Workspace, name: str) -> str:
    names = tuple(one.name for one in project.project.secrets)
    if name not in names:
        from devenv import catalog

        error = catalog.unknown("secret", name, names)
        raise UsageError(error.message, hint=error.hint if names else "add `[secrets.NAME]` to `devenv.toml`")
    return name
