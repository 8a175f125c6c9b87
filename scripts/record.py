"""Records `docs/demo.svg`, a run of the bookshop in a real terminal: `.venv/bin/python scripts/record.py`.

It needs an engine without a `bookshop`, and port 8000. What is typed stands in `STORY`. Times are true, but for pauses:
none is longer than `LONGEST_PAUSE`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "demo.svg"
STORY = (
    "grep -A9 apps devenv.toml",
    "devenv up -d",
    'devenv connect postgres -- -tc "select title from books limit 3"',
    "devenv snapshot save before-lunch",
    "devenv status",
)
PROMPT = "$ "
COLUMNS, ROWS = 96, 26
# Seconds.
KEY, LONGEST_PAUSE, BETWEEN, LAST = 0.035, 1.0, 1.4, 5.0
FRAME = 0.15

CELL, LINE, MARGIN = 8.4, 19, 18
COLOURS = {
    "red": "#ff7b72", "green": "#7ee787", "brown": "#e3b341", "blue": "#79c0ff",
    "magenta": "#d2a8ff", "cyan": "#76e3ea", "dim": "#8b949e",
}  # fmt: skip
INK, PAPER = "#e6edf3", "#0d1117"


@dataclass(frozen=True)
class Piece:
    """Text in one row with one look.

    Args:
        column: Where it begins, from 0.
    """

    column: int
    text: str
    colour: str = "default"
    bold: bool = False


Row = tuple[Piece, ...]


@dataclass(frozen=True)
class Frame:
    """What the terminal shows from a moment on, in seconds."""

    at: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shown:
    """A row's content at one place, from one moment to another."""

    place: int
    row: Row
    start: float
    end: float


def main() -> None:
    """Write the film."""
    with tempfile.TemporaryDirectory(prefix="devenv-record-") as place:
        folder = _bookshop(Path(place))
        try:
            frames = list(recorded(folder, _environ(Path(place))))
        finally:
            subprocess.run(["devenv", "down", "--volumes"], cwd=folder, env=_environ(Path(place)), check=True)
    FILE.write_text(svg(frames))
    sys.stderr.write(f"{FILE}: {len(frames)} frames, {FILE.stat().st_size // 1024} KB\n")


def _bookshop(place: Path) -> Path:
    """A copy of the example that was up before: building images and installing libraries takes a minute."""
    folder = place / "bookshop"
    made = shutil.ignore_patterns(".devenv", "devenv.local.toml", "__pycache__")
    shutil.copytree(ROOT / "examples" / "bookshop", folder, ignore=made)
    for command in (("up", "-d"), ("down",)):
        subprocess.run(["devenv", *command], cwd=folder, env=_environ(place), check=True)
    return folder


def _environ(place: Path) -> dict[str, str]:
    own = {"PS1": PROMPT, "TERM": "xterm-256color", "DEVENV_STATE": str(place / "state"), "LC_ALL": "C.UTF-8"}
    return os.environ | own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def recorded(folder: Path, environ: dict[str, str]) -> Iterator[Frame]:
    """Type the story into a shell, and look at the screen each time that it has changed."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe("bash", ["bash", "--norc", "--noprofile"], environ)  # noqa: S606 -- a shell is what is filmed
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    clock = _Clock()
    for command in ("", *STORY):
        if command:
            for start in range(0, len(command), 3):
                os.write(terminal, command[start : start + 3].encode())
                clock.pause(3 * KEY)
                yield from _until_quiet(terminal, stream, screen, clock, KEY)
            os.write(terminal, b"\n")
        yield from _until_prompt(terminal, stream, screen, clock)
        clock.pause(BETWEEN)
    os.close(terminal)
    os.waitpid(child, 0)
    yield Frame(clock.now + LAST, ())


class _Clock:
    """The time of the film: that of the world, with long pauses cut."""

    def __init__(self) -> None:
        self.now, self._seen = 0.0, time.monotonic()

    def tick(self) -> None:
        passed = time.monotonic() - self._seen
        self._seen += passed
        self.now += min(passed, LONGEST_PAUSE)

    def pause(self, seconds: float) -> None:
        self._seen = time.monotonic()
        self.now += seconds


def _until_quiet(
    terminal: int, stream: pyte.ByteStream, screen: pyte.Screen, clock: _Clock, seconds: float
) -> Iterator[Frame]:
    while select.select([terminal], [], [], seconds)[0]:
        stream.feed(os.read(terminal, 65536))
    clock.pause(0)
    yield Frame(clock.now, rows(screen))


def _until_prompt(terminal: int, stream: pyte.ByteStream, screen: pyte.Screen, clock: _Clock) -> Iterator[Frame]:
    while True:
        deadline = time.monotonic() + FRAME
        while (left := deadline - time.monotonic()) > 0:
            if select.select([terminal], [], [], left)[0]:
                stream.feed(os.read(terminal, 65536))
        clock.tick()
        yield Frame(clock.now, rows(screen))
        if screen.cursor.x == len(PROMPT) and screen.display[screen.cursor.y].rstrip() == PROMPT.rstrip():
            return


def rows(screen: pyte.Screen) -> tuple[Row, ...]:
    """What is on the screen, in pieces."""
    return tuple(_row(screen.buffer[number], screen.columns) for number in range(screen.lines))


def _row(cells: dict[int, pyte.screens.Char], columns: int) -> Row:
    pieces = []
    looks = groupby(range(columns), key=lambda column: (cells[column].fg, cells[column].bold))
    for (colour, bold), group in looks:
        numbers = list(group)
        text = "".join(cells[column].data for column in numbers)
        # Columns of a table begin where they begin, whatever the width of a letter is in the font that there is.
        for start, part in _parts(text):
            pieces.append(Piece(numbers[0] + start, part, colour, bold))
    return tuple(pieces)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The parts of a text between wider gaps, each with where it begins."""
    start = 0
    for part in text.split("  "):
        stripped = part.strip(" ")
        if stripped:
            yield start + len(part) - len(part.lstrip(" ")), stripped
        start += len(part) + 2


def shown(frames: Sequence[Frame]) -> list[Shown]:
    """Each row that is not empty, for as long as it is the same; the last frame only says when the film ends."""
    found = []
    for place in range(ROWS):
        marks = [(frame.at, frame.rows[place] if frame.rows else ()) for frame in frames]
        for row, group in groupby(marks[:-1], key=lambda mark: mark[1]):
            start = next(group)[0]
            later = [at for at, other in marks if at > start and other != row]
            if row:
                found.append(Shown(place, row, start, min(later, default=marks[-1][0])))
    return found


def svg(frames: Sequence[Frame]) -> str:
    """The film: rows that appear and go by CSS; who wants no motion sees the end."""
    length = frames[-1].at
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    everything = shown(frames)
    styles, texts = [], []
    for number, one in enumerate(everything):
        stays = one.end >= length
        begin, end = (f"{100 * at / length:.2f}%" for at in (one.start, one.end))
        hidden = "" if stays else f"{end}{{visibility:hidden}}"
        styles.append(f"@keyframes k{number}{{0%{{visibility:hidden}}{begin}{{visibility:visible}}{hidden}}}")
        look = f' class="{"z" if stays else "t"}" style="animation-name:k{number}"'
        texts.append(f'<text{look} y="{MARGIN + (one.place + 1) * LINE - 5}">{_pieces(one.row)}</text>')
    rules = [
        f"text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:{INK};"
        f"white-space:pre;animation:{length:.2f}s step-end infinite}}",
        ".t{visibility:hidden}.b{font-weight:bold}",
        *(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items()),
        *styles,
        "@media(prefers-reduced-motion:reduce){text{animation:none}}",
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}">\n'
        "<title>A terminal: devenv brings a bookshop up, asks its database and saves its data</title>\n"
        f"<style>{chr(10).join(rules)}</style>\n"
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}" stroke="#30363d"/>\n'
        + "\n".join(texts)
        + "\n</svg>\n"
    )


def _pieces(row: Row) -> str:
    return "".join(_piece(one) for one in row)


def _piece(one: Piece) -> str:
    names = [name for name in (one.colour if one.colour in COLOURS else "", "b" if one.bold else "") if name]
    look = f' class="{" ".join(names)}"' if names else ""
    return f'<tspan x="{MARGIN + one.column * CELL:.1f}"{look}>{escape(one.text)}</tspan>'


if __name__ == "__main__":
    main()
