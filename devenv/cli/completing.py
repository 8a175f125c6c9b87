"""What a shell offers after `devenv …<Tab>`: commands, options, and names by the project's files; no engine is asked.

Shells evaluate what they are told, so of names that a repository can choose only harmless ones are passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv import config
from devenv.config import source
from devenv.errors import DevenvError

ZSH_FIRST = '[[ ${funcstack[1]} == _%(prog_name)s ]] && %(complete_func)s "$@"\n'

_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*=?")


def prepare() -> None:
    """Mend two things of typer's that have no setting."""
    from typer import _completion_classes, _completion_shared

    # It takes help for markup, which ours is not, and imports Rich for it on each press of a key.
    _completion_classes._sanitize_help_text = str  # type: ignore[assignment]
    # zsh runs the script when Tab is pressed first, and expects an answer to that, too.
    scripts = _completion_shared._completion_scripts
    scripts["zsh"] = _completion_shared.COMPLETION_SCRIPT_ZSH + ZSH_FIRST


def answer(group: Any) -> int:
    """Give a shell what it asks for in the environment; a failure is silent, for it would land in a command line."""
    for path, command in commands(group):
        for parameter in command.params:
            parameter.shell_complete = _completing(parameter, OFFERS.get((path, parameter.name)))
    try:
        group.main(args=[], prog_name="devenv")
    except SystemExit as ended:
        return int(ended.code or 0)
    except Exception:
        return 1
    return 0


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that people see, with its words; groups before what is in them, the whole as the empty one."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        if not command.hidden:
            yield from commands(command, f"{path} {name}".lstrip())


def _completing(parameter: Any, offer: Offer | None) -> Callable[[Any, str], list[Any]]:
    """Offer the names that fit and are not on the line yet; without an offer, nothing, so the shell offers files."""

    def complete(context: Any, incomplete: str) -> list[Any]:
        from typer._click.shell_completion import CompletionItem

        there = context.params.get(parameter.name)
        there = there if isinstance(there, (list, tuple)) else ()
        names = dict.fromkeys(offer(context) if offer else ())
        fitting = (name for name in names if name.startswith(incomplete) and name not in there)
        return [CompletionItem(name) for name in fitting if _HARMLESS.fullmatch(name)]

    return complete


Offer = Callable[[Any], Iterable[str]]


def _one_of(*words: str) -> Offer:
    return lambda _context: words


def _keys(*tables: str) -> Offer:
    return lambda context: [name for table in tables for name in _table(context, table)]


def _table(context: Any, name: str) -> Mapping[str, Any]:
    """A table of `devenv.toml` and what lies over it, as it is; what is wrong with the file `devenv check` tells."""
    given = context.find_root().params
    try:
        documents = source.read(config.find(_folder(context)))
    except DevenvError:
        return {}
    if name == source.PROFILES:
        tables = [one.table.get(name) for one in source.layered(documents, None).layers]
        return {key: one for table in tables if isinstance(table, dict) for key, one in table.items()}
    found = source.layered(documents, given.get("profile")).data().get(name)
    return found if isinstance(found, dict) else {}


def _folder(context: Any) -> Path:
    # The shell has not replaced a `~` yet.
    return Path(context.find_root().params.get("folder") or ".").expanduser().absolute()


def _catalog(context: Any) -> Iterable[str]:
    from devenv import catalog

    return catalog.of(_folder(context)).names("service")


def _snapshots(context: Any) -> Iterable[str]:
    from devenv.snapshots import store

    try:
        return store.names(config.find(_folder(context)))
    except DevenvError:
        return ()


def _scaled(context: Any) -> Iterable[str]:
    return [f"{name}=" for name in _table(context, "apps")]


_UNITS = _keys("apps", "services")

OFFERS: Mapping[tuple[str, str], Offer] = {
    ("", "profile"): _keys(source.PROFILES),
    ("add", "names"): _catalog,
    ("connect", "service"): _keys("services"),
    ("env", "form"): _one_of("dotenv", "shell", "json"),
    ("exec", "unit"): _UNITS,
    ("hooks run", "names"): _keys("hooks"),
    ("hooks run", "stage"): _one_of("pre-commit", "pre-push"),
    ("import", "images"): _one_of("registry", "debian"),
    ("init", "images"): _one_of("registry", "debian"),
    ("lock", "architecture"): _one_of("amd64", "arm64"),
    ("lock", "names"): _UNITS,
    ("logs", "units"): _UNITS,
    ("remove", "names"): _keys("services"),
    ("render", "app"): _keys("apps"),
    ("render", "target"): _one_of("devcontainer", "github"),
    ("reset", "names"): _keys("services"),
    ("restart", "units"): _UNITS,
    ("run", "task"): _keys("tasks"),
    ("scale", "counts"): _scaled,
    ("secrets allow", "names"): _keys("secrets"),
    ("secrets set", "name"): _keys("secrets"),
    ("secrets unset", "name"): _keys("secrets"),
    ("shell", "unit"): _UNITS,
    ("snapshot delete", "names"): _snapshots,
    ("snapshot export", "name"): _snapshots,
    ("snapshot restore", "name"): _snapshots,
    ("snapshot restore", "services"): _keys("services"),
    ("snapshot save", "services"): _keys("services"),
    ("up", "source"): _one_of("main"),
    ("url", "unit"): _UNITS,
    ("verify", "units"): _UNITS,
}
"""By the words of a command and the name of its parameter."""

FREE = {
    ("connect", "arguments"),
    ("eject", "folder"),
    ("exec", "command"),
    ("import", "file"),
    ("onboard", "folder"),
    ("onboard", "url"),
    ("run", "arguments"),
    ("secrets set", "value"),
    ("services", "words"),
    ("snapshot export", "file"),
    ("snapshot import", "file"),
    ("snapshot save", "name"),
}
"""Arguments for which there is nothing to offer but files."""
