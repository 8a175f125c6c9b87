"""Puts files into a hook's command, not more than a command line holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

FILES = "{files}"
LONGEST = 60_000
"""Bytes of files in one command; the kernel takes 128 KiB as one argument."""
AT_ONCE = 4
"""Batches of one hook at the same time."""
FEWEST = 25
"""Files for which a batch of its own is worth its start."""


def commands(run: str, files: Sequence[str], *, parallel: bool) -> tuple[str, ...]:
    """The commands that run a hook on files; one where it does not name them."""
    if FILES not in run:
        return (run,)
    most = len(files)
    if parallel:
        most = max(FEWEST, -(-len(files) // AT_ONCE))
    return tuple(run.replace(FILES, " ".join(batch)) for batch in _batches(files, most))


def _batches(files: Sequence[str], most: int) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for file in files:
        # A name that begins with `-` would be an option.
        word = shlex.quote(f"./{file}" if file.startswith("-") else file)
        if batch and (len(batch) == most or size + len(word) > LONGEST):
            yield batch
            batch, size = [], 0
        batch.append(word)
        size += len(word.encode("utf-8", "surrogateescape")) + 1
    if batch:
        yield batch
