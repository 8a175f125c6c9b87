"""Dockerfiles of the project: which images they build on, and the same text with those images named otherwise.

Only what names an image is understood; everything else is the builder's business.
https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from devenv import reference
from devenv.errors import DevenvError, Place
from devenv.values import dataclass

LARGEST = 1024 * 1024
LONGEST = 1000
"""Characters of a word that names an image, and of a value that one may be made of."""
NOTHING = "scratch"
NO_ARGS: Mapping[str, str] = {}

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\S+")
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z]+)\s*=\s*(?P<value>.+?)\s*")
_HEREDOC = re.compile(r"\d*<<(?P<dash>-?)(?P<quote>['\"]?)(?P<end>[A-Za-z_]\w*)(?P=quote)")
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::?(?P<sign>[-+])(?P<word>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))"
)
_OWN_PLATFORM = re.compile(r"\$\{?(?:BUILD|TARGET)PLATFORM\}?")


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of the text that is to read otherwise.

    Args:
        start: Offset of its first character; `end` that of the one behind its last.
        image: The full reference of the image that it names; empty for what is left out.
    """

    start: int
    end: int
    image: str = ""


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile, read.

    Args:
        edits: In the order of the text.
        stages: Their names in small letters, empty for those without, and where each begins.
    """

    text: str
    edits: tuple[Edit, ...]
    stages: tuple[tuple[str, int], ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Full references of the images that it builds on or copies from, each once."""
        return tuple(dict.fromkeys(edit.image for edit in self.edits if edit.image))

    def rewritten(self, names: Mapping[str, str]) -> str:
        """The text with each image under the name it has in `names`, for the engine's own architecture and builder."""
        parts, last = [], 0
        for edit in self.edits:
            parts += [self.text[last : edit.start], names[edit.image] if edit.image else ""]
            last = edit.end
        return "".join([*parts, self.text[last:]])


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def read(root: Path, name: str, args: Mapping[str, str] = NO_ARGS, target: str | None = None) -> Dockerfile:
    """Read a Dockerfile of the project in `root`.

    Args:
        name: Its path, relative to `root`.
        args: Values for its `ARG`s, in place of those that it gives them itself.
        target: The stage that is the image; None for the last.

    Raises:
        DevenvError: It cannot be read, or names an image in a way that nothing can be pinned by.
    """
    path = root / name
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DevenvError(
            f"cannot read `{name}`: {error.strerror}", hint="restore it, or correct its rights"
        ) from error
    if len(content) > LARGEST:
        raise DevenvError(f"`{name}` is larger than 1 MiB", hint="this is no Dockerfile; correct `dockerfile`")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise DevenvError(
            f"`{name}` is no text in UTF-8", hint="this is no Dockerfile; correct `dockerfile`"
        ) from error
    read = parse(text, name, tuple(sorted(args.items())))
    return read if target is None else _ended(read, name, target, args)


@functools.lru_cache(maxsize=64)
def parse(text: str, name: str, args: tuple[tuple[str, str], ...] = ()) -> Dockerfile:
    """Read a Dockerfile's text; see `read`."""
    return _Reading(text, name, dict(args)).result()


def _ended(read: Dockerfile, name: str, target: str, args: Mapping[str, str]) -> Dockerfile:
    """The same Dockerfile up to a stage's end."""
    names = [stage for stage, _ in read.stages]
    number = int(target) if len(target) < 9 and target.isdecimal() else len(names)
    if target.lower() in names:
        number = names.index(target.lower())
    elif number >= len(names):
        named = ", ".join(f"`{one}`" for one in names if one) or "none that has a name"
        raise DevenvError(f"`{name}` has no stage `{target}`", hint=f"there are: {named}")
    if number + 1 == len(names):
        return read
    return parse(read.text[: read.stages[number + 1][1]], name, tuple(sorted(args.items())))


class _Reading:
    """One pass over a text."""

    def __init__(self, text: str, name: str, args: Mapping[str, str]) -> None:
        self._text = text
        self._name = name
        self._args = args
        self._escape = "\\"
        self._values: dict[str, str | None] = {}
        self._stages: list[tuple[str, int]] = []
        self._names = {NOTHING}
        self._edits: list[Edit] = []

    def result(self) -> Dockerfile:
        begin = self._directives()
        for words in self._instructions(begin):
            self._instruction(words)
        if not self._stages:
            whole = _Word(self._text.split("\n", 1)[0].rstrip("\r"), 0)
            raise self._wrong(f"`{self._name}` has no `FROM`", whole, "begin with the image it builds on: `FROM …`")
        edits = tuple(sorted(self._edits, key=lambda edit: edit.start))
        return Dockerfile(self._text, edits, tuple(self._stages))

    def _directives(self) -> int:
        """The offset behind the directives at the top: https://docs.docker.com/reference/dockerfile/#parser-directives."""
        offset = 1 if self._text.startswith("\ufeff") else 0
        for line in _LINE.findall(self._text[offset:]):
            match = _DIRECTIVE.fullmatch(line.strip())
            if match is None:
                break
            if match["name"].lower() == "escape" and match["value"] in ("`", "\\"):
                self._escape = match["value"]
            if match["name"].lower() == "syntax":
                # It names an image that would read the Dockerfile; the engine's own builder does.
                self._edits.append(Edit(offset, offset + len(line)))
            offset += len(line)
        return offset

    def _instructions(self, begin: int) -> Iterator[list[_Word]]:
        """The words of each instruction: lines that end with the escape character go on in the next."""
        words: list[_Word] = []
        ends: list[tuple[str, bool]] = []
        offset = begin
        for line in _LINE.findall(self._text[begin:]):
            here, offset = offset, offset + len(line)
            if ends:
                ends = ends[1:] if _is_end(line, *ends[0]) else ends
                continue
            plain = line.rstrip()
            if not plain or plain.lstrip().startswith("#"):
                continue
            goes_on = plain.endswith(self._escape)
            words += [_Word(one[0], here + one.start()) for one in _WORD.finditer(plain[:-1] if goes_on else plain)]
            if not goes_on and words:
                yield words
                ends = list(_heredocs(words))
                words = []
        if words:
            yield words

    def _instruction(self, words: list[_Word]) -> None:
        name, *rest = words
        match name.text.upper():
            case "FROM":
                self._from(name, rest)
            case "ARG":
                if not self._stages:
                    self._arguments(rest)
            case other if not self._stages:
                message = f"`{other}` stands before the first `FROM`"
                raise self._wrong(message, name, "only `ARG` may: begin with the image it builds on")
            case "COPY" | "ADD":
                for flag in _flags(rest):
                    if flag.text.startswith("--from="):
                        self._source(_Word(flag.text.removeprefix("--from="), flag.start + len("--from=")))
            case "RUN":
                for flag in _flags(rest):
                    if flag.text.startswith("--mount="):
                        self._mount(flag)

    def _from(self, name: _Word, rest: list[_Word]) -> None:
        flags = list(_flags(rest))
        plain = rest[len(flags) :]
        for flag in flags:
            if not _OWN_PLATFORM.fullmatch(flag.text.removeprefix("--platform=")):
                hint = "images are pinned for the engine's own architecture; remove it"
                raise self._wrong(f"`FROM` cannot have `{flag.text}` here", flag, hint)
            self._edits.append(Edit(flag.start, flag.end))
        if len(plain) not in (1, 3) or (len(plain) == 3 and plain[1].text.upper() != "AS"):
            raise self._wrong(
                "`FROM` takes an image, and a stage's name", name, "`FROM image` or `FROM image AS stage`"
            )
        image = _Word(self._substituted(plain[0]), plain[0].start)
        if image.text.lower() not in self._names:
            self._edits.append(Edit(plain[0].start, plain[0].end, self._full(image.text, plain[0])))
        self._stages.append((plain[2].text.lower() if len(plain) == 3 else "", name.start))
        self._names |= {plain[2].text.lower()} if len(plain) == 3 else set()

    def _arguments(self, words: list[_Word]) -> None:
        for word in words:
            key, given, value = word.text.partition("=")
            if key in self._args:
                self._values[key] = self._args[key]
                continue
            short = bool(given) and len(value) <= LONGEST
            filled = _VARIABLE.sub(lambda match: _value(match, self._values) or "", _unquoted(value)) if short else ""
            self._values[key] = filled if short and len(filled) <= LONGEST else None

    def _mount(self, flag: _Word) -> None:
        for part in re.finditer(r"(?<=[=,])from=([^,]+)", flag.text):
            self._source(_Word(part[1], flag.start + part.start(1)))

    def _source(self, word: _Word) -> None:
        """What `--from` names: a stage by its name or number, else an image."""
        if "$" in word.text:
            hint = "name a stage instead: `FROM … AS stage` takes variables"
            raise self._wrong("`from` takes no variables", word, hint)
        is_number = len(word.text) < 9 and word.text.isdecimal() and int(word.text) < len(self._stages)
        if not is_number and word.text.lower() not in self._names:
            self._edits.append(Edit(word.start, word.end, self._full(word.text, word)))

    def _substituted(self, word: _Word) -> str:
        def filled(match: re.Match[str]) -> str:
            value = _value(match, self._values)
            if value is None:
                name = match["braced"] or match["plain"]
                hint = f"give it one before the first `FROM`: `ARG {name}=…`"
                raise self._wrong(f"`{name}` has no value here", word, hint)
            return value

        return _VARIABLE.sub(filled, word.text) if len(word.text) <= LONGEST else word.text

    def _full(self, image: str, word: _Word) -> str:
        if len(image) > LONGEST:
            raise self._wrong("this is longer than any image's name", word, "such as `debian:trixie`")
        try:
            return str(reference.parse(image))
        except DevenvError as error:
            raise self._wrong(error.message, word, error.hint) from error

    def _wrong(self, message: str, word: _Word, hint: str | None) -> DevenvError:
        begin = self._text.rfind("\n", 0, word.start) + 1
        line = self._text[begin:].split("\n", 1)[0].rstrip("\r")
        number = self._text.count("\n", 0, word.start) + 1
        place = Place(self._name, number, word.start - begin + 1, max(len(word.text), 1), line)
        return DevenvError(message, hint=hint, where=place)


def _flags(words: list[_Word]) -> Iterator[_Word]:
    for word in words:
        if not word.text.startswith("--"):
            return
        yield word


def _heredocs(words: list[_Word]) -> Iterator[tuple[str, bool]]:
    """The lines that end what follows an instruction, each with whether tabs may stand before it."""
    if words[0].text.upper() not in ("RUN", "COPY", "ADD"):
        return
    for word in words[1:]:
        if (match := _HEREDOC.fullmatch(word.text)) is not None:
            yield match["end"], bool(match["dash"])


def _is_end(line: str, end: str, tabs: bool) -> bool:
    text = line.rstrip("\r\n")
    return (text.lstrip("\t") if tabs else text) == end


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _value(match: re.Match[str], values: Mapping[str, str | None]) -> str | None:
    """What a variable stands for; None when it has no value."""
    found = values.get(match["braced"] or match["plain"])
    choose: Mapping[str | None, Callable[[], str | None]] = {
        "-": lambda: found or match["word"],
        "+": lambda: match["word"] if found else "",
        None: lambda: found,
    }
    return choose[match["sign"]]()
