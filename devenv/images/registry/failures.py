"""What goes wrong with registries, in our words."""

from __future__ import annotations

import math
import time

from devenv.errors import ImageError
from devenv.reference import DOCKER_HUB, Reference

_MIRROR = "set `registry.mirror` in your `config.toml`"
_DEBIAN = '`images = "debian"` in `devenv.toml`'
_MINUTES_SHOWN = 120


class Limited(ImageError):
    """A registry lets no more pulls through, for `seconds` from now; infinity when it does not say how long."""

    def __init__(self, registry: str, seconds: float, now: float) -> None:
        super().__init__(
            f"`{registry}` lets no more pulls through: {_end(seconds, now)}",
            hint=f"sign in with `{login(registry)}`" + (f", or {_MIRROR}" if registry == DOCKER_HUB else ""),
        )
        self.seconds = seconds


def unreachable(registry: str, why: str) -> ImageError:
    """There is no connection."""
    way = f"; or {_MIRROR}, or build from Debian packages: {_DEBIAN}" if registry == DOCKER_HUB else ""
    return ImageError(f"`{registry}` cannot be reached: {why}", hint=f"check the network and the proxy's settings{way}")


def unusable(registry: str, why: str) -> ImageError:
    """It answers, but not as a registry should."""
    return ImageError(f"the registry `{registry}` cannot be used: {why}", hint="try again later, or ask who runs it")


def denied(place: Reference) -> ImageError:
    """It lets this user not read a repository; registries say the same of one that does not exist."""
    return ImageError(
        f"`{place.registry}` does not let you read `{place.name}`: it does not exist, or needs a login",
        hint=f"check the name, or sign in: `{login(place.registry)}`",
    )


def rejected(registry: str) -> ImageError:
    """The login is wrong."""
    return ImageError(
        f"`{registry}` does not accept the login from Docker's configuration", hint=f"sign in: `{login(registry)}`"
    )


def absent(wanted: Reference, asked: tuple[Reference, ...]) -> ImageError:
    """Nobody has it."""
    hosts = ", ".join(f"`{place.registry}`" for place in asked)
    what = "the digest" if wanted.digest else "the name and the tag"
    return ImageError(f"`{wanted}` does not exist", hint=f"check {what}; asked: {hosts}")


def lied(registry: str, wanted: Reference, found: str) -> ImageError:
    """The content is not what its name says."""
    return ImageError(
        f"the registry `{registry}` sent something else than `{wanted}`: its hash is {found}",
        hint="the registry, or a proxy on the way to it, changes what it passes on",
    )


def login(registry: str) -> str:
    """The command that signs in."""
    return "docker login" if registry == DOCKER_HUB else f"docker login {registry}"


def together(wanted: Reference, errors: list[ImageError]) -> ImageError:
    """Several registries' failures as one error."""
    if len(errors) == 1:
        return errors[0]
    reasons = "; ".join(error.message for error in errors)
    return ImageError(f"`{wanted}` cannot be had: {reasons}", hint=errors[-1].hint)


def _end(seconds: float, now: float) -> str:
    if math.isinf(seconds):
        return "its rate limit is reached, and it does not say until when"
    minutes = math.ceil(seconds / 60)
    away = f"{minutes} min" if minutes < _MINUTES_SHOWN else f"{math.ceil(minutes / 60)} h"
    return f"its rate limit ends at {time.strftime('%H:%M', time.localtime(now + seconds))} (in {away})"
