"""Finds out whether an engine has this host's files, so that a folder can be mounted in place of being copied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from devenv import files
from devenv.engine.protocol import Engine
from devenv.errors import EngineError, EngineUnreachable
from devenv.model.machine import Machine

KNOWN = "shared.json"
PLACE = ".devenv/probe"


def shares(engine: Engine, folder: Path, machine: Machine) -> bool:
    """Whether what the engine mounts from `folder` are the files that are there on this host.

    An engine on another kernel is in a virtual machine or on another computer. For one on this kernel it is proved once
    with a file, for it may be in another root, or at the other end of a tunnel.

    Raises:
        EngineUnreachable: It does not answer.
        DevenvError: The folder is not writable.
    """
    info = engine.info
    if info.kernel != os.uname().release:
        return False
    key = json.dumps([info.address, info.version, info.kernel, folder.stat().st_dev])
    known = _known(machine)
    found = known.get(key)
    if not isinstance(found, bool):
        try:
            found = _proved(engine, folder)
        except EngineUnreachable:
            raise
        except EngineError:  # one that refuses to be asked is not trusted, and asked again the next time
            return False
        _remember(machine, known | {key: found})
    return found


def _proved(engine: Engine, folder: Path) -> bool:
    """Whether the engine reads what was just written here."""
    import shutil

    nonce = os.urandom(32)
    place = folder / PLACE / os.urandom(8).hex()
    try:
        files.write(place / "nonce", nonce)
        return engine.read_host(place / "nonce") == nonce
    finally:
        shutil.rmtree(place, ignore_errors=True)
        _tidy(folder / PLACE)


def _tidy(place: Path) -> None:
    """Remove the folder unless somebody else is asking just now."""
    try:
        place.rmdir()
    except OSError:
        return


def _known(machine: Machine) -> dict[str, Any]:
    try:
        known = json.loads((machine.state / KNOWN).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(machine: Machine, known: dict[str, Any]) -> None:
    files.write(machine.state / KNOWN, json.dumps(known, indent=1))
