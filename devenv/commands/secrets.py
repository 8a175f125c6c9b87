"""`devenv secrets`: what a project asks its people for, and what this machine keeps of it."""

from __future__ import annotations

from devenv import vault
from devenv.errors import UsageError
from devenv.values import dataclass
from devenv.vault import Found, Source
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Row:
    """A secret, never its value.

    Args:
        apps: Those that get it.
        source: Where its value comes from; None when it has none.
        allowed: Whether it may be read from this machine's variables, and by the user's command.
        note: What stands in the way of a value.
    """

    name: str
    description: str
    url: str | None
    required: bool
    apps: tuple[str, ...]
    source: Source | None
    allowed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class ListResult:
    """Every secret that some app gets."""

    secrets: tuple[Row, ...]

    @property
    def complete(self) -> bool:
        """Whether each that apps are not started without has a value."""
        return all(one.source for one in self.secrets if one.required)


@dataclass(frozen=True, slots=True)
class SetResult:
    """A value that was kept.

    Args:
        source: Where the value comes from that counts; another one may go before what was kept.
    """

    name: str
    in_keyring: bool
    source: Source | None


@dataclass(frozen=True, slots=True)
class Named:
    """Names of secrets that something was done with."""

    names: tuple[str, ...]


def listed(project: Workspace) -> ListResult:
    """Say of every secret whether it has a value, and from where."""
    asked = {one.name for one in vault.asks(project)}
    return ListResult(tuple(_row(project, one, allowed=one.secret.name not in asked) for one in vault.look(project)))


def _row(project: Workspace, found: Found, *, allowed: bool) -> Row:
    secret = found.secret
    apps = tuple(app.name for app in project.project.apps if vault.gets(app, secret))
    note = found.why
    if found.source is None and found.is_held:
        note = f"`devenv secrets allow {secret.name}` lets the project read this machine's"
    return Row(secret.name, secret.description, secret.url, secret.required, apps, found.source, allowed, note)


def keep(project: Workspace, name: str, value: str | bytes, *, in_keyring: bool) -> SetResult:
    """Keep a value."""
    vault.keep(project, name, value, in_keyring=in_keyring)
    counts = next((one.source for one in vault.look(project) if one.secret.name == name), None)
    return SetResult(name, in_keyring, counts)


def forget(project: Workspace, name: str) -> Named:
    """Take a value away that is kept, and the leave to read others."""
    return Named((name,) if vault.forget(project, name) else ())


def allow(project: Workspace, names: tuple[str, ...]) -> Named:
    """Let the project read these from this machine; without names, all that it asks for.

    Raises:
        UsageError: It asks for none.
    """
    chosen = names or tuple(one.name for one in project.project.secrets)
    if not chosen:
        raise UsageError("the project asks for no secrets", hint="add `[secrets.NAME]` to `devenv.toml`")
    vault.allow(project, chosen)
    return Named(chosen)
