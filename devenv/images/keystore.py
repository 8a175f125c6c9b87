"""Java's list of trusted certificates without the time it was made at."""

from __future__ import annotations

import hashlib
import struct

PATH = "etc/ssl/certs/java/cacerts"

_MAGIC = b"\xfe\xed\xfe\xed\x00\x00\x00\x02"
_CERTIFICATE = 2
_DIGEST = 20
# The password everybody uses, and a phrase that the format fixes.
_SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"


def dated(content: bytes, epoch: int) -> bytes:
    """Give every entry of a JKS key store the same date; what is no such store stays as it is.

    Args:
        epoch: Seconds since 1970.
    """
    if not content.startswith(_MAGIC):
        return content
    try:
        body = _dated(content[:-_DIGEST], epoch)
    except (struct.error, ValueError):
        return content
    return body + hashlib.sha1(_SALT + body, usedforsecurity=False).digest()


def _dated(body: bytes, epoch: int) -> bytes:
    result = bytearray(body)
    (count,) = struct.unpack_from(">I", body, len(_MAGIC))
    position = len(_MAGIC) + 4
    for _ in range(count):
        kind, length = struct.unpack_from(">IH", body, position)
        if kind != _CERTIFICATE:
            raise ValueError(kind)
        position += 6 + length
        struct.pack_into(">Q", result, position, epoch * 1000)
        position += 8
        (length,) = struct.unpack_from(">H", body, position)
        position += 2 + length
        (length,) = struct.unpack_from(">I", body, position)
        position += 4 + length
    return bytes(result)
