"""The reference pages say what devenv reads."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
assert SPEC is not None
assert SPEC.loader is not None
reference = importlib.util.module_from_spec(SPEC)
sys.modules["reference"] = reference
SPEC.loader.exec_module(reference)


@pytest.mark.parametrize("name", ["devenv-toml.md", "catalog.md"])
def test_a_reference_page_is_current(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text() == reference.pages()[name], "run scripts/reference.py"
