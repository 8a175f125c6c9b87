"""The engine's progress streams, as Docker 20.10 and 28.5 wrote them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from devenv.engine import transfers
from devenv.errors import EngineError, EngineUnreachable, NotFound
from devenv.model.progress import Progress, silence

DIGEST = "sha256:a709174df5a23a4c3302bf2c31b3835281b62ac014be3942e3a692c69c1bc1ed"
TOLD = f"1: digest: {DIGEST} size: 527"


def line(status: str, layer: str = "", **detail: object) -> bytes:
    return json.dumps({"status": status, "progressDetail": detail, "id": layer}).encode()


def stream(text: str) -> bytes:
    return json.dumps({"stream": text}).encode()


def error(words: str) -> bytes:
    return json.dumps({"errorDetail": {"message": words}, "error": words}).encode()


def heard(lines: Iterable[bytes], read: Callable[..., object] = transfers.pulled) -> list[Progress]:
    told: list[Progress] = []
    read(lines, "redis", told.append)
    return told


def sizes(told: Iterable[Progress]) -> list[tuple[int, int | None]]:
    return [(one.done, one.total) for one in told]


# --- pull ---

CLASSIC_PULL = (
    b'{"status":"Pulling from ok/redis","id":"127.0.0.1:5978/ok/redis@sha256:8025"}',
    line("Pulling fs layer", "eb6818460e40"),
    line("Pulling fs layer", "4c6db452da80"),
    b"",
    line("Downloading", "4c6db452da80", current=36564, total=3001174),
    line("Downloading", "eb6818460e40", current=102100, total=8002676),
    line("Verifying Checksum", "4c6db452da80"),
    line("Download complete", "4c6db452da80"),
    line("Download complete", "eb6818460e40"),
    line("Extracting", "eb6818460e40", current=98304, total=8002676),
    line("Pull complete", "eb6818460e40"),
    b'{"status":"Digest: sha256:8025"}',
)

CONTAINERD_PULL = (
    b'{"status":"Pulling from ok/redis","id":"127.0.0.1:5978/ok/redis@sha256:0168"}',
    line("Pulling fs layer", "53892cff19a0"),
    line("Downloading", "73eba20620b3", current=1_000_000, total=3_001_172),
    line("Download complete", "53892cff19a0", hidecounts=True),
    line("Download complete", "73eba20620b3", hidecounts=True),
    line("Extracting", "73eba20620b3", current=1, units="s"),
    line("Pull complete", "73eba20620b3", hidecounts=True),
)


def test_the_layers_of_a_pull_are_counted_together() -> None:
    assert sizes(heard(CLASSIC_PULL)) == [
        (0, None),
        (0, None),
        (0, None),
        (36564, 3001174),
        (36564 + 102100, 3001174 + 8002676),
        *[(3001174 + 102100, 3001174 + 8002676)] * 2,
        (3001174 + 8002676, 3001174 + 8002676),
        (98304, 8002676),
        *[(8002676, 8002676)] * 2,
    ]
    assert heard(CLASSIC_PULL)[7] == Progress("redis", "pulling", 11003850, 11003850, "bytes")
    assert heard(CLASSIC_PULL)[8] == Progress("redis", "unpacking", 98304, 8002676, "bytes")


def test_seconds_of_the_containerd_store_are_no_bytes() -> None:
    assert sizes(heard(CONTAINERD_PULL))[2:] == [(1_000_000, 3_001_172), (1_000_000, 3_001_172)] + 3 * [
        (3_001_172, 3_001_172)
    ]


def test_a_layer_that_begins_again_takes_nothing_back() -> None:
    again = (
        line("Downloading", "a", current=700, total=1000),
        line("Retrying in 5 seconds", "a"),
        line("Downloading", "a", current=100, total=1000),
        line("Downloading", "a", current=800, total=1000),
    )
    assert [one.done for one in heard(again)] == [700, 700, 700, 800]


def test_a_layer_of_unknown_size_is_never_more_than_the_whole() -> None:
    assert sizes(heard([line("Downloading", "a", current=700)])) == [(700, 700)]


@pytest.mark.parametrize(
    "words",
    [
        "no matching manifest for linux/amd64 in the manifest list entries",
        "filesystem layer verification failed for digest sha256:4c6db452da80475247754e6d1d20502c27c14ff6b6862cab856a",
    ],
)
def test_an_error_in_a_pull_is_raised(words: str) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        heard([*CLASSIC_PULL[:3], error(words)])
    assert not transfers.is_passing(caught.value)


def test_the_report_can_end_a_pull() -> None:
    def stop(_progress: Progress) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        transfers.pulled(CLASSIC_PULL, "redis", stop)


# --- push ---

CLASSIC_PUSH = (
    b'{"status":"The push refers to repository [127.0.0.1:5977/try/a]"}',
    line("Preparing", "9f8d70e5148a"),
    line("Pushing", "9f8d70e5148a", current=34816, total=1982354),
    line("Pushing", "9f8d70e5148a", current=1996800, total=1982354),
    line("Pushed", "9f8d70e5148a"),
    json.dumps({"status": TOLD}).encode(),
    json.dumps({"progressDetail": {}, "aux": {"Tag": "1", "Digest": DIGEST, "Size": 527}}).encode(),
)

CONTAINERD_PUSH = (
    b'{"status":"The push refers to repository [127.0.0.1:5977/try/idxc]"}',
    line("Pushed", "73eba20620b3"),
    json.dumps(
        {
            "progressDetail": {},
            "aux": {
                "manifestPushedInsteadOfIndex": True,
                "originalIndex": {"digest": "sha256:0168"},
                "selectedManifest": {"digest": DIGEST},
            },
        }
    ).encode(),
    json.dumps({"status": TOLD}).encode(),
)


@pytest.mark.parametrize("lines", [CLASSIC_PUSH, CLASSIC_PUSH[:-2] + CLASSIC_PUSH[-1:], CONTAINERD_PUSH])
def test_a_push_tells_the_digest_of_what_it_pushed(lines: tuple[bytes, ...]) -> None:
    assert transfers.pushed(lines, "redis", silence) == DIGEST


def test_a_push_of_more_than_was_announced_is_never_more_than_the_whole() -> None:
    assert heard(CLASSIC_PUSH, transfers.pushed)[-1] == Progress("redis", "pushing", 1996800, 1996800, "bytes")


def test_a_push_without_a_digest_is_an_error() -> None:
    with pytest.raises(EngineError, match="digest"):
        transfers.pushed(CLASSIC_PUSH[:-2], "redis", silence)


# --- load and build ---


def test_an_error_in_a_load_is_raised() -> None:
    with pytest.raises(EngineError, match="could not load the image: no space left on device"):
        transfers.loaded([stream("Loading layer"), error("no space left on device")])


BUILD = (
    stream("Step 1/4 : ARG BASE"),
    stream("\n"),
    stream("Step 2/4 : FROM ${BASE}"),
    stream(" ---> 1b1aebac751a\n"),
    stream("\x1b[91mcat: can't open '/nope': No such file or directory\n\x1b[0m"),
)


def test_a_build_counts_its_steps() -> None:
    assert sizes(heard(BUILD, transfers.built)) == [(0, 4), (0, 4), (1, 4), (1, 4), (1, 4)]


def test_a_failed_build_shows_the_end_of_its_output() -> None:
    words = "The command '/bin/sh -c cat /nope' returned a non-zero code: 1"
    long = [stream(f"line {number}\n") for number in range(100)]
    with pytest.raises(EngineError) as caught:
        heard([*long, *BUILD, error(words)], transfers.built)
    first, _, *rest = caught.value.message.splitlines()
    assert first == f"{words}; the end of its output:"
    assert len(rest) == transfers.KEPT
    assert rest[-1] == "cat: can't open '/nope': No such file or directory"


# --- errors ---

LIMITED = (
    "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
    "unknown: failed to resolve reference: unexpected status from HEAD request to http://a/v2/b: 429 Too Many Requests",
)
PASSING = (
    "received unexpected HTTP status: 503 Service Unavailable",
    "received unexpected HTTP status: 502 Bad Gateway",
    "unexpected status from HEAD request to http://127.0.0.1/v2/x/manifests/sha256:0: 503 Service Unavailable",
    "unexpected EOF",
    'Get "https://registry-1.docker.io/v2/": EOF',
    "expected HTTP 206 from byte range request",
    "read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer",
    'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
    "dial tcp 10.0.0.2:443: i/o timeout",
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
)
LASTING = (
    "manifest unknown",
    "unauthorized: authentication required",
    "denied",
    "no matching manifest for linux/amd64 in the manifest list entries",
    f"no such image: redis@sha256:{'503429502' * 7}0",
    "filesystem layer verification failed for digest sha256:4c6d",
)


@pytest.mark.parametrize("words", [*LIMITED, *PASSING])
def test_what_passes_is_worth_another_attempt(words: str) -> None:
    assert transfers.is_passing(EngineError(words))
    assert transfers.is_limited(EngineError(words)) == (words in LIMITED)


@pytest.mark.parametrize("words", LASTING)
def test_what_lasts_is_not(words: str) -> None:
    assert not transfers.is_passing(EngineError(words))


def test_an_error_says_what_was_tried_and_keeps_its_class() -> None:
    with pytest.raises(NotFound) as caught, transfers.naming("`redis` could not be pulled"):
        raise NotFound("manifest unknown")
    assert caught.value.message == "`redis` could not be pulled: manifest unknown"


def test_an_engine_that_is_gone_needs_no_more_words() -> None:
    with pytest.raises(EngineUnreachable, match=r"^the engine went away$"), transfers.naming("`a` could not be pulled"):
        raise EngineUnreachable("the engine went away")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/library/redis@sha256:1", "redis"),
        ("127.0.0.1:5000/try/redis:8", "redis"),
        ("redis", "redis"),
        ("localhost/devenv/shop-web:0123", "shop-web"),
    ],
)
def test_the_short_name_is_what_people_say(reference: str, name: str) -> None:
    assert transfers.short_name(reference) == name
