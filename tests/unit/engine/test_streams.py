"""Output taken apart and put together to lines."""

from __future__ import annotations

import io

from devenv.engine import logs, streams
from devenv.engine.protocol import Chunk


def framed(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_keep_their_stream_and_order() -> None:
    source = io.BytesIO(framed(1, b"out") + framed(2, b"wrong") + framed(1, b"") + framed(1, b"end"))
    assert list(streams.frames(source.read)) == [
        Chunk("stdout", b"out"),
        Chunk("stderr", b"wrong"),
        Chunk("stdout", b"end"),
    ]


def test_a_frame_that_is_cut_off_is_dropped() -> None:
    whole = framed(1, b"whole")
    for cut in range(1, len(whole)):
        assert list(streams.frames(io.BytesIO(whole + whole[:cut]).read)) == [Chunk("stdout", b"whole")]


def test_lines_that_arrive_in_pieces_are_put_together_for_each_stream() -> None:
    chunks = [Chunk("stdout", b"a"), Chunk("stderr", b"x\ny"), Chunk("stdout", b"b\nc"), Chunk("stderr", b"z\n")]
    assert list(logs.lines(chunks)) == ["x", "ab", "yz", "c"]


def test_a_letter_that_arrives_in_pieces_stays_whole() -> None:
    letter = "ü".encode()
    assert list(logs.lines([Chunk("stdout", letter[:1]), Chunk("stdout", letter[1:] + b"\n")])) == ["ü"]


def test_control_characters_and_escape_sequences_are_dropped() -> None:
    assert logs.clean(b"\x1b[1;31mred\x1b[0m\ttab\x00\x07\r") == "red\ttab"
    assert logs.clean(b"\x1b]0;title\x07text") == "text"
    assert logs.clean(b"10%\r55%\r100%") == "100%"
