"""Versions of engines that are known to be bad, as `templates/engines.toml` tells them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from devenv import catalog
from devenv.config import version
from devenv.diagnosis import Finding

FILE = "engines.toml"
# Behind its number a distributor says that this is a version of its own, in which old faults may be mended.
_PLAIN = re.compile(r"v?([0-9]+(?:\.[0-9]+)+)")


def known(components: Mapping[str, str], traits: Collection[str]) -> Iterator[Finding]:
    """What is known of these versions.

    Args:
        components: Versions by name: `Docker Engine`, `runc`.
        traits: What is true of the engine: `firewalld`, `live-restore`, `containerd`.
    """
    for entry in _entries():
        number = _PLAIN.fullmatch(components.get(entry["component"], ""))
        if number is None or not version.fits(number[1], entry["versions"]):
            continue
        if entry.get("when") in (None, *traits):
            yield _finding(entry, number[1])


def _finding(entry: Mapping[str, Any], number: str) -> Finding:
    message = f"{entry['component']} {number}: {entry['what']}"
    if entry.get("harmless"):
        return Finding("known fault", "ok", message)
    return Finding("known fault", "warning", message, f"{entry['remedy']}; see {entry['source']}")


def _entries() -> list[dict[str, Any]]:
    with (catalog.data_folder() / FILE).open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["known"]
    return found
