"""Files that hold something of the moment they were made at, made equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from devenv.images import keystore


def _without_temporary_names(content: bytes, _: int) -> bytes:
    """Debconf's answers, where `ucf` writes down the temporary file that it compared with."""
    return re.sub(rb"/tmp/\S+", b"/tmp", content)


REWRITES: Mapping[str, Callable[[bytes, int], bytes]] = {
    keystore.PATH: keystore.dated,
    "var/cache/debconf/config.dat": _without_temporary_names,
}
"""What makes equal the content of a path, given the epoch."""
