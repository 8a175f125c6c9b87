"""The pages of the documentation, taken apart: their blocks, commands, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
# The line before a block says what file it is: "… `app.py`:"; or "… to the end of `app.py`:".
_FILE = re.compile(r"`([^`\s]+)`:\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*\bsrc=\"([^\"]+)\"")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Command:
    """A line after `$`, with what the page shows of its output."""

    text: str
    shown: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """Without the remark behind it."""
        return re.sub(r" {2,}# .*$", "", self.text)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: Its page, relative to the project.
        section: The heading it stands under.
        file: The file that it is the content of, where the page says so.
        is_added: Whether the file has something before that.
    """

    page: str
    section: str
    line: int
    language: str
    text: str
    file: str | None = None
    is_added: bool = False

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> tuple[Command, ...]:
        """What is typed: of a console each line after `$`, of a script the whole."""
        if self.language in ("sh", "bash"):
            return (Command(self.text),)
        return tuple(_typed(self.text)) if self.language == "console" else ()


def _typed(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        yield Command("\n".join(lines[: last + 1]), tuple(lines[last + 1 :]))


def names() -> tuple[str, ...]:
    """Every page, relative to the project."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(str(one.relative_to(ROOT)) for one in found)


def everything() -> tuple[str, ...]:
    """The pages, and other texts for people."""
    more = [
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("examples/*/README.md"),
    ]
    return (*names(), *(str(one.relative_to(ROOT)) for one in sorted(more)))


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text()


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The fenced blocks of a page, in order."""
    whole, found = text(page), []
    for match in _FENCE.finditer(whole):
        before = whole[: match.start()]
        headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", before), re.MULTILINE)
        said = before.rstrip("\n").rpartition("\n")[2]
        file = _FILE.search(said)
        content = re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        line = before.count("\n") + 1
        place = (page, headings[-1] if headings else "", line, match[2], content)
        found.append(Block(*place, file[1] if file else None, "the end of" in said))
    return tuple(found)


def every_block(*languages: str) -> list[Block]:
    return [block for page in names() for block in blocks(page) if block.language in languages]


def prose(page: str) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", text(page))


def inline(page: str) -> list[str]:
    """What stands in backticks within its lines."""
    return _INLINE.findall(prose(page))


def links(page: str) -> list[str]:
    """Where it leads, pictures too."""
    plain = _INLINE.sub("", prose(page))
    return [*_LINK.findall(prose(page)), *(one or other for one, other in _PICTURE.findall(plain))]


@cache
def anchors(page: str) -> frozenset[str]:
    """The names of its headings, as GitHub makes them."""
    found: dict[str, int] = {}
    made = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made.add(name if name not in found else f"{name}-{found[name]}")
        found[name] = found.get(name, 0) + 1
    return frozenset(made)
