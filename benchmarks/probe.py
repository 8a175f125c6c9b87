"""Files with known contents, and a program inside a container that sees them there by the same clock."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

PROGRAM = Path(__file__).with_name("probe.pl")
SIZE = 500
"""Bytes of a file, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that are numbered through, in folders of `width` each.

    Args:
        folder: Relative to what is synced.
        marker: What each content begins with.
    """

    folder: str
    count: int
    first: int = 0
    width: int = 100
    size: int = SIZE
    marker: str = "first"

    def paths(self) -> Iterator[str]:
        """Relative to what is synced."""
        for number in range(self.first, self.first + self.count):
            yield f"{self.folder}/{number // self.width:03d}/{number:05d}"

    def marked(self, marker: str) -> Batch:
        """The same files with another content."""
        return replace(self, marker=marker)

    def write(self, root: Path) -> None:
        """Write each in place."""
        content, parent = self._content(), None
        for path in self.paths():
            target = root / path
            if target.parent != parent:
                parent = target.parent
                parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def save(self, root: Path) -> None:
        """Write each beside its place, and move it there, as editors do."""
        content = self._content()
        for path in self.paths():
            beside = root / f"{path}.new"
            beside.write_bytes(content)
            beside.rename(root / path)

    def delete(self, root: Path) -> None:
        """Delete each."""
        for path in self.paths():
            (root / path).unlink()

    def is_in(self, root: Path) -> bool:
        """Whether each is there with its content."""
        content = self._content()
        try:
            return all((root / path).read_bytes() == content for path in self.paths())
        except FileNotFoundError:
            return False

    def _content(self) -> bytes:
        return self.marker.encode().ljust(self.size, b"x")


@dataclass(frozen=True, slots=True)
class Torn:
    """What a reader met that read over and over.

    Args:
        missing: Reads that found no file.
        broken: Reads that found a part, or parts of two.
        changes: How often the content was another one than before.
    """

    reads: int
    missing: int
    broken: int
    changes: int

    @property
    def per_million(self) -> float:
        """Reads that were wrong."""
        return (self.missing + self.broken) * 1e6 / self.reads


class Probe:
    """The program inside; one task at a time."""

    def __init__(self, container: str, environ: Mapping[str, str]) -> None:
        command = ("docker", "exec", "-i", "-w", "/work", container, "perl", "-e", PROGRAM.read_text())
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()

    def await_(self, batch: Batch, kind: str = "has") -> None:
        """Begin to wait until all of it is there, or `gone`; `seen` tells when."""
        numbers = (batch.first, batch.count, batch.width, batch.size)
        self._begin("await", kind, batch.folder, *numbers, batch.marker)

    def seen(self) -> float | None:
        """When the last one was as awaited, by this machine's monotonic clock; None when it never was."""
        answer = self._line()
        return None if answer == "never" else float(answer)

    def read(self, batch: Batch, count: int) -> None:
        """Begin to read a file over and over; `torn` tells what was met."""
        self._begin("read", batch.folder, count, batch.size)

    def is_busy(self) -> bool:
        """Whether it has not answered yet."""
        assert self._process.stdout is not None
        return not select.select([self._process.stdout], [], [], 0)[0]

    def torn(self, count: int) -> Torn:
        """What `read` met."""
        _, missing, broken, changes = self._line().split()
        return Torn(count, int(missing), int(broken), int(changes))

    def save(self, batch: Batch) -> None:
        """Save a file inside; `seen` tells when that began."""
        self._say("save", batch.folder, batch.size, batch.marker)

    def _begin(self, *words: object) -> None:
        self._say(*words)
        assert self._line() == "ready"

    def _say(self, *words: object) -> None:
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit("the program inside the container has ended")
        return line


def seen_here(batch: Batch, root: Path, *, patience: float = 30.0) -> float | None:
    """Wait until a batch is in a folder of this machine; when that was, by the monotonic clock."""
    deadline = time.monotonic() + patience
    while not batch.is_in(root):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.0002)
    return time.monotonic()
