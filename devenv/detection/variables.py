"""What `.env.example` says an app wants of its surroundings."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from devenv.detection import manifests

NAMES = (".env.example", ".env.sample", ".env.dist", ".env.template", "env.example")
HERE = frozenset({"localhost", "127.0.0.1", "0.0.0.0"})  # noqa: S104  # compared with, not listened on

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE|CREDENTIAL|API_?KEY|_KEY$|(^|_)(PASS|PWD|PW|AUTH|DSN)$"
)
_LOGIN = re.compile(r"://[^/?#\s@]*:[^/?#\s@]+@")


def read(folder: Path) -> tuple[str | None, dict[str, str]]:
    """The name of the example file and the variables in it."""
    for name in NAMES:
        text = manifests.read(folder / name)
        if text is not None:
            return name, parsed(text)
    return None, {}


def parsed(text: str) -> dict[str, str]:
    """The variables of a file of variables."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if (match := _LINE.fullmatch(line)) and not line.lstrip().startswith("#"):
            found[match.group(1)] = _unquoted(match.group(2))
    return found


def scheme(value: str) -> str | None:
    """The scheme of an address, without what a library adds to it: `postgresql` of `postgresql+psycopg://…`."""
    match = re.match(r"([a-z][a-z0-9.+-]*)://", value)
    return match.group(1).partition("+")[0] if match else None


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable is one whose value nobody should commit, by its name or for an address with a password."""
    return (_SECRET.search(name.upper()) or _LOGIN.search(value)) is not None


def is_here(value: str) -> bool:
    """Whether a value names the machine itself: a service inside is elsewhere."""
    return value in HERE or (urlsplit(value).hostname or "") in HERE if _is_address(value) else value in HERE


def _is_address(value: str) -> bool:
    try:
        return bool(urlsplit(value).netloc)
    except ValueError:
        return False


def _unquoted(raw: str) -> str:
    raw = raw.strip()
    if raw[:1] in ("'", '"') and raw[:1] in raw[1:]:
        return raw[1 : raw.index(raw[0], 1)]
    return re.split(r"\s+#", raw, maxsplit=1)[0].strip()
