"""Shows what the background process does, a line an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.live.news import News


def show(news: News) -> None:
    """Print it."""
    screen.say(line(news))


def line(news: News) -> str:
    """`synced app/views.py  9 ms`, `← app/models.py  4 ms`, `! app/x.bin: …`, `✓ devenv up -d`."""
    text = screen.safe(news.text)
    match news.kind:
        case "synced":
            return screen.paint(f"{_verb(news)} {_paths(news)}  {_duration(news.seconds)}", "dim")
        case "conflict":
            return _warning(f"{_paths(news)} was changed on both sides; the one from inside is at {text}")
        case "trouble":
            return _warning(f"{_paths(news)}: {text}" if news.paths else text)
        case "stage":
            words = f"files of {news.app}: {text}"
            return screen.paint(words, "dim") if text in ("connecting", "copying", "live") else _warning(words)
        case "began":
            return f"{_paths(news)} changed: {screen.paint(text, 'bold')}"
        case "line":
            return screen.paint(f"  {text}", "dim")
        case "done":
            return f"{screen.paint('✓', 'green')} {text}  {_duration(news.seconds)}"
        case "failed":
            return f"{screen.paint('✗', 'red')} {text}"


def _verb(news: News) -> str:
    gone = news.removed == news.count
    if news.direction == "out":
        return "← removed" if gone else "←"
    return "removed" if gone else "synced"


def _paths(news: News) -> str:
    return screen.safe(news.paths[0]) if news.count == 1 and news.paths else f"{news.count:,} paths"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def _warning(words: str) -> str:
    return screen.paint(f"! {words}", "yellow")
