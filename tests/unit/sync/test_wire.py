from __future__ import annotations

import os

import pytest

from devenv.errors import DevenvError
from devenv.sync import wire
from devenv.sync.entries import Seen
from devenv.sync.wire import Hello, Message


def test_a_message_comes_back_however_it_is_cut() -> None:
    stream = wire.message("put", 7, payload=b"a\0b\nput 1 2\n") + wire.message("ping", 8) + wire.message("overflow")
    parser = wire.Parser()

    heard = [message for byte in stream for message in parser.feed(bytes([byte]))]

    assert heard == [
        Message(("put", "7"), b"a\0b\nput 1 2\n"),
        Message(("ping", "8"), b""),
        Message(("overflow",), b""),
    ]
    assert list(wire.Parser().feed(stream)) == heard


@pytest.mark.parametrize(
    "nonsense",
    [
        b"bash: no such thing\n",
        b"list 1 -1\n",
        b"list 1 67108865\n",
        b"list 1 " + b"9" * 100 + b"\n",
        b"12\n",
        b"\n",
        b"\xff 1 2\n",
        b"x" * 201,
        b"list 1 0\n" + b"x" * 201,
    ],
)
def test_what_is_no_message_is_refused(nonsense: bytes) -> None:
    with pytest.raises(DevenvError, match="is no message"):
        wire.Parser().feed(nonsense)


def test_records_are_read() -> None:
    payload = (
        b"f 644 12 1700000000123456789 42 42.12.1.2 a b/c\nd\0"
        b"d 755 0 1 43 43.755 \0"
        b"l 777 0 -1 44 44.1.1 link\0 ../it is\0"
        b"o 0 0 0 0 ? \xff\0"
        b"- 0 0 0 0 - gone\0"
    )

    assert wire.records(payload) == [
        ("a b/c\nd", Seen("file", 0o644, 12, 1700000000123456789, "42.12.1.2", 42)),
        ("", Seen("folder", 0o755, 0, 1, "43.755", 43)),
        ("link", Seen("link", 0o777, 0, -1, "44.1.1", 44, " ../it is")),
        (os.fsdecode(b"\xff"), Seen("other", 0, 0, 0, "?", 0)),
        ("gone", None),
    ]
    assert wire.records(b"") == []


@pytest.mark.parametrize("nonsense", [b"f 644\0", b"q 644 0 0 0 - a\0", b"f 9 0 0 0 - a\0", b"l 777 0 0 0 - a"])
def test_what_is_no_record_is_refused(nonsense: bytes) -> None:
    with pytest.raises(DevenvError, match="is no message"):
        wire.records(nonsense)


def test_the_greeting_is_read() -> None:
    greeting = b"agent=perl\nempty=1\nwritable=0\nwatching=1\nbulk=1\n"

    assert wire.hello(greeting) == Hello("perl", empty=True, writable=False, watching=True, bulk=True, marker=None)
    assert wire.hello(greeting + b"marker=a\nempty=0\n").marker == "a\nempty=0\n"


def test_each_word_of_the_command_fits_into_one_argument() -> None:
    *_, perl, shell, root = wire.command("/work")

    assert root == "/work"
    assert all(1000 < len(program.encode()) < 100_000 for program in (perl, shell))
