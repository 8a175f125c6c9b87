"""Ports for tests."""

from __future__ import annotations

import random
import socket

_CHANCE = random.SystemRandom()  # each test begins with the same seed of the other one


def free() -> int:
    """A port of the host that nothing holds, below those that systems give to outgoing connections."""
    while True:
        port = _CHANCE.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
