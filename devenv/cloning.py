"""Lets the services of an instance begin with the data of another one on the same engine: `up --from`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import devenv
from devenv import config, environment, generations, instances, secrets, seeds, workspace
from devenv.engine import lock
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, UsageError
from devenv.instances import ledger
from devenv.model import labels
from devenv.model.blueprint import Blueprint
from devenv.model.snapshot import Part, Snapshot
from devenv.snapshots import filling, store
from devenv.snapshots.filling import Filling
from devenv.snapshots.saving import Saving
from devenv.snapshots.store import Source
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace

MAIN = "main"
"""Means the checkout with the project's plain name."""
PATIENCE = 1800.0
"""Seconds to wait for another devenv that works on the other instance."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The data of another instance.

    Args:
        project: The other checkout.
        source: None when this one has the data already, from a run that was broken off later.
    """

    project: Workspace
    source: Source | None

    def prepare(self, mine: Workspace) -> None:
        """Take over the key, before another one is made: data that is copied as files keeps its passwords.

        Raises:
            DevenvError: It cannot be read or written.
        """
        secrets.take_over(mine.folder, self.project.folder)

    def fill(self, mine: Workspace, engine: Engine, wanted: Blueprint, tell: Tell) -> None:
        """Fill the volumes of this checkout's services, all or none of them.

        Raises:
            DevenvError: They have data already, or it does not fit.
        """
        name = self.project.instance
        if self.source is None:
            tell(Remark(f"the data of `{name}` is here already: the run that brought it was broken off after that"))
            return
        empty = _empty(mine, engine, wanted)
        own = {one.name for one in mine.project.services}
        parts = filling.fitting(mine, self.source, [one.name for one in self.source.snapshot.parts if one.name in own])
        _check_empty([one.name for one in parts if one.name not in empty])
        fill = Filling(mine, engine, wanted, self.source, tell)
        for part in parts:
            fill.check(part)
        secrets.write(mine.project, mine.entries, wanted)
        environment.bring(mine, engine, wanted, [one.name for one in parts], tell=tell)
        # From the moment that all of it is there, the same command must not find its own data in its way.
        workspace.begins_with(mine, name)
        fill.run(parts, _numbers(mine, parts))


@contextmanager
def saved(mine: Workspace, engine: Engine, name: str, *, profile: str | None, tell: Tell) -> Iterator[Origin]:
    """Save the data of another instance for as long as the block lasts; nothing of this stays in its folder.

    Args:
        mine: The checkout that is to have the data.
        name: The instance's, or `main`.

    Raises:
        DevenvError: There is no such instance, or it has no data, or this checkout has some.
    """
    environment.require_consent(mine)
    store.sweep(mine.folder)
    other = _opened(mine, engine, mine.project.name if name == MAIN else name, profile)
    observed = engine.observe(mine.instance)
    workspace.guard(mine, observed)
    present = generations.present(mine, observed)
    if present and mine.claimed.source == other.instance:
        yield Origin(other, None)
        return
    _check_empty([one for one in generations.chosen(mine, ()) if one in present])
    with store.passing(mine.folder, f"from-{other.instance}") as draft:
        with lock.hold(
            mine.machine,
            engine.info.address,
            other.instance,
            patience=PATIENCE,
            tell=lambda holder: tell(Remark(f"waiting for {holder}")),
        ):
            saving = Saving.of(other, engine, tell, cause="devenv up --from")
            common = {one.name for one in mine.project.services}
            held = saving.ready([one for one in generations.chosen(other, ()) if one in common])
            parts = saving.run(held, draft)
            saving.wait(parts)
        created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        snapshot = Snapshot(other.instance, created, other.project.name, devenv.__version__, parts)
        yield Origin(other, draft.source(snapshot, f"`{other.instance}`"))


def _opened(mine: Workspace, engine: Engine, name: str, profile: str | None) -> Workspace:
    """The checkout that has a name.

    Raises:
        UsageError: There is none.
    """
    if name == mine.instance:
        raise UsageError(f"`{name}` is this checkout's own instance", hint="`devenv ls` lists the others")
    folder = instances.find(name, mine.machine) or _told(engine, name)
    if folder is None or not ledger.is_there(Path(folder) / config.NAME):
        raise UsageError(f"there is no checkout with the instance `{name}`", hint="`devenv ls` lists those there are")
    found = workspace.load(Path(folder), mine.machine, profile=profile)
    if found.instance != name:
        raise UsageError(f"the instance of `{folder}` is `{found.instance}`, not `{name}`", hint="`devenv ls` tells")
    return found


def _told(engine: Engine, name: str) -> str | None:
    """The folder that the engine's labels give an instance."""
    seen = engine.observe(name)
    told = [one.labels for one in seen.volumes] + [one.labels for one in seen.containers]
    return next((one[labels.FOLDER] for one in told if labels.FOLDER in one), None)


def _empty(mine: Workspace, engine: Engine, wanted: Blueprint) -> tuple[str, ...]:
    """Services without any volume; what a run that was broken off left is removed first."""
    observed = engine.observe(mine.instance)
    if generations.sweep(engine, observed):
        observed = engine.observe(mine.instance)
    return seeds.empty(mine, wanted, observed)


def _check_empty(names: list[str]) -> None:
    if names:
        listed = " and ".join(f"`{name}`" for name in names)
        raise DevenvError(
            f"there is data of {listed} in this checkout already",
            hint=f"`devenv up` goes on with it; `devenv down` and `devenv reset {' '.join(names)}` remove it for good, "
            "and then `--from` works",
        )


def _numbers(mine: Workspace, parts: tuple[Part, ...]) -> dict[str, int]:
    known = workspace.generations(mine)
    return {one.name: known.get(one.name, generations.FIRST) for one in parts}
