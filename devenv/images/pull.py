"""Pulls a pinned image onto an engine, and believes no registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from devenv import reference
from devenv.engine import transfers
from devenv.engine.protocol import Engine
from devenv.errors import EngineError, EngineUnreachable, ImageError
from devenv.images.registry import Registry
from devenv.images.registry.failures import Limited
from devenv.model.pins import RegistryPin
from devenv.model.progress import Progress, Report
from devenv.reference import Reference

Sleep = Callable[[float], None]

ATTEMPTS = 4
PAUSE = 1.0
"""Seconds before the second attempt; twice as long before each further one."""
LONGEST_WAIT = 120.0
"""Seconds for which the end of a rate limit is waited for."""


def fetch(
    pin: RegistryPin,
    name: str,
    *,
    engine: Engine,
    registry: Registry,
    report: Report,
    sleep: Sleep = time.sleep,
) -> None:
    """Pull what is pinned under the name `name`, from the user's mirror first.

    Raises:
        ImageError: No registry gives it, or what came is not what is pinned; it is removed then.
        EngineError: The engine refused.
    """
    refusals: list[str] = []
    *_, last = places = registry.places(reference.parse(pin.reference))
    for place in places:
        source = place.at(pin.manifest)
        try:
            attempt(source, name, pin.config, engine=engine, registry=registry, report=report, sleep=sleep)
        except EngineUnreachable:
            raise
        except (EngineError, Limited) as error:
            if isinstance(error, Limited) and place == last:
                raise
            refusals.append(error.message)
            continue
        check(engine, name, pin.config, str(place))
        return
    raise ImageError(
        "; ".join(refusals),
        hint="the engine itself asks the registry: see its proxy and certificates, or set `registry.mirror` in your "
        "`config.toml`",
    )


def attempt(
    source: Reference,
    name: str,
    config: str,
    *,
    engine: Engine,
    registry: Registry,
    report: Report,
    sleep: Sleep = time.sleep,
) -> None:
    """Pull by digest, several times if need be: broken connections pass, and rate limits end.

    Args:
        config: Digest of the configuration that belongs to the source's content.

    Raises:
        ImageError: A rate limit does not end soon; the message says when.
        EngineError: The engine refused.
    """
    for number in range(ATTEMPTS):
        try:
            engine.pull(str(source), name, login=registry.login(source.registry), config=config, report=report)
        except EngineError as error:
            if number == ATTEMPTS - 1 or not transfers.is_passing(error):
                raise
            pause = PAUSE * 2**number
            if transfers.is_limited(error):
                pause = _limit(source, registry, error, pause)
                short = transfers.short_name(str(source))
                report(Progress(short, "waiting for the rate limit to end", 0, None, "steps"))
            sleep(pause)
        else:
            if engine.image(name) is None:
                _send(source, name, engine, registry, report)
            return


def _send(source: Reference, name: str, engine: Engine, registry: Registry, report: Report) -> None:
    """Fetch an image here and load it into an engine that has pulled it and does not have all of it.

    Raises:
        ImageError: The registry does not give it, or it cannot be read.
        EngineError: The engine refused.
    """
    import tempfile

    from devenv.images import pack, saved

    subject = transfers.short_name(str(source))
    found = registry.manifest(source)
    if found is None:
        raise ImageError(f"`{source}` is no longer in its registry")
    try:
        parts = [
            (str(one["digest"]), int(one["size"])) for one in (found.document["config"], *found.document["layers"])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"`{source}` is no image of layers") from error
    config, *layers = [registry.blob(source, digest, size, subject) for digest, size in parts]
    with tempfile.TemporaryDirectory(prefix="devenv-layers-", dir=config.parent) as place:
        plain = [saved.plain(path, Path(place) / str(number)) for number, path in enumerate(layers)]
        pack.load(engine, config.read_bytes(), plain, name, report)


def check(engine: Engine, name: str, config: str, source: str) -> None:
    """Refuse, and remove, an image whose configuration is another than the pin's.

    Raises:
        ImageError: It is.
    """
    seen = engine.image(name)
    if seen is not None and seen.config_digest == config:
        return
    engine.remove("image", name)
    found = "nothing" if seen is None else f"`{seen.config_digest}`"
    raise ImageError(
        f"`{source}` gave {found} where `devenv.lock` pins `{config}`; it was removed",
        hint="a registry, or something on the way, does not tell the truth: ask who runs it",
    )


def _limit(source: Reference, registry: Registry, error: EngineError, pause: float) -> float:
    """Seconds until a rate limit ends.

    Raises:
        ImageError: It does not end soon, and when it does.
    """
    seconds = registry.limit(source)
    if seconds is None:
        return pause
    if seconds <= LONGEST_WAIT:
        return max(seconds, pause)
    raise Limited(source.registry, seconds, time.time()) from error
