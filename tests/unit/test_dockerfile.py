from __future__ import annotations

from pathlib import Path

import pytest

from devenv import dockerfile
from devenv.errors import DevenvError

WHOLE = """\
# syntax=docker/dockerfile:1
# escape=`
ARG VERSION=3 SUITE="trixie"
ARG IMAGE=acme/base:${VERSION}
FROM ${IMAGE} AS Tools
from --platform=$BUILDPLATFORM `
  # which Debian
  debian:${SUITE:-bookworm}${TAIL:-}-slim as build
RUN --mount=type=bind,from=alpine:3,target=/x <<-EOF
\tFROM not:this
\tEOF
COPY --chown=1:1 --from=tools /a /b
COPY --from=0 /a /b
COPY --from=ghcr.io/acme/data:1 /a /b
ONBUILD COPY --from=later /a /b
FROM scratch
COPY --from=build /a /b
COPY --from=ghcr.io/acme/data:1 /c /d
"""
IMAGES = (
    "docker.io/acme/base:3",
    "docker.io/library/debian:trixie-slim",
    "docker.io/library/alpine:3",
    "ghcr.io/acme/data:1",
)


def test_every_image_from_outside_is_found_and_nothing_else() -> None:
    assert dockerfile.parse(WHOLE, "Dockerfile").images == IMAGES


def test_the_rewritten_text_names_them_otherwise_and_leaves_the_rest_alone() -> None:
    names = {image: f"<{number}>" for number, image in enumerate(IMAGES)}
    made = dockerfile.parse(WHOLE, "Dockerfile").rewritten(names)
    expected = WHOLE.removeprefix("# syntax=docker/dockerfile:1\n")
    expected = expected.replace("${IMAGE} AS", "<0> AS").replace("--platform=$BUILDPLATFORM", "")
    expected = expected.replace("debian:${SUITE:-bookworm}${TAIL:-}-slim", "<1>").replace("from=alpine:3", "from=<2>")
    assert made == expected.replace("from=ghcr.io/acme/data:1", "from=<3>")


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "`Dockerfile` has no `FROM`", (1, 1, 1)),
        ("# nothing\nARG A=1\n", "`Dockerfile` has no `FROM`", (1, 1, 9)),
        ("RUN make\nFROM x\n", "`RUN` stands before the first `FROM`", (1, 1, 3)),
        ("ARG TAG\nFROM x:$TAG\n", "`TAG` has no value here", (2, 6, 6)),
        ("FROM \\\n  x:${OTHER}\n", "`OTHER` has no value here", (2, 3, 10)),
        ("ARG A=aa\n" + "ARG A=$A$A\n" * 9 + "FROM $A\n", "`A` has no value here", (11, 6, 2)),
        ("FROM " + "a" * 2000, "this is longer than any image's name", (1, 6, 2000)),
        ("FROM\n", "`FROM` takes an image, and a stage's name", (1, 1, 4)),
        ("FROM a b\n", "`FROM` takes an image, and a stage's name", (1, 1, 4)),
        ("FROM Acme/Base\n", "`Acme/Base` is no image's name", (1, 6, 9)),
        ("FROM --platform=linux/arm64 x\n", "`FROM` cannot have `--platform=linux/arm64` here", (1, 6, 22)),
        ("FROM x\nCOPY --from=$A a b\n", "`from` takes no variables", (2, 13, 2)),
        ("FROM x\nCOPY --from=1 a b\nCOPY --from=A! a b\n", "`A!` is no image's name", (3, 13, 2)),
    ],
)
def test_what_nothing_can_be_pinned_by_is_told_with_its_place(
    text: str, message: str, place: tuple[int, int, int]
) -> None:
    with pytest.raises(DevenvError) as caught:
        dockerfile.parse(text, "Dockerfile")
    where = caught.value.where
    assert where is not None
    assert (caught.value.message, (where.line, where.column, where.length)) == (message, place)
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"FROM \xff\n", b"FROM x\n" + b"#" * dockerfile.LARGEST])
def test_what_is_no_dockerfile_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Dockerfile").write_bytes(content)
    with pytest.raises(DevenvError, match="`Dockerfile` is "):
        dockerfile.read(tmp_path, "Dockerfile")


STAGES = "ARG BASE=debian\nFROM ${BASE} AS One\nFROM alpine AS two\nFROM scratch\n"


def test_arguments_given_take_the_place_of_those_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(STAGES)
    found = dockerfile.read(tmp_path, "Dockerfile", {"BASE": "acme/base:2", "OTHER": "x"})
    assert found.images == ("docker.io/acme/base:2", "docker.io/library/alpine:latest")


@pytest.mark.parametrize(("target", "stages"), [("one", 1), ("ONE", 1), ("0", 1), ("two", 2), ("2", 3)])
def test_a_stage_that_is_asked_for_is_the_last_one(tmp_path: Path, target: str, stages: int) -> None:
    (tmp_path / "Dockerfile").write_text(STAGES)
    found = dockerfile.read(tmp_path, "Dockerfile", target=target)
    assert found.text == "".join(STAGES.splitlines(keepends=True)[: stages + 1])
    assert found.images == ("docker.io/library/debian:latest", "docker.io/library/alpine:latest")[:stages]


@pytest.mark.parametrize("target", ["nobody", "3", "9999999999"])
def test_a_stage_that_is_not_there_is_told(tmp_path: Path, target: str) -> None:
    (tmp_path / "Dockerfile").write_text(STAGES)
    with pytest.raises(DevenvError, match=f"has no stage `{target}`") as caught:
        dockerfile.read(tmp_path, "Dockerfile", target=target)
    assert caught.value.hint == "there are: `one`, `two`"
