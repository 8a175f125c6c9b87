from __future__ import annotations

import hashlib
import struct

from devenv.images import keystore

SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"


def store(*dates: int) -> bytes:
    body = struct.pack(">III", 0xFEEDFEED, 2, len(dates))
    for number, date in enumerate(dates):
        alias = f"ca{number}".encode()
        body += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">Q", date)
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 9) + b"encrypted"
    return body + hashlib.sha1(SALT + body).digest()


def test_stores_made_at_different_times_become_equal_and_stay_valid() -> None:
    made = keystore.dated(store(1, 2, 3), 1_700_000_000)
    assert made == keystore.dated(store(9, 8, 7), 1_700_000_000) == store(*[1_700_000_000_000] * 3)


def test_what_is_no_store_or_a_broken_one_stays_as_it_is() -> None:
    for content in (b"", b"text", store(1)[:30], struct.pack(">IIIIH", 0xFEEDFEED, 2, 1, 1, 0) + bytes(20)):
        assert keystore.dated(content, 5) == content
