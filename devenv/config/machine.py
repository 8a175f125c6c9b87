"""Reads what belongs to this machine and user: their `config.toml`, `DEVENV_*` variables, the host's own settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from devenv import reference, toml
from devenv.config.findings import Findings, raised
from devenv.errors import DevenvError
from devenv.model.machine import Machine
from devenv.model.project import Origin

CONFIG = "DEVENV_CONFIG"
NAME = "config.toml"

# The host's own variables for CA certificates; the first that names a file is followed.
HOST_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

# Each setting: its keys in `config.toml`, and its variable, which goes before the file.
_VARIABLES: dict[toml.Keys, str] = {
    ("engine",): "DEVENV_ENGINE",
    ("debian", "mirror"): "DEVENV_DEBIAN_MIRROR",
    ("debian", "security_mirror"): "DEVENV_DEBIAN_SECURITY_MIRROR",
    ("debian", "snapshot"): "DEVENV_DEBIAN_SNAPSHOT",
    ("registry", "mirror"): "DEVENV_REGISTRY_MIRROR",
    ("registry", "images"): "DEVENV_REGISTRY_IMAGES",
    ("user",): "DEVENV_USER",
    ("cache",): "DEVENV_CACHE",
    ("state",): "DEVENV_STATE",
    ("watch",): "DEVENV_WATCH",
    ("entry", "http"): "DEVENV_ENTRY_HTTP",
    ("entry", "https"): "DEVENV_ENTRY_HTTPS",
    ("entry", "images"): "DEVENV_ENTRY_IMAGES",
}
OWN_CERTIFICATES = "DEVENV_CA_CERTIFICATES"
_USER = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")
_NUMBER = re.compile(r"[0-9]{1,5}")
_ORIGINS: Mapping[str | None, Origin] = {"registry": "registry", "debian": "debian"}
_SWITCH = {"1": True, "true": True, "0": False, "false": False}
_ADDRESS = re.compile(r"(https?|file)://[!-~]+")
# What platformdirs says on Linux, without the 10 ms of its import.
_XDG = {
    "config": ("XDG_CONFIG_HOME", ".config"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "state": ("XDG_STATE_HOME", ".local/state"),
}

Ids = tuple[int, int]


def process_ids() -> Ids:
    """The user and group that devenv runs as."""
    return os.getuid(), os.getgid()


def load(environ: Mapping[str, str], home: Path, *, ids: Callable[[], Ids] = process_ids) -> Machine:
    """Read this machine's settings.

    Raises:
        Problems: Everything that is wrong with `config.toml` or a variable.
    """
    found = Findings(_nowhere)
    table: Mapping[str, Any] = {}
    path = _config_file(environ, home)
    if path is not None:
        document = toml.read(path, name=_shown(path, home))
        found = Findings(document.place)
        table = _checked(document, found)
    settings = _Settings(table, environ, home, found)
    machine = Machine(
        engine=settings.text(("engine",)),
        mirror=settings.address(("debian", "mirror")),
        security_mirror=settings.address(("debian", "security_mirror")),
        snapshot=settings.address(("debian", "snapshot")),
        registry_mirror=settings.address(("registry", "mirror")),
        registry_images=settings.repository(("registry", "images")),
        proxy=settings.proxy(),
        certificates=settings.certificates(),
        user=settings.user(ids),
        cache=settings.folder("cache"),
        state=settings.folder("state"),
        watch=settings.switch(("watch",), usual=True),
        secret_command=settings.command(),
        entry_http=settings.port(("entry", "http")),
        entry_https=settings.port(("entry", "https")),
        entry_images=settings.origin(("entry", "images")),
    )
    raised(found.problems)
    return machine


def _nowhere(keys: toml.Keys, *, key: bool = False) -> None:  # noqa: ARG001  # a `Locate` for no file
    return None


def _config_file(environ: Mapping[str, str], home: Path) -> Path | None:
    chosen = environ.get(CONFIG)
    if chosen:
        return _expanded(chosen, home)
    usual = _folder("config", environ, home) / NAME
    return usual if usual.is_file() else None


def _shown(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _checked(document: toml.Document, found: Findings) -> Mapping[str, Any]:
    from devenv.config import machine_shape, shape

    return shape.check(machine_shape.FILE, document.data, found)


def _folder(kind: Literal["config", "cache", "state"], environ: Mapping[str, str], home: Path) -> Path:
    if sys.platform != "linux":
        import platformdirs

        return Path(getattr(platformdirs, f"user_{kind}_dir")("devenv"))
    variable, usual = _XDG[kind]
    chosen = environ.get(variable, "")
    return (Path(chosen) if chosen.startswith("/") else home / usual) / "devenv"


def _expanded(text: str, home: Path) -> Path:
    return home / text[2:] if text == "~" or text.startswith("~/") else Path(text).absolute()


class _Settings:
    """Finds each setting: its variable first, then the file."""

    def __init__(self, table: Mapping[str, Any], environ: Mapping[str, str], home: Path, found: Findings) -> None:
        self._table = table
        self._environ = environ
        self._home = home
        self._found = found

    def text(self, keys: toml.Keys) -> str | None:
        value: Any = self._environ.get(_VARIABLES[keys]) or self._written(keys)
        return None if value is None else str(value)

    def address(self, keys: toml.Keys) -> str | None:
        text = self.text(keys)
        if text is not None and not _ADDRESS.fullmatch(text):
            self._wrong(f"`{toml.printable(text)}` is no address", keys, hint="it begins with `http://` or `https://`")
        return None if text is None else text.rstrip("/")

    def repository(self, keys: toml.Keys) -> str | None:
        text = self.text(keys)
        if text is not None:
            try:
                named = reference.parse(text)
            except DevenvError:
                named = None
            if named is None or named.digest or str(named) not in (f"{text}:latest", f"docker.io/{text}:latest"):
                hint = "such as `ghcr.io/acme/devenv`, without a tag"
                self._wrong(f"`{toml.printable(text)}` is no repository of a registry", keys, hint=hint)
        return text

    def folder(self, kind: Literal["cache", "state"]) -> Path:
        text = self.text((kind,))
        if text is None:
            return _folder(kind, self._environ, self._home)
        self._check_absolute(text, (kind,))
        return _expanded(text, self._home)

    def switch(self, keys: toml.Keys, *, usual: bool) -> bool:
        text = self.text(keys)
        if text is None:
            return usual
        value = _SWITCH.get(text.lower())
        if value is None:
            self._wrong(f"`{toml.printable(text)}` is neither on nor off", keys, hint="it is `1` or `0`")
        return usual if value is None else value

    def port(self, keys: toml.Keys) -> int | None:
        text = self.text(keys)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or not 0 < int(text) < 65536:
            self._wrong(f"`{toml.printable(text)}` is no port", keys, hint="it is a number from 1 to 65535")
            return None
        return int(text)

    def origin(self, keys: toml.Keys) -> Origin | None:
        text = self.text(keys)
        if text in _ORIGINS:
            return _ORIGINS[text]
        if text is not None:
            self._wrong(f"`{toml.printable(text)}` is no origin", keys, hint="it is `registry` or `debian`")
        return None

    def user(self, ids: Callable[[], Ids]) -> str:
        text = self.text(("user",))
        if text is None:
            return self._own_user(ids)
        match = _USER.fullmatch(text)
        if match is None:
            self._wrong(f"`{toml.printable(text)}` is no user", ("user",), hint="such as `1000:1000`, in numbers")
            return "0:0"
        return f"{int(match[1])}:{int(match[2] or match[1])}"

    def _own_user(self, ids: Callable[[], Ids]) -> str:
        uid, gid = ids()
        sudo = (self._environ.get("SUDO_UID", ""), self._environ.get("SUDO_GID", ""))
        if uid == 0 and all(_USER.fullmatch(one) for one in sudo):
            return f"{int(sudo[0])}:{int(sudo[1])}"
        return f"{uid}:{gid}"

    def command(self) -> tuple[str, ...]:
        """What prints a secret; the file alone says it, for a variable is set more easily by somebody else."""
        return tuple(self._written(("secrets", "command")) or ())

    def proxy(self) -> dict[str, str]:
        """The file's table, when there is one, is all that counts; else the host's variables, in either case."""
        table: Mapping[str, str] | None = self._table.get("proxy")
        if table is not None:
            keys = {"HTTP_PROXY": "http", "HTTPS_PROXY": "https", "NO_PROXY": "no_proxy"}
            return {name: table[key] for name, key in keys.items() if key in table}
        values = {name: self._environ.get(name.lower()) or self._environ.get(name) for name in PROXIES}
        return {name: value for name, value in values.items() if value}

    def certificates(self) -> tuple[Path, ...]:
        chosen = self._environ.get(OWN_CERTIFICATES)
        if chosen:
            return tuple(_expanded(one, self._home) for one in chosen.split(os.pathsep) if one)
        written = self._table.get("ca_certificates")
        if written is not None:
            for index, one in enumerate(written):
                self._check_absolute(one, ("ca_certificates", index))
            return tuple(_expanded(one, self._home) for one in written)
        paths = (self._environ.get(name) for name in HOST_CERTIFICATES)
        return tuple(Path(path).absolute() for path in paths if path and _is_file(path))[:1]

    def _written(self, keys: toml.Keys) -> Any:
        value: Any = self._table
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _check_absolute(self, path: str, keys: toml.Keys) -> None:
        variable = _VARIABLES.get(keys)
        if not (variable and self._environ.get(variable)) and not path.startswith(("/", "~/")):
            hint = "it begins with `/` or `~/`"
            self._found.add(f"`{toml.printable(path)}` is no absolute path", keys, hint=hint)

    def _wrong(self, message: str, keys: toml.Keys, *, hint: str) -> None:
        """Note a mistake, in the file or in the variable that goes before it."""
        variable = _VARIABLES[keys]
        if self._environ.get(variable):
            self._found.problems.append(DevenvError(f"`{variable}`: {message}", hint=hint))
        else:
            self._found.add(message, keys, hint=hint)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
