"""Renders what is done about services: those of the catalog, added and removed ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.errors import DevenvError
from devenv.ui import errors, screen, tables

if TYPE_CHECKING:
    from devenv.commands.add import Added, AddResult
    from devenv.commands.remove import RemoveResult
    from devenv.commands.services import Listed, Offer, ServicesResult
    from devenv.ui.screen import Colour

SHOWN = 3
"""Versions of a service in a table; `--json` has all."""
WIDE = 30
"""Characters that they may take together."""

# --- the catalog ---


def services(result: ServicesResult, *, as_json: bool) -> None:
    """A row for each service; why there is none."""
    for note in result.notes:
        screen.say(f"{screen.paint('warning:', 'yellow')} {screen.safe(note)}")
    if as_json:
        screen.give_json(asdict(result))
    elif not result.services:
        errors.show(_nothing(result))
    else:
        screen.give(_table(result))
        _tell_default(result)


def _nothing(result: ServicesResult) -> DevenvError:
    near = _listed(result.near, "or")
    otherwise = '`devenv services` lists all; any image can be one: `[services.NAME]` with `image = "…"`'
    hint = f"did you mean {near}?" if near else otherwise
    return DevenvError(f"no service of the catalog matches `{' '.join(result.words)}`", hint=hint)


def _table(result: ServicesResult) -> str:
    """Columns; what no service has is left out."""
    head = ("NAME", "PROJECT", *(("VERSIONS",) if result.origin else ("DEBIAN", "REGISTRY")), "SUMMARY")
    rows = [head, *(_row(one, result) for one in result.services)]
    colours: list[list[Colour | None]] = [["dim"] * len(head)]
    colours += [["bold", "green", *([None] * (len(head) - 2))] for _ in result.services]
    kept = [at for at in range(len(head)) if any(row[at] for row in rows[1:])]
    picked = [[row[at] for at in kept] for row in rows]
    return tables.columns(picked, [[row[at] for at in kept] for row in colours])


def _row(one: Listed, result: ServicesResult) -> tuple[str, ...]:
    if result.origin is None:
        versions = [_offers(one, "debian"), _offers(one, "registry")]
    else:
        fitting = [offer for offer in one.offers if _fits(offer, result)]
        other = "registry" if result.origin == "debian" else "debian"
        versions = [_versions(fitting[0]) if fitting else f"{other}: {_offers(one, other) or '-'}"]
    return (screen.safe(one.name), _here(one), *versions, screen.safe(one.summary))


def _fits(offer: Offer, result: ServicesResult) -> bool:
    return offer.origin == result.origin and offer.suite in (None, result.suite)


def _here(one: Listed) -> str:
    """What the project has to do with it."""
    names = [name for name in one.used_as if name != one.name]
    words = ["own"] if one.own else []
    words += ["added"] if one.name in one.used_as else []
    return ", ".join([*words, *(f"added as {name}" for name in names)])


def _offers(one: Listed, origin: str) -> str:
    """The versions from one origin, each suite of Debian with its name."""
    parts = [(offer.suite, _versions(offer)) for offer in one.offers if offer.origin == origin]
    return "; ".join(f"{suite} {versions}" if suite else versions for suite, versions in parts)


def _versions(offer: Offer) -> str:
    """The last versions, with a mark at the one that is meant when none is named."""
    several = len(offer.versions) > 1
    marked = [f"{one}*" if several and one == offer.default else one for one in offer.versions]
    default = f"{offer.default}*"
    shown = marked[-SHOWN:] if default not in marked[:-SHOWN] else [default, *marked[1 - SHOWN :]]
    if sum(map(len, shown)) > WIDE:
        shown = [one for one in shown if one == default]
    return screen.safe(("… " if len(shown) < len(marked) else "") + ", ".join(shown))


def _tell_default(result: ServicesResult) -> None:
    fitting = ([offer for offer in one.offers if _fits(offer, result)] or one.offers for one in result.services)
    shown = (offer for offers in fitting for offer in offers)
    name = result.services[0].name
    star = " (* without one)" if any(len(offer.versions) > 1 for offer in shown) else ""
    screen.say(screen.paint(f"\n`devenv add {name}` or `devenv add {name}@VERSION` adds one{star}", "dim"))


# --- what changed in devenv.toml ---


def add(result: AddResult, *, as_json: bool) -> None:
    """What was added, what apps get from it, and what comes next."""
    if as_json:
        screen.give_json(asdict(result))
        return
    for name in result.present:
        screen.say(f"`{name}` is in devenv.toml already")
    for one in result.added:
        _tell_added(one)
    if result.added:
        lock = "`devenv lock` adds the pin, then " if result.locked else ""
        screen.say(f"next: {lock}`devenv up` starts {_listed([one.name for one in result.added], 'and')}")


def _tell_added(one: Added) -> None:
    what = "" if one.entry == one.name else f" of `{one.entry}`"
    screen.say(f"{_tick()} added `{one.name}`{what} to devenv.toml")
    if one.origin is not None:
        screen.say(f"its image comes from {'a registry' if one.origin == 'registry' else 'Debian packages'} alone")
    if one.variables:
        screen.say(f"{_apps(one.apps)}:")
        screen.give(tables.columns([(f"  {key}", screen.safe(value)) for key, value in one.variables.items()]))
    if one.others:
        whose = "its" if len(one.others) == 1 else "their"
        have = "lists what it needs" if len(one.others) == 1 else "list what they need"
        words = f"{_listed(one.others, 'and')} {have}: add `{one.name}` to {whose} `needs` in devenv.toml"
        screen.say(f"{screen.paint('!', 'yellow')} {words}")


def _apps(names: Sequence[str]) -> str:
    if not names:
        return "an app that needs it gets"
    return f"{_listed(names, 'and')} {'gets' if len(names) == 1 else 'get'}"


def remove(result: RemoveResult, *, as_json: bool) -> None:
    """What was removed, and what is left of it."""
    if as_json:
        screen.give_json(asdict(result))
        return
    removed = _listed(result.removed, "and")
    screen.say(f"{_tick()} removed {removed} from devenv.toml")
    if result.kept:
        kept = f"data of {_listed(result.kept, 'and')} stays in volumes"
        screen.say(f"{kept} until `devenv down --volumes`, which removes all data of the project")
    lock = "`devenv lock` takes the pin out, then " if result.locked else ""
    screen.say(f"next: {lock}`devenv up` stops {removed}")


def _listed(names: Iterable[str], word: str) -> str:
    """Names as a sentence has them."""
    quoted = [f"`{screen.safe(name)}`" for name in names]
    return f" {word} ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))


def _tick() -> str:
    return screen.paint("✓", "green")
