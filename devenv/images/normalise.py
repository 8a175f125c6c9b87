"""Which files of an installed system are no part of an image, because they differ each time or are secret."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

WORK = "devenv-build"
"""The folder at the root that the builder brings along."""

POLICY = "usr/sbin/policy-rc.d"
"""The file that keeps packages from starting daemons while they are installed."""

EXCLUDES = (
    "/usr/share/doc/*",
    "/usr/share/groff/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
"""What dpkg leaves out of packages, as its own patterns; here `*` crosses slashes."""

INCLUDES = ("/usr/share/doc/*/copyright", "/usr/share/locale/en/*", "/usr/share/locale/locale.alias")

# The engine's init and the files it mounts over; the state dpkg keeps of its own work; what is made anew at each
# installation: data of servers, which belongs into volumes, and keys, which must never be the same on two machines.
_DROPPED = (
    WORK,
    POLICY,
    ".dockerenv",
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/mtab",
    "etc/resolv.conf",
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "etc/ldap/slapd.d/*",
    "etc/postgresql/*/*",
    "etc/ssh/ssh_host_*",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "etc/varnish/secret",
    "run/*",
    "dev/*",
    "proc/*",
    "sys/*",
    "tmp/*",
    "usr/sbin/docker-init",
    "var/cache/apt/*.bin",
    "var/cache/debconf/*-old",
    "var/cache/fontconfig/*",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/ldap/*",
    "var/lib/mysql/*",
    "var/lib/postgresql/*/*",
    "var/lib/rabbitmq/.erlang.cookie",
    "var/lib/systemd/catalog/database",
    "var/log/alternatives.log*",
    "var/log/apt/*",
    "var/log/bootstrap.log",
    "var/log/dpkg.log*",
    "var/log/fontconfig.log",
    "var/tmp/*",
)

FIXED_FOLDERS = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "run": 0o755, "tmp": 0o1777, "var/tmp": 0o1777}
"""Folders an engine mounts over, with the permissions they get whatever it made of them."""


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns))


_DROPPED_PATTERN = _compiled((*_DROPPED, f"{WORK}/*"))
_EXCLUDED_PATTERN = _compiled(EXCLUDES)
_INCLUDED_PATTERN = _compiled(INCLUDES)
_MERGED = re.compile(r"(bin|sbin|lib|lib32|lib64|libo32|libx32)(/|$)")


def is_dropped(path: str) -> bool:
    """Whether a path, without its leading slash, never gets into an image."""
    return _DROPPED_PATTERN.match(path) is not None


def is_excluded(path: str, *, folder: bool) -> bool:
    """Whether dpkg would leave a path of a package out; folders stay where something in them might."""
    absolute = f"/{path}"
    if _EXCLUDED_PATTERN.match(absolute) is None or _INCLUDED_PATTERN.match(absolute) is not None:
        return False
    return not (folder and (absolute.startswith("/usr/share/doc/") or absolute == "/usr/share/locale/en"))


def merged(path: str) -> str:
    """Where a path leads in a system whose `/bin`, `/sbin` and `/lib` are links into `/usr`."""
    return f"usr/{path}" if _MERGED.match(path) else path


def dpkg_settings() -> bytes:
    """Write the configuration of the images' dpkg."""
    lines = [*(f"path-exclude {pattern}" for pattern in EXCLUDES), *(f"path-include {pattern}" for pattern in INCLUDES)]
    return ("\n".join(lines) + "\n").encode()
