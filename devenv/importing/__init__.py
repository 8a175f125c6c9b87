"""Turns files of other tools into a first `devenv.toml`, and tells what could not be carried over."""

from __future__ import annotations

from pathlib import Path

from devenv.catalog import Catalog
from devenv.detection import draft
from devenv.detection.draft import Draft
from devenv.importing import compose, devcontainer
from devenv.importing.compose import Made
from devenv.importing.loss import Loss as Loss
from devenv.model.project import Origin
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Imported:
    """What was made of a file.

    Args:
        sources: The files that were read, relative to the project.
        text: For `devenv.toml`.
        local: For `devenv.local.toml`, what is nothing to be committed; empty for nothing.
        apps: Their names.
        remarks: What holds for all of it.
    """

    sources: tuple[str, ...]
    text: str
    local: str
    apps: tuple[str, ...]
    services: tuple[str, ...]
    losses: tuple[Loss, ...]
    remarks: tuple[str, ...]


def read(root: Path, file: str, entries: Catalog, images: Origin) -> Imported:
    """Turn a file into a `devenv.toml`; nothing of it is run, and no variable of this machine is read.

    Args:
        file: Relative to `root`, the project's folder.

    Raises:
        DevenvError: It cannot be read, or is none; with its place.
    """
    is_json = file.endswith((".json", ".jsonc", ".json5"))
    made = devcontainer.make(root, file, entries, images) if is_json else compose.make(root, (file,), entries, images)
    tables = tuple(made.tables())
    text = draft.text(Draft(made.name, images, tables), _welcome(made))
    names = {kind: tuple(one.name for one in made.units if made.kinds[one.name][0].endswith(kind)) for kind in KINDS}
    return Imported(
        sources=made.sources,
        text=text,
        local=_local(made),
        apps=names["apps"],
        services=names["services"],
        losses=_sorted(made.losses),
        remarks=made.remarks,
    )


KINDS = ("apps", "services")


def _welcome(made: Made) -> tuple[str, ...]:
    sources = " and ".join(made.sources)
    return (*draft.WELCOME, f"Made from {sources} by `devenv import`; what is not as it was there says so.")


def _local(made: Made) -> str:
    tables = draft.tables(made.secret())
    if not tables:
        return ""
    return f"# What `.env` has that nobody should commit: made by `devenv import`, keep it out of git.\n\n{tables}\n"


def _sorted(losses: tuple[Loss, ...]) -> tuple[Loss, ...]:
    def order(one: Loss) -> tuple[str, int, int]:
        return (one.place.file, one.place.line, one.place.column) if one.place is not None else ("", 0, 0)

    return tuple(sorted(dict.fromkeys(losses), key=order))
