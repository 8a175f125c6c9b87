"""What instances are called."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection

from devenv import toml
from devenv.errors import UsageError

LONGEST = 63
"""Characters of a DNS label."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def free(project: str, folder: str, taken: Collection[str]) -> str:
    """A name for a checkout in a folder of that name, which no other one has."""
    wanted = joined(project, folder)
    if wanted != project and wanted not in taken:
        return wanted
    numbered = (shortened(wanted, f"-{number}") for number in itertools.count(2))
    return next(name for name in numbered if name not in taken)


def joined(project: str, folder: str) -> str:
    """A name of the project's and of a folder's, which may begin with the project's already."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if slug == project or slug.startswith(f"{project}-"):
        slug = slug[len(project) + 1 :]
    return shortened(f"{project}-{slug}" if slug else project)


def shortened(name: str, ending: str = "") -> str:
    """A DNS label; a hash stands for what has no room."""
    if len(name) + len(ending) <= LONGEST:
        return name + ending
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - len(ending) - 9].rstrip('-')}-{digest}{ending}"


def is_one(text: str) -> bool:
    """Whether it can name an instance: a DNS label."""
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def check(name: str) -> None:
    """Refuse what cannot name an instance.

    Raises:
        UsageError: With what can.
    """
    if not is_one(name):
        hint = f"lower-case letters, digits and hyphens, at most {LONGEST}"
        raise UsageError(f"`{toml.printable(name)}` cannot name an instance", hint=hint)
