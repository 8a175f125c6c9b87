"""The folder that a run lays files out in: for one run at a time, and never for one after a run that was cut short.

A killed run may leave git at work, and commands in the container: they go on where it was. So the next one works
elsewhere, and what they still do does not reach it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devenv import files
from devenv.engine import lock
from devenv.errors import DevenvError, EngineError
from devenv.model.machine import Machine
from devenv.values import dataclass

FOLDER = ".devenv/hooks"
"""In an app's folder."""
STATE = "state"
"""In there: the number of the place in use, and `running` as long as that has not ended by itself."""

_STATE = re.compile(r"(\d{1,9})( running)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works.

    Args:
        folder: Of all runs, absolute.
        number: From 1.
        is_new: Whether nothing in it is of use.
    """

    folder: Path
    number: int
    is_new: bool

    @property
    def name(self) -> str:
        """Of the folder with the files, in `folder`: here and inside."""
        return "tree" if self.number == 1 else f"tree-{self.number}"

    @property
    def tree(self) -> Path:
        """The files."""
        return self.folder / self.name

    @property
    def index(self) -> Path:
        """Git's index of them."""
        return self.folder / f"index-{self.number}"

    @property
    def spare(self) -> Path:
        """A folder of the run's own, on the file system of the app's."""
        return self.folder / f"spare-{self.number}"


@contextmanager
def taken(machine: Machine, app: Path) -> Iterator[Place]:
    """A place for a run on an app's folder; others wait.

    Raises:
        Busy: Another run holds it too long.
    """
    folder = app / FOLDER
    with lock.hold(machine, "hooks", str(folder)):
        _ignore(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        before, was_cut = _read(folder)
        place = Place(folder, before + 1 if was_cut else before, was_cut or not (folder / STATE).exists())
        _write(place, " running")
        _tidy(place)
        place.spare.mkdir(exist_ok=True)
        try:
            yield place
        except EngineError:
            raise  # its command may still be at work
        except DevenvError:
            _write(place, "")
            raise
        _write(place, "")


def _read(folder: Path) -> tuple[int, bool]:
    """The last run's number, and whether it was cut short; what cannot be read counts as that."""
    try:
        match = _STATE.fullmatch((folder / STATE).read_text().strip())
    except FileNotFoundError:
        return 1, False
    except (OSError, ValueError):
        match = None
    if match is None:
        numbers = [int(found.group(1)) for one in folder.iterdir() if (found := re.search(r"-(\d{1,9})$", one.name))]
        return max(numbers, default=1), True
    return int(match.group(1)), match.group(2) is not None


def _write(place: Place, word: str) -> None:
    temporary = place.folder / f"{STATE}.new"
    temporary.write_text(f"{place.number}{word}\n")
    temporary.replace(place.folder / STATE)


def _tidy(place: Place) -> None:
    """Remove what earlier runs have left; where something is still at work, the next run does."""
    for path in place.folder.iterdir():
        own = path in (place.tree, place.index) and not place.is_new
        if own or not re.fullmatch(r"(tree|index|spare)(-\d+)?(\.lock)?", path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _ignore(folder: Path) -> None:
    """Keep git from the folder; one that says so itself is left as it is."""
    if not (folder / ".gitignore").is_file():
        files.write(folder / ".gitignore", "*\n")
