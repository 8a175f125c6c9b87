from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devenv import reference
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import EngineError, EngineUnreachable, ImageError
from devenv.images import pull
from devenv.images.registry import Registry
from devenv.images.registry.failures import Limited
from devenv.images.registry.manifest import Manifest
from devenv.model.machine import Login, Machine
from devenv.model.pins import RegistryPin
from devenv.model.progress import Report, silence
from devenv.reference import Reference
from tests import engines, projects

PIN = projects.image("docker.io/library/redis:8")
REDIS = f"docker.io/library/redis@{PIN.manifest}"
MIRRORED = f"mirror.acme.example/hub/library/redis@{PIN.manifest}"
RIGHT = SeenImage("sha256:id", PIN.config, {})
WRONG = SeenImage("sha256:other", f"sha256:{'0' * 64}", {})
NAME = "localhost/devenv/redis:1a2b"

EOF = EngineError("`redis` could not be pulled: unexpected EOF")
UNKNOWN = EngineError("`redis` could not be pulled: manifest unknown")
LIMIT = EngineError("`redis` could not be pulled: toomanyrequests: You have reached your pull rate limit")


class Refusing(MemoryEngine):
    """An engine whose pulls fail as a test says, by source and in order, before they succeed."""

    def __init__(self, failures: Mapping[str, list[EngineError]]) -> None:
        super().__init__()
        self.registry = {REDIS: RIGHT, MIRRORED: RIGHT}
        self.failures = failures
        self.asked: list[tuple[str, str | None, Login | None]] = []

    def pull(self, source: str, name: str, *, login: Login | None, report: Report, config: str | None = None) -> None:
        self.asked.append((source, config, login))
        if left := self.failures.get(source):
            raise left.pop(0)
        super().pull(source, name, login=login, report=report, config=config)

    @property
    def sources(self) -> list[str]:
        return [source for source, _, _ in self.asked]


class Limiting(Registry):
    """A registry that is asked for nothing but its rate limit."""

    def __init__(self, mirror: str | None, seconds: list[float | None], logins: Mapping[str, Login]) -> None:
        super().__init__(Machine(registry_mirror=mirror), logins.get)
        self.seconds = seconds
        self.limits: list[Reference] = []

    def limit(self, wanted: Reference) -> float | None:
        self.limits.append(wanted)
        return self.seconds.pop(0)


@dataclass
class World:
    """What pulls are made with, and what they did."""

    failures: dict[str, list[EngineError]] = field(default_factory=dict)
    mirror: str | None = None
    seconds: list[float | None] = field(default_factory=list)
    logins: dict[str, Login] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)
    engine: Refusing = field(init=False)
    registry: Limiting = field(init=False)

    def __post_init__(self) -> None:
        self.engine, self.registry = Refusing(self.failures), Limiting(self.mirror, self.seconds, self.logins)

    def fetch(self, pin: RegistryPin = PIN) -> None:
        with self.registry as registry:
            pull.fetch(
                pin,
                NAME,
                engine=self.engine,
                registry=registry,
                report=silence,
                sleep=self.slept.append,
            )

    def refused(self) -> ImageError:
        with pytest.raises(ImageError) as caught:
            self.fetch()
        return caught.value


def mirrored(**changes: object) -> World:
    return World(mirror="https://mirror.acme.example/hub", **changes)  # type: ignore[arg-type]


def test_a_pin_is_pulled_by_its_manifest_under_the_name_given() -> None:
    world = World(logins={"docker.io": Login("docker.io", "anna")})
    world.fetch()
    assert world.engine.asked == [(REDIS, PIN.config, Login("docker.io", "anna"))]
    assert world.engine.images[NAME] == RIGHT
    assert world.slept == []


def test_the_mirror_is_asked_first_and_the_registry_only_when_it_fails() -> None:
    world = mirrored()
    world.fetch()
    assert world.engine.sources == [MIRRORED]
    other = mirrored(failures={MIRRORED: [UNKNOWN]}, logins={"docker.io": Login("docker.io", "anna")})
    other.fetch()
    assert [(source, login is not None) for source, _, login in other.engine.asked] == [
        (MIRRORED, False),
        (REDIS, True),
    ]
    assert other.engine.images[NAME] == RIGHT


def test_when_nobody_gives_it_all_are_quoted_with_the_remedy() -> None:
    error = mirrored(failures={MIRRORED: [EngineError("no mirror")], REDIS: [UNKNOWN]}).refused()
    assert error.message == "no mirror; `redis` could not be pulled: manifest unknown"
    assert error.hint is not None
    assert "the engine itself asks the registry" in error.hint


def test_a_failure_that_passes_is_tried_again_after_pauses_that_double() -> None:
    world = World(failures={REDIS: [EOF, EOF, EOF]})
    world.fetch()
    assert world.engine.sources == [REDIS] * 4
    assert world.slept == [1.0, 2.0, 4.0]
    assert world.engine.images[NAME] == RIGHT


def test_a_failure_that_does_not_pass_is_told_after_four_attempts_without_a_last_pause() -> None:
    world = World(failures={REDIS: [EOF] * 5})
    assert world.refused().message == EOF.message
    assert world.engine.sources == [REDIS] * 4
    assert world.slept == [1.0, 2.0, 4.0]


def test_a_failure_that_lasts_is_not_tried_again() -> None:
    world = World(failures={REDIS: [UNKNOWN]})
    assert world.refused().message == UNKNOWN.message
    assert (world.engine.sources, world.slept) == ([REDIS], [])


def test_an_engine_that_is_gone_is_told_as_such_and_no_other_place_is_tried() -> None:
    world = mirrored(failures={MIRRORED: [EngineUnreachable("no engine answers")]})
    with pytest.raises(EngineUnreachable, match=r"^no engine answers$"):
        world.fetch()
    assert world.engine.sources == [MIRRORED]


# --- rate limits ---


def test_the_end_of_a_short_rate_limit_is_waited_for() -> None:
    world = World(failures={REDIS: [LIMIT, LIMIT]}, seconds=[pull.LONGEST_WAIT, 0.5])
    world.fetch()
    assert world.slept == [120.0, 2.0]
    assert world.registry.limits == [reference.parse(REDIS)] * 2


def test_a_rate_limit_that_nobody_confirms_is_a_failure_like_others() -> None:
    world = World(failures={REDIS: [LIMIT]}, seconds=[None])
    world.fetch()
    assert world.slept == [1.0]


@pytest.mark.parametrize(("seconds", "end"), [(121.0, "(in 3 min)"), (math.inf, "it does not say until when")])
def test_a_long_rate_limit_is_named_with_its_end_at_once(seconds: float, end: str) -> None:
    world = World(failures={REDIS: [LIMIT]}, seconds=[seconds])
    error = world.refused()
    assert isinstance(error, Limited)
    assert error.message.startswith("`docker.io` lets no more pulls through: its rate limit ")
    assert error.message.endswith(end)
    assert error.hint == "sign in with `docker login`, or set `registry.mirror` in your `config.toml`"
    assert (world.engine.sources, world.slept) == ([REDIS], [])


def test_a_long_rate_limit_of_the_mirror_leads_to_the_registry_itself() -> None:
    world = mirrored(failures={MIRRORED: [LIMIT]}, seconds=[9000.0])
    world.fetch()
    assert world.engine.sources == [MIRRORED, REDIS]
    assert world.slept == []


def test_a_rate_limit_is_asked_for_where_it_was_met() -> None:
    world = mirrored(failures={MIRRORED: [UNKNOWN], REDIS: [LIMIT]}, seconds=[3.0])
    world.fetch()
    assert world.registry.limits == [reference.parse(REDIS)]
    assert world.slept == [3.0]


# --- what came ---


@pytest.fixture
def lied() -> World:
    world = World()
    world.engine.registry[REDIS] = WRONG
    return world


def test_another_image_than_the_pinned_one_is_removed_and_both_are_named(lied: World) -> None:
    error = lied.refused()
    assert error.message == (
        f"`docker.io/library/redis:8` gave `{WRONG.config_digest}` where `devenv.lock` pins `{PIN.config}`; "
        "it was removed"
    )
    assert error.hint is not None
    assert "does not tell the truth" in error.hint
    assert NAME not in lied.engine.images


def test_a_mirror_that_lies_is_not_gone_around() -> None:
    world = mirrored()
    world.engine.registry[MIRRORED] = WRONG
    assert world.refused().message.startswith("`mirror.acme.example/hub/library/redis:8` gave ")
    assert world.engine.sources == [MIRRORED]


def test_an_engine_that_has_nothing_after_a_pull_is_told() -> None:
    engine = MemoryEngine()
    with pytest.raises(ImageError, match=r"^`redis` gave nothing where"):
        pull.check(engine, NAME, PIN.config, "redis")


class Hollow(Refusing):
    """An engine that has nothing of an image after it has pulled it."""

    def pull(self, source: str, name: str, *, login: Login | None, report: Report, config: str | None = None) -> None:
        self.asked.append((source, config, login))


class Giving(Limiting):
    """A registry that gives an image of one layer, compressed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, [], {})
        layer = engines.tar({"hello": b"hi"})
        diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        self.content = json.dumps({"rootfs": {"diff_ids": [diff]}, "config": {}}).encode()
        self.config_digest = f"sha256:{hashlib.sha256(self.content).hexdigest()}"
        self.files = {self.config_digest: folder / "config", "sha256:layer": folder / "layer"}
        self.files[self.config_digest].write_bytes(self.content)
        self.files["sha256:layer"].write_bytes(gzip.compress(layer))
        described = {"config": {"digest": self.config_digest, "size": len(self.content)}}
        self.document: dict[str, object] = described | {"layers": [{"digest": "sha256:layer", "size": 1}]}

    def manifest(self, wanted: Reference) -> Manifest | None:
        return Manifest(wanted.digest or "", "", self.document, b"") if self.document else None

    def blob(self, wanted: Reference, digest: str, size: int, subject: str) -> Path:
        assert (wanted.digest, subject) == (PIN.manifest, "redis")
        return self.files[digest]


def test_an_image_of_which_an_engine_keeps_only_a_part_is_fetched_here_and_loaded(tmp_path: Path) -> None:
    engine, registry = Hollow({}), Giving(tmp_path)
    pin = replace(PIN, config=registry.config_digest)
    pull.fetch(pin, NAME, engine=engine, registry=registry, report=silence)
    assert engine.images[NAME].config_digest == registry.config_digest
    assert engine.sources == [REDIS]


@pytest.mark.parametrize(
    ("document", "message"), [({}, "is no longer in its registry"), ({"layers": [1]}, "is no image of layers")]
)
def test_what_cannot_be_fetched_either_is_told(tmp_path: Path, document: dict[str, object], message: str) -> None:
    registry = Giving(tmp_path)
    registry.document = document
    with pytest.raises(ImageError, match=message):
        pull.fetch(PIN, NAME, engine=Hollow({}), registry=registry, report=silence)


def test_the_right_image_is_kept() -> None:
    engine = MemoryEngine(images={NAME: RIGHT})
    pull.check(engine, NAME, PIN.config, "redis")
    assert engine.calls == [("image", NAME)]
