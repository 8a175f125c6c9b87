from __future__ import annotations

import pytest

from devenv.images import stanza

TEXT = b"""\
Package: dash
Version: 0.5.12-12
Essential: yes
Architecture: amd64
Priority: required
Description: POSIX-compliant shell
Pre-Depends: libc6 (>= 2.38)
Depends: debianutils (>= 5.6-0.1),
 dpkg (>= 1.19.1)
Filename: ./pool/main/d/dash/dash_0.5.12-12_amd64.deb
Size: 97964
SHA256: aa

Package: zlib1g
Version: 1:1.3
Architecture: amd64
Filename: pool/main/z/zlib/zlib1g_1.3_amd64.deb
Size: 1
SHA256: bb
"""


@pytest.mark.parametrize("length", [1, 7, 100, len(TEXT)])
def test_an_index_reads_the_same_in_pieces_of_any_length(length: int) -> None:
    pieces = [TEXT[start : start + length] for start in range(0, len(TEXT), length)]
    dash, zlib = stanza.parse(pieces)
    assert (dash.name, dash.version, dash.essential, dash.priority) == ("dash", "0.5.12-12", True, "required")
    assert dash.depends == "debianutils (>= 5.6-0.1), dpkg (>= 1.19.1)"
    assert dash.package.path == "pool/main/d/dash/dash_0.5.12-12_amd64.deb"
    assert (zlib.version, zlib.package.size, zlib.package.sha256, zlib.essential) == ("1:1.3", 1, "bb", False)
