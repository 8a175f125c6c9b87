"""The scripts of `templates/` that run inside containers, as arguments of what is run."""

from __future__ import annotations

import functools

from devenv import catalog


def exported(folder: str, copies: str = "") -> tuple[str, ...]:
    """What a command begins with so that it has the files of a folder as variables."""
    return ("/bin/sh", "-c", data("secrets.sh"), "devenv-secrets", folder, copies)


@functools.cache
def data(name: str) -> str:
    """A script of `templates/`."""
    return (catalog.data_folder() / name).read_text(encoding="utf-8")
