"""Shows errors: the message, the place with a caret, the remedy."""

from __future__ import annotations

import sys
from pathlib import Path

from devenv import __version__, veil
from devenv.errors import DevenvError, LockfileError, Place, Problems
from devenv.ui import screen

_LOCKFILE = "devenv.lock"


def show(error: DevenvError) -> None:
    """Print an error, or each of several with their number at the end."""
    if isinstance(error, Problems):
        for one in error.problems:
            screen.say(text(one))
            screen.say()
        if len(error.problems) > 1:
            screen.say(screen.paint(f"{len(error.problems)} mistakes", "bold"))
        return
    screen.say(text(error))


def text(error: DevenvError) -> str:
    """An error in lines."""
    lines = [f"{screen.paint('error:', 'red')} {_lines(error.message)}"]
    if error.where is not None:
        lines += _place(error.where)
    if error.hint is not None:
        lines += ["", f"{screen.paint('hint:', 'cyan')} {_lines(error.hint)}"]
    return "\n".join(lines)


def data(error: DevenvError) -> list[dict[str, object]]:
    """An error, or each of several, for JSON."""
    found = error.problems if isinstance(error, Problems) else (error,)
    return [
        {
            "message": veil.over(one.message),
            "hint": None if one.hint is None else veil.over(one.hint),
            "file": one.where.file if one.where else None,
            "line": one.where.line if one.where else None,
            "column": one.where.column if one.where else None,
        }
        for one in found
    ]


def github(error: DevenvError, title: str, folder: str = "") -> list[str]:
    """An error, or each of several, as GitHub shows it beside the line it is about.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions

    Args:
        folder: Where the project lies in the repository; empty at its root.
    """
    found = error.problems if isinstance(error, Problems) else (error,)
    return [_annotation(one, title, folder) for one in found]


def _annotation(error: DevenvError, title: str, folder: str) -> str:
    properties = _annotated_place(error, f"{folder}/" if folder else "") | {"title": title}
    written = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    words = "\n".join(filter(None, (error.message, error.hint)))
    return f"::error {written}::{_escaped(words)}"


def _annotated_place(error: DevenvError, prefix: str) -> dict[str, object]:
    if error.where is not None:
        place = error.where
        return {"file": f"{prefix}{place.file}", "line": place.line, "col": place.column}
    return {"file": f"{prefix}{_LOCKFILE}"} if isinstance(error, LockfileError) else {}


def _escaped(text: str, further: str = "") -> str:
    """Text in which nothing ends the command; `%` comes first, for it begins every escape."""
    for character in f"%\r\n{further}":
        text = text.replace(character, f"%{ord(character):02X}")
    return screen.safe(veil.over(text))


def _lines(text: str) -> str:
    return "\n".join(screen.safe(line) for line in veil.over(text).split("\n"))


def _place(place: Place) -> list[str]:
    number = f" {place.line}"
    gutter = " " * len(number)
    # The caret's line repeats tabs, so that it stays under what it points to.
    indent = "".join("\t" if character == "\t" else " " for character in place.text[: place.column - 1])
    return [
        f"{gutter}--> {place.file}:{place.line}:{place.column}",
        f"{gutter} |",
        f"{number} | {screen.safe(veil.over(place.text))}",
        f"{gutter} | {indent}{screen.paint('^' * place.length, 'red')}",
    ]


def write_report(error: BaseException, state: Path) -> Path:
    """Write a bug's traceback as a file that can be pasted into an issue."""
    import platform
    import time
    import traceback

    path = state / "logs" / f"bug-{time.strftime('%Y%m%d-%H%M%S')}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join(
            [
                "### What happened",
                f"`devenv {veil.over(screen.safe(' '.join(sys.argv[1:])))}` stopped with `{type(error).__name__}`.",
                "",
                "### Versions",
                f"- devenv {__version__}",
                f"- Python {platform.python_version()}",
                f"- {platform.platform()}",
                "",
                "### Traceback",
                "```",
                veil.over("".join(traceback.format_exception(error)).rstrip()),
                "```",
                "",
            ]
        )
    )
    return path
