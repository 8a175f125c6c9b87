"""Signing in to a registry: what it asks for (challenges), and the tokens it has given.

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from urllib.parse import urlsplit

from devenv.model.machine import Login
from devenv.reference import Reference
from devenv.values import dataclass

_CLIENT = "devenv"
_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)(?:\s+|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^",\s]+))')

FindLogin = Callable[[str], Login | None]


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a registry wants to be signed in to.

    Args:
        scheme: `bearer` or `basic`.
        realm: Of `bearer`: the address that gives tokens.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a registry, or of the server that gives tokens.

    Args:
        query: Added to the address.
        form: The body of a POST.
    """

    method: str
    address: str
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None

    def signed(self, header: Mapping[str, str]) -> Request:
        """The same with the header that signs in."""
        return replace(self, headers={**self.headers, **header})


class Keyring:
    """Logins by registry, each asked for once, and the header that opened each repository."""

    def __init__(self, find: FindLogin) -> None:
        self._find = find
        self._logins: dict[str, Login | None] = {}
        self._headers: dict[tuple[str, str], Mapping[str, str]] = {}
        self._lock = threading.Lock()

    def login(self, registry: str) -> Login | None:
        with self._lock:
            if registry not in self._logins:
                self._logins[registry] = self._find(registry)
            return self._logins[registry]

    def header(self, place: Reference) -> Mapping[str, str]:
        """What opened this repository before; empty when nothing did."""
        return self._headers.get((place.registry, place.repository), {})

    def keep(self, place: Reference, header: Mapping[str, str]) -> None:
        self._headers[place.registry, place.repository] = header


def read(header: str) -> Challenge | None:
    """Read a `WWW-Authenticate` header; tokens go before passwords when it offers both."""
    starts = list(_SCHEME.finditer(header))
    found = []
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(header)
        named = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(header[start.end() : end])}
        fields = (named.get(name, "") for name in ("realm", "service", "scope"))
        found.append(Challenge(start[1].lower(), *fields))
    return min(found, key=lambda one: one.scheme != "bearer", default=None)


def is_safe(realm: str, address: str) -> bool:
    """Whether a realm may be sent secrets: only a registry that is itself asked in the clear may name a clear one."""
    parts = urlsplit(realm)
    return bool(parts.hostname) and parts.scheme in ("https", urlsplit(address).scheme)


def token_request(challenge: Challenge, place: Reference, login: Login | None) -> Request:
    """Return the request for a token that reads one repository."""
    scope = challenge.scope or f"repository:{place.repository}:pull"
    named = {"service": challenge.service, "scope": scope}
    query = {name: value for name, value in named.items() if value}
    if login is not None and login.token:
        grant = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": login.token}
        return Request("POST", challenge.realm, {}, form=grant | query)
    return Request("GET", challenge.realm, basic(login) if login is not None else {}, query)


def basic(login: Login) -> dict[str, str]:
    """The header with name and password."""
    pair = f"{login.username}:{login.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def bearer(answer: Mapping[str, object]) -> dict[str, str] | None:
    """The header with the token of an answer; None when it has none."""
    token = answer.get("token") or answer.get("access_token")
    usable = isinstance(token, str) and token.isascii() and token.isprintable()
    return {"Authorization": f"Bearer {token}"} if usable else None
