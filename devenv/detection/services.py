"""Finds which of the catalog's services a project uses, by libraries, addresses and images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devenv.catalog import Catalog
from devenv.detection import manifests, variables
from devenv.detection.apps import Seen
from devenv.detection.draft import Entry, Table
from devenv.detection.hints import Hint
from devenv.model.project import Origin
from devenv.values import dataclass

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
SUITE = "trixie"


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that tells of a service.

    Args:
        kind: A stack, whose library it is, or `urls`, `images` or `nix`: a key of an entry's `signs`.
        why: For people, where it was seen.
        version: That is asked for.
    """

    kind: str
    word: str
    why: str
    version: str | None = None


def find(
    root: Path,
    apps: Iterable[Seen],
    given: Mapping[str, str],
    entries: Catalog,
    images: Origin,
    told: Sequence[Hint] = (),
) -> tuple[Table, ...]:
    """A table for each service.

    Args:
        given: The variables of `.env.example`.
        told: What other tools' files say.
    """
    found: dict[str, Table] = {}
    further = [file for hint in told for file in hint.compose]
    given = {key: value for hint in told for key, value in hint.addresses.items()} | dict(given)
    wishes = [
        Sign(one.kind, one.word, f"{one.word} in {hint.file}", one.version) for hint in told for one in hint.services
    ]
    for sign in (*_libraries(apps), *_addresses(given, told), *_images(root, further), *wishes):
        fitting = {name for name in entries.names("service") if _tells(sign, name, entries)}
        fitting = {name for name in fitting if _is_had(name, entries, images)}
        if fitting and not found.keys() & fitting:
            # Of those that serve the same clients, the one that is called so.
            name = min(fitting, key=lambda one: (one not in sign.word, one))
            options = tuple(_options(name, given, entries))
            found[name] = Table("services", name, options, f"seen by {sign.why}")
        for name in found.keys() & fitting:
            found[name] = _versioned(found[name], sign, entries, images)
    return tuple(found.values())


def unknown(told: Sequence[Hint], entries: Catalog) -> Iterator[str]:
    """What other tools' files ask for and the catalog does not have."""
    known = {word for name in entries.names("service") for word in entries.service(name).signs.get("nix", ())}
    for hint in told:
        for one in hint.services:
            if one.kind == "nix" and one.word not in known:
                yield f"{hint.file} also asks for `{one.word}`: add it to `packages` as Debian calls it"


def _versioned(table: Table, sign: Sign, entries: Catalog, images: Origin) -> Table:
    """The service in the version that is asked for; where that is not to be had, a word about it."""
    if sign.version is None or table.value("version") is not None or table.open:
        return table
    has = _versions(table.name, entries, images)
    number = sign.version.split(".")
    version = next((one for size in range(len(number), 0, -1) if (one := ".".join(number[:size])) in has), None)
    if version is not None:
        return replace(table, entries=(Entry("version", version), *table.entries))
    return replace(table, open=(f"{sign.why} asks for {sign.version}, which is not to be had from here",))


def _versions(name: str, entries: Catalog, images: Origin) -> tuple[str, ...]:
    entry = entries.service(name)
    if images == "debian":
        return tuple(entry.debian.packages.get(SUITE, ())) if entry.debian is not None else ()
    return entry.registry.versions if entry.registry is not None else ()


def _libraries(apps: Iterable[Seen]) -> Iterator[Sign]:
    for app in apps:
        for one in app.manifests:
            yield from (Sign(one.stack, word, f"{word} in {app.path(one)}") for word in sorted(one.libraries))


def _addresses(given: Mapping[str, str], told: Sequence[Hint]) -> Iterator[Sign]:
    named = {name for hint in told for name in hint.addresses}
    for name, value in given.items():
        if name not in named and (scheme := variables.scheme(value)) is not None:
            yield Sign("urls", scheme, f"{name} in the example of variables")


def _images(root: Path, further: Iterable[str]) -> Iterator[Sign]:
    """The images that compose files name, without the usual registry and tags."""
    for file in dict.fromkeys((*COMPOSE, *further)):
        if not _is_inside(root, file):
            continue
        for image in re.findall(r"^\s*image:\s*['\"]?([^\s'\"#]+)", manifests.read(root / file) or "", re.M):
            plain = re.sub(r"(?::[\w.-]+)?(?:@[\w:]+)?$", "", image)
            tag = re.match(r":(\d+(?:\.\d+)*)", image[len(plain) :])
            plain = plain.removeprefix("docker.io/").removeprefix("library/")
            yield Sign("images", plain, f"{image} in {file}", tag.group(1) if tag else None)


def _is_inside(root: Path, file: str) -> bool:
    """Whether a path that a file names is one of the project's."""
    try:
        return (root / file).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError):
        return False


def _tells(sign: Sign, name: str, entries: Catalog) -> bool:
    known = entries.service(name).signs.get(sign.kind, ())
    if sign.kind == "go":  # a package of a module tells of the module
        return any(sign.word == one or sign.word.startswith(f"{one}/") for one in known)
    return sign.word in known


def _is_had(name: str, entries: Catalog, images: Origin) -> bool:
    entry = entries.service(name)
    if images == "debian":
        return entry.debian is not None and SUITE in entry.debian.packages
    return entry.registry is not None


def _options(name: str, given: Mapping[str, str], entries: Catalog) -> Iterator[Entry]:
    """What the example's address says of database and user, for the app may count on them."""
    entry = entries.service(name)
    address = next((one for one in given.values() if variables.scheme(one) in entry.signs.get("urls", ())), None)
    try:
        parts = urlsplit(address or "")
        database, user, password = parts.path.strip("/"), parts.username, parts.password
    except ValueError:
        return
    if re.fullmatch(r"\w+", database):
        if "databases" in entry.options:
            yield Entry("databases", (database,))
        elif "database" in entry.options:
            yield Entry("database", database)
    if user and password and {"user", "password"} <= entry.options.keys():
        yield Entry("user", unquote(user))
        yield Entry("password", unquote(password), "as the example has it; without, each checkout makes its own")
