from __future__ import annotations

import pytest

from devenv.config import size, version


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1048576", 1024**2),
        ("512M", 512 * 1024**2),
        ("512MB", 512 * 1024**2),
        ("512mib", 512 * 1024**2),
        ("1.5GiB", 1536 * 1024**2),
        ("2g", 2 * 1024**3),
        ("1T", 1024**4),
        ("64b", 64),
    ],
)
def test_amounts_of_memory_count_by_1024(text: str, amount: int) -> None:
    assert size.of(text) == amount


@pytest.mark.parametrize(
    ("requirement", "result"),
    [
        (">=0.1", True),
        (">=0.1,<1", True),
        (">0.1.0", False),
        (">0.1", False),
        ("==0.1", True),
        ("!=0.1.0", False),
        ("<=0.0.9", False),
        (">= 0.0.10 , < 0.2", True),
        ("<0.1.1", True),
        (">=0.10", False),
        ("0.1", None),
        ("~=0.1", None),
        (">=0.1,", None),
        ("", None),
        (">=a", None),
    ],
)
def test_versions_are_compared_part_by_part(requirement: str, result: bool | None) -> None:
    assert version.fits("0.1.0", requirement) is result
