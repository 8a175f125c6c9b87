"""Runs hooks on what is to be committed or pushed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from devenv import blueprint, patterns, running, workspace
from devenv.blueprint import images
from devenv.engine.protocol import Command, Engine
from devenv.hooks import batches, carrying, places, returning
from devenv.hooks.places import Place
from devenv.hooks.repository import Repository
from devenv.hooks.returning import Returned
from devenv.model.project import App, Hook
from devenv.values import dataclass
from devenv.workspace import Workspace

Outcome = Literal["passed", "failed", "changed", "skipped"]


@dataclass(frozen=True, slots=True)
class Checked:
    """How one hook went.

    Args:
        outcome: `changed` is a failure, too: it changed files that are staged otherwise.
        files: How many it looked at.
        output: Of its commands, in the order of their files.
        changed: Files that it changed, relative to the app's folder.
    """

    hook: str
    outcome: Outcome
    files: int = 0
    seconds: float = 0.0
    output: str = ""
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What is checked of an app's folder.

    Args:
        tree: Its id in the repository.
        files: Those that hooks are given, relative to the folder.
    """

    tree: str
    files: tuple[str, ...]


Choose = Callable[[Repository, Path], Content]
"""Says what is checked of a folder; given a folder for files that it needs for that."""


@dataclass(frozen=True, slots=True)
class Result:
    """How all of them went, and what came back into the working tree, by the apps' folders."""

    checked: tuple[Checked, ...]
    returned: Mapping[str, Returned]

    @property
    def passed(self) -> bool:
        """Whether nothing stands against the commit."""
        return all(one.outcome in ("passed", "skipped") for one in self.checked)


def run(
    project: Workspace,
    engine: Engine,
    hooks: Sequence[Hook],
    repositories: Callable[[Path], Repository],
    choose: Choose,
    tell: Callable[[Checked], None],
) -> Result:
    """Run hooks one after another, each on the files it asks for; then bring back what they changed.

    Args:
        tell: Hears of each as soon as it is done.

    Raises:
        NotReady: An app that is needed does not run.
        Busy: Another run is at work.
    """
    apps = {one.name: one for one in project.project.apps}
    rooms: dict[str, _Room] = {}
    checked: list[Checked] = []
    returned: dict[str, Returned] = {}
    with ExitStack() as stack:
        try:
            for hook in hooks:
                app = apps[hook.app]
                if app.dir not in rooms:
                    repository = repositories(Path(os.path.normpath(project.folder / app.dir)))
                    place = stack.enter_context(places.taken(project.machine, repository.folder))
                    rooms[app.dir] = _Room(project, engine, app, repository, place, choose(repository, place.spare))
                checked.append(rooms[app.dir].check(hook))
                tell(checked[-1])
        finally:
            for folder, room in rooms.items():
                if (came := room.bring_back()) != Returned():
                    returned[folder] = came
    return Result(tuple(checked), returned)


class _Room:
    """An app's folder as it is to be committed, laid out beside the one that people work in."""

    def __init__(
        self,
        project: Workspace,
        engine: Engine,
        app: App,
        repository: Repository,
        place: Place,
        content: Content,
    ) -> None:
        self._project = project
        self._engine = engine
        self._app = app
        self._repository = repository
        self._content = content
        self._place = place
        self._inside = f"{images.WORK}/{places.FOLDER}/{place.name}"
        self._copies = workspace.has_copies(project, engine.address)
        self._is_laid_out = False
        self._altered: dict[str, bytes] = {}

    def check(self, hook: Hook) -> Checked:
        """Run one hook."""
        selection = patterns.Selection(hook.files)
        chosen = tuple(path for path in self._content.files if path in selection)
        if not chosen:
            return Checked(hook.name, "skipped")
        container = running.one(self._project, self._engine, hook.app).name
        began = time.monotonic()
        self._lay_out(container)
        commands = batches.commands(hook.run, chosen, parallel=hook.parallel)
        with ThreadPoolExecutor(batches.AT_ONCE if hook.parallel else 1) as pool:
            ended = list(pool.map(lambda command: self._execute(container, hook, command), commands))
        changed = self._changed(container)
        outcome: Outcome = "passed" if not changed else "changed"
        if any(code != 0 for code, _ in ended):
            outcome = "failed"
        output = "".join(text for _, text in ended)
        return Checked(hook.name, outcome, len(chosen), time.monotonic() - began, output, changed)

    def bring_back(self) -> Returned:
        """Bring into the working tree what was changed."""
        if not self._altered:
            return Returned()
        return returning.bring(self._repository, self._content.tree, self._place, sorted(self._altered))

    def _execute(self, container: str, hook: Hook, command: str) -> tuple[int, str]:
        argv = (*blueprint.inside(self._project.project, self._project.entries, hook.app), "/bin/sh", "-c", command)
        under_way = self._engine.exec(
            container, Command(argv, working_dir=self._inside, env={"DEVENV_HOOK": hook.name})
        )
        output = b"".join(chunk.data for chunk in under_way)
        return under_way.exit_code, output.decode("utf-8", "replace")

    def _lay_out(self, container: str) -> None:
        if self._is_laid_out:
            return
        workspace.check_links(self._repository.folder)
        place, tree = self._place, self._content.tree
        self._repository.lay_out(tree, place.tree, place.index)
        if self._copies:
            carrying.bring_in(self._engine, container, self._inside, tree, place.tree, self._differing(container))
        self._is_laid_out = True

    def _differing(self, container: str) -> set[str] | None:
        """The files that are other inside than laid out here; None where nothing there is of use."""
        if self._place.is_new:
            return None
        inside = carrying.look(self._engine, container, self._inside)
        paths = self._repository.between(inside.tree, self._content.tree) if inside.tree else None
        return None if paths is None else paths | inside.disturbed(self._repository.known(self._place.index))

    def _changed(self, container: str) -> tuple[str, ...]:
        """The files that differ from what they were before the last hook."""
        place, index = self._place.tree, self._place.index
        if self._copies:
            known = self._repository.known(index)
            carrying.bring_out(self._engine, container, self._inside, place, known)
        altered = self._repository.altered(place, index)
        now = {path: content for path in altered if (content := returning.content(place, path)) is not None}
        changed = tuple(sorted(path for path, content in now.items() if self._altered.get(path) != content))
        self._altered = now
        return changed


def staged(repository: Repository, spare: Path) -> Content:
    """What is to be committed: the files that the commit changes."""
    return Content(repository.staged(spare), repository.changed())


def everything(repository: Repository, spare: Path) -> Content:
    """Every file, as it is staged."""
    return Content(repository.staged(spare), repository.tracked())


def pushed(before: str | None, after: str) -> Choose:
    """What is to be pushed: the files that its commits change; all where it is not known since when."""

    def choose(repository: Repository, _spare: Path) -> Content:
        known = before if before is not None and repository.has(before) else None
        return Content(repository.tree(after), repository.changed(before=known, after=after))

    return choose
