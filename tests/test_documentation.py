"""The documentation is of one piece with the program: links lead somewhere, and what it shows is understood.

Its commands are run in `tests/e2e/test_docs.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import catalog, config, toml
from devenv.cli import arguments, completing
from devenv.config import machine
from devenv.model.catalog import ServiceEntry
from tests import pages
from tests.pages import ROOT, Block

# Laid under a block that shows only a part of a `devenv.toml`.
BASE = """\
name = "shop"

[apps.web]
stack = "python@3.13"
run = "serve"
ports = [8000]
replicas = 1

[services.postgres]
"""
# What a block is when it is no `devenv.toml`; each by its first line.
SETTINGS = (
    "# ~/.config/devenv/config.toml",
    '[registry]\nmirror = "',
    '[registry]\nimages = "',
)
ENTRIES = ('summary = "', "[options.token]")
ENTRY = """\
summary = "Search"
docs = "https://search.example"
ports = { http = 9200 }

[registry]
image = "ghcr.io/acme/search"
default = "2"
versions = ["2"]
entrypoint = ["/entrypoint.sh"]
"""


def _ids(blocks: list[Block]) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in blocks]


@pytest.mark.parametrize("page", pages.everything())
def test_links_lead_somewhere(page: str) -> None:
    lost = [link for link in pages.links(page) if not _leads(page, link)]
    assert not lost


def _leads(page: str, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    if not target.exists():
        return False
    if not anchor or target.suffix != ".md":
        return not anchor
    return anchor in pages.anchors(str(target.resolve().relative_to(ROOT)))


def test_every_page_of_docs_is_reached_from_its_index() -> None:
    reached, ahead = set(), ["docs/README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or not page.startswith("docs/"):
            continue
        reached.add(page)
        targets = [(ROOT / page).parent / link.partition("#")[0] for link in pages.links(page) if ":" not in link]
        ahead += [str(one.resolve().relative_to(ROOT)) for one in targets if one.suffix == ".md"]
    assert {page for page in pages.names() if page.startswith("docs/")} == reached


@pytest.mark.parametrize("block", _ids(pages.every_block("toml")))
def test_toml_is_understood(block: Block, tmp_path: Path) -> None:
    if block.text.startswith("[[rule]]"):
        return  # the language server's own, read in tests/test_taplo.py
    if block.text.startswith(SETTINGS):
        _settings(block, tmp_path)
    elif block.text.startswith(ENTRIES):
        _entry(block, tmp_path)
    else:
        _project(block, tmp_path)


def _settings(block: Block, folder: Path) -> None:
    (folder / "config.toml").write_text(block.text)
    assert machine.load({"DEVENV_CONFIG": str(folder / "config.toml")}, folder)


def _entry(block: Block, folder: Path) -> None:
    whole = block.text if block.text.startswith("summary") else ENTRY + block.text
    catalog.validate(ServiceEntry, toml.read_text(whole, name="search.toml"))


def _project(block: Block, folder: Path) -> None:
    for name in re.findall(r'(?:dockerfile|seed) = "([^"]+)"', block.text):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("FROM scratch\n")
    for line in re.findall("^mounts = .*", block.text, re.MULTILINE):
        for name in re.findall(r'(?:" =|source =) "([^/~.][^"]*)"', line):
            (folder / name).mkdir(parents=True, exist_ok=True)
    if is_whole(block):
        (folder / "devenv.toml").write_text(block.text)
    else:
        # A page may show a service of that name.
        base = 'name = "shop"\n' if "[services.web]" in block.text else BASE
        (folder / "devenv.toml").write_text(base)
        (folder / "devenv.local.toml").write_text(block.text)
    loaded = config.read(folder)
    catalog.check(loaded.project, catalog.of(folder), loaded.place)


def is_whole(block: Block) -> bool:
    """Whether it is a `devenv.toml` that needs nothing more."""
    return block.language == "toml" and block.text.startswith("name =") and "run" in block.text


@pytest.mark.parametrize("block", _ids(pages.every_block("yaml")))
def test_yaml_is_read(block: Block) -> None:
    assert yaml.safe_load(block.text)


def test_every_block_says_what_it_is() -> None:
    known = {"console", "sh", "bash", "toml", "yaml", "json", "text", "python", "dockerfile"}
    assert [str(one) for page in pages.names() for one in pages.blocks(page) if one.language not in known] == []


@pytest.mark.parametrize("page", pages.everything())
def test_commands_and_their_options_exist(page: str) -> None:
    wrong = [line for line in [*_typed(page), *pages.inline(page)] for _ in _wrong(line)]
    assert not wrong


def _typed(page: str) -> list[str]:
    typed = [command.text for block in pages.blocks(page) for command in block.commands]
    return [line for command in typed for line in command.splitlines()]


def _wrong(line: str) -> Iterator[str]:
    """The words of a command line of devenv's that it does not have."""
    words = _words(line)
    if words[:1] != ["devenv"]:
        return
    command, path, values = COMMANDS[""], "", 0
    for word in words[1:]:
        if values:
            values -= 1
        elif word == "--" or (path in PASSING and not word.startswith("-")):
            return
        elif word.startswith("-"):
            options = {name: one for one in command.params for name in one.opts} | {"--help": None, "-h": None}
            if word.partition("=")[0] not in options:
                yield word
            option = options.get(word)
            values = 0 if option is None or option.is_flag else 1
        elif f"{path} {word}".lstrip() in COMMANDS:
            path = f"{path} {word}".lstrip()
            command = COMMANDS[path]
        elif hasattr(command, "commands") and word not in PLACEHOLDERS:
            yield word


COMMANDS = dict(completing.commands(arguments.command()))
PASSING = ("exec", "run", "connect")
PLACEHOLDERS = ("COMMAND", "…", "...")


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote that ends on another line
        return []
    end = next((at for at, word in enumerate(words) if re.fullmatch(r"[|><;&()]+", word)), len(words))
    return words[:end]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("devenv lock --upgrade redis", []),
        ("devenv lock --upgrad redis", ["--upgrad"]),
        ("devenv -C backend check | less --nonsense", []),
        ("devenv --profile nonsense status", []),
        ("devenv nonsense", ["nonsense"]),
        ("devenv snapshot nonsense", ["nonsense"]),
        ("devenv exec web ls --nonsense", []),
        ("devenv snapshot save --service postgres --all", ["--all"]),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, wrong: list[str]) -> None:
    assert list(_wrong(line)) == wrong


def test_a_lost_link_is_found() -> None:
    assert _leads("docs/README.md", "reference/cli.md#devenv-up")
    assert not _leads("docs/README.md", "reference/cli.md#devenv-nonsense")
    assert not _leads("docs/README.md", "nonsense.md")


def test_readme_has_a_readable_length() -> None:
    assert 100 <= len(pages.text("README.md").splitlines()) <= 150
