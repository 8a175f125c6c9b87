from __future__ import annotations

import subprocess

import pytest

from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, SeenImage
from devenv.errors import EngineError
from devenv.model.blueprint import Container
from devenv.snapshots import carriers

DUMP = b"0123456789\n" * 20_000
WRITE = ("sh", "-c", "yes 0123456789 | head -n 20000; echo some words >&2")


def engine(*, cut: int | None = None) -> MemoryEngine:
    """One whose commands run here, and whose connection breaks after so many bytes each way."""

    def execute(_name: str, command: Command) -> Ran:
        fed = b"".join(command.stdin or ())[:cut]
        done = subprocess.run(command.argv, input=fed, capture_output=True)
        return Ran((Chunk("stdout", done.stdout[:cut]), Chunk("stderr", done.stderr)), done.returncode)

    made = MemoryEngine(images={"image": SeenImage("sha256:1", "sha256:1", {})}, execute=execute)
    made.create(Container("shop", "shop", "service", "image"))
    made.start("shop")
    return made


def restored(cut: int | None, *argv: str) -> None:
    carriers.restored(engine(cut=cut), "shop", argv, [DUMP[:7], DUMP[7:]], "shop", size=len(DUMP))


def test_a_dump_comes_whole_out_and_in() -> None:
    assert b"".join(carriers.dumped(engine(), "shop", WRITE, "shop")) == DUMP
    restored(None, "sh", "-c", f"[ $(wc -c) = {len(DUMP)} ]")


@pytest.mark.parametrize("cut", [0, 1, len(DUMP) - 1, len(DUMP), len(DUMP) + len(carriers.END) // 2])
def test_a_connection_that_breaks_is_no_end(cut: int) -> None:
    with pytest.raises(EngineError, match="the dump of `shop` was cut off"):
        list(carriers.dumped(engine(cut=cut), "shop", WRITE, "shop"))
    with pytest.raises(EngineError, match=r"the data of `shop` could not be restored:\s+the dump was cut off"):
        restored(cut, "cat")


@pytest.mark.parametrize(
    "argv", [("false",), ("sh", "-c", "cat >/dev/null; exit 3"), ("sh", "-c", "head -c 9; exit 3")]
)
def test_a_command_that_fails_is_told(argv: tuple[str, ...]) -> None:
    with pytest.raises(EngineError, match="could not be restored"):
        restored(None, *argv)
    with pytest.raises(EngineError, match="the dump of `shop` failed with exit code"):
        list(carriers.dumped(engine(), "shop", argv, "shop"))
