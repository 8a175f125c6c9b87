"""Finds which of the catalog's services a project uses, by libraries, addresses and images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devenv.catalog import Catalog
from devenv.detection import manifests, variables
from devenv.detection.apps import Seen
from devenv.detection.draft import Entry, Table
from devenv.model.project import Origin
from devenv.values import dataclass

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
SUITE = "trixie"


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that tells of a service.

    Args:
        kind: A stack, whose library it is, or `urls` or `images`: a key of an entry's `signs`.
        why: For people, where it was seen.
    """

    kind: str
    word: str
    why: str


def find(
    root: Path, apps: Iterable[Seen], given: Mapping[str, str], entries: Catalog, images: Origin
) -> tuple[Table, ...]:
    """A table for each service.

    Args:
        given: The variables of `.env.example`.
    """
    found: dict[str, Table] = {}
    for sign in (*_libraries(apps), *_addresses(given), *_images(root)):
        fitting = {name for name in entries.names("service") if _tells(sign, name, entries)}
        fitting = {name for name in fitting if _is_had(name, entries, images)}
        if fitting and not found.keys() & fitting:
            # Of those that serve the same clients, the one that is called so.
            name = min(fitting, key=lambda one: (one not in sign.word, one))
            options = tuple(_options(name, given, entries))
            found[name] = Table("services", name, options, f"seen by {sign.why}")
    return tuple(found.values())


def _libraries(apps: Iterable[Seen]) -> Iterator[Sign]:
    for app in apps:
        for one in app.manifests:
            yield from (Sign(one.stack, word, f"{word} in {app.path(one)}") for word in sorted(one.libraries))


def _addresses(given: Mapping[str, str]) -> Iterator[Sign]:
    for name, value in given.items():
        if (scheme := variables.scheme(value)) is not None:
            yield Sign("urls", scheme, f"{name} in the example of variables")


def _images(root: Path) -> Iterator[Sign]:
    """The images that a compose file names, without the usual registry and tags."""
    for file in COMPOSE:
        for image in re.findall(r"^\s*image:\s*['\"]?([^\s'\"#]+)", manifests.read(root / file) or "", re.M):
            plain = re.sub(r"(?::[\w.-]+)?(?:@[\w:]+)?$", "", image)
            plain = plain.removeprefix("docker.io/").removeprefix("library/")
            yield Sign("images", plain, f"{image} in {file}")


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
