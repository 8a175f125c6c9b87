"""Every command of every page of the documentation, run as a reader would; what it shows is held against what comes.

The tutorial is run from an empty folder. What it leaves, a small app with Redis, is the project of most other pages:
`WORLDS` has a line for each. The README's commands are run in `test_readme.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.cli import session
from devenv.instances import ledger
from tests import engines, newcomers, pages, ports
from tests.e2e.checkouts import ROOT
from tests.pages import Block, Command

pytestmark = [pytest.mark.docker, pytest.mark.network]

README, TUTORIAL = "README.md", "docs/tutorial/first-environment.md"
# The section of the tutorial that takes down what the other pages are run in.
LAST = "Take it down"

MACHINE = "it changes the machine, not a project; tests/e2e/test_names.py runs it with a machine of its own"
OTHER = "it needs another computer; tests/e2e/test_remote.py has an engine that shares no files"
REGISTRY = "it needs a team's registry; tests/e2e/test_registry.py has one"
ADDRESS = "its address is nowhere; tests/e2e/test_onboard.py has one"
LONG = "it takes minutes; tests/unit/test_benchmarks.py runs each on next to nothing"
SAME = "the same is run on docs/how-to/data.md"
POSTGRES = "there is no PostgreSQL here, which takes its time; the README has the same for the bookshop"
REMADE = "it builds every image once more; tests/e2e/test_identity.py and test_drift.py run it"

# Commands that are not run, and why; only their options are looked at (tests/test_documentation.py).
NOT_RUN: Mapping[tuple[str, str], str] = {
    ("docs/explanation/performance.md", "python -m benchmarks.up"): LONG,
    ("docs/explanation/performance.md", "python -m benchmarks.growth"): LONG,
    ("docs/explanation/performance.md", "python -m benchmarks.hooks"): LONG,
    ("docs/explanation/performance.md", "python -m benchmarks.newcomer --engine unix:///run/empty.sock"): LONG,
    ("docs/explanation/performance.md", "python -m benchmarks.sync --engine unix:///var/run/docker.sock"): LONG,
    ("docs/how-to/add-a-service.md", 'devenv connect postgres -- -c "select 1"'): POSTGRES,
    ("docs/how-to/names.md", "devenv names on"): MACHINE,
    ("docs/how-to/names.md", "devenv up -d"): MACHINE,
    ("docs/how-to/names.md", "devenv trust-ca"): MACHINE,
    ("docs/how-to/onboard.md", "devenv onboard https://example.org/acme/shop.git"): ADDRESS,
    ("docs/how-to/registries.md", "devenv up -d"): REGISTRY,
    ("docs/how-to/registries.md", "devenv push"): REGISTRY,
    (
        "docs/how-to/remote-engine.md",
        "export DOCKER_HOST=ssh://me@builder.acme.example",
    ): OTHER,
    ("docs/how-to/remote-engine.md", "devenv up"): OTHER,
    ("docs/how-to/secrets.md", "devenv snapshot save before"): SAME,
    ("docs/how-to/secrets.md", "devenv snapshot restore before"): SAME,
    ("docs/how-to/works-on-my-machine.md", "devenv verify"): REMADE,
}

# Commands that would ask or stay, and what is run in their place.
INSTEAD: Mapping[str, str] = {
    "devenv reset redis": "devenv reset redis --yes",
    "devenv snapshot restore before-migration": "devenv snapshot restore before-migration --yes",
    "devenv snapshot import shop-before-migration.devenv-snapshot": (
        "devenv snapshot delete before-migration && devenv snapshot import shop-before-migration.devenv-snapshot"
    ),
    "devenv sync log -f": "devenv sync log",
    "devenv prune": "devenv prune --yes",
    'printf %s "$KEY" | devenv secrets set STRIPE_KEY': "printf %s sk_test | devenv secrets set STRIPE_KEY",
}

# Commands that end with another code than 0.
CODES: Mapping[tuple[str, str], int] = {
    (TUTORIAL, 'git commit -q -m "Break it"'): 1,
    ("docs/how-to/works-on-my-machine.md", "devenv diff"): 1,
}

# Output that is there to show a case that does not arise here, and where that is tested.
NOT_HELD: Mapping[tuple[str, str], str] = {
    ("docs/how-to/data.md", "devenv snapshot save before-migration"): "a database's dump: tests/e2e/test_snapshots.py",
    ("docs/how-to/limits.md", "devenv status"): "a container out of memory: tests/e2e/test_isolation.py",
    (
        "docs/how-to/works-on-my-machine.md",
        "devenv diff --with report.json",
    ): "two machines: tests/unit/test_reporting.py",
}


@dataclass(frozen=True)
class World:
    """What a page is run in.

    Args:
        called: What the page calls the project.
        before: What is run before the page, as a reader would have.
        files: Those of a folder of its own, without a project.
    """

    called: str = "visits"
    before: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)


# Pages start it over and over: a server that is there at once in place of Flask.
LIGHTER = (
    """sed -i 's/^run = .*8000.*/run = "python3 -m http.server 8000"/' devenv.toml""",
    "git commit -qam Lighter",
)
# What pages leave.
ANEW = (
    "git checkout -q .",
    "if [ -d ../review ]; then (cd ../review && devenv down --volumes --force); fi",
    "rm -rf ../review .devenv/snapshots .devcontainer .github plain",
    "git worktree prune",
    "git branch -q -D review 2>/dev/null || true",
    "devenv up -d",
)
MIGRATE = ["printf '\\n[tasks.migrate]\\nrun = \"true\"\\n' >>devenv.toml"]
SCALED = ["sed -i 's/^ports = .*/&\\nreplicas = 3/' devenv.toml"]
CHANGED = (
    "echo 'apps.web.env.LOG_LEVEL = \"info\"' >>devenv.local.toml",
    "devenv up -d",
    "sed -i s/info/debug/ devenv.local.toml",
    'docker exec -u 0 visits-web-1 sh -c "echo >>/usr/lib/python3.13/json/decoder.py"',
)
MAPS = ['echo \'apps.web.mounts."/maps" = "/etc/hostname"\' >>devenv.local.toml']
STRIPE = ["printf '\\n[secrets.STRIPE_KEY]\\n' >>devenv.toml"]
MOVED = {
    "compose.yaml": pages.blocks("docs/how-to/move-to-devenv.md")[0].text,
    "Dockerfile": "FROM scratch\n",
    "db/init.sql": "select 1;\n",
    ".devcontainer/devcontainer.json": '{"image": "mcr.microsoft.com/devcontainers/python:3.13"}\n',
}

# Where each page is run: `World()` is the tutorial's project, up.
WORLDS: Mapping[str, World] = {
    "docs/explanation/identity.md": World(),
    "docs/explanation/sync.md": World(),
    "docs/how-to/add-a-service.md": World(before=["devenv remove redis"]),
    "docs/how-to/begin-a-project.md": World(called="notes", files=newcomers.FLASK),
    "docs/how-to/completion-and-schema.md": World(),
    "docs/how-to/data.md": World(called="shop", before=MIGRATE),
    "docs/how-to/editors-and-ci.md": World(),
    "docs/how-to/leave.md": World(),
    "docs/how-to/limits.md": World(),
    "docs/how-to/move-to-devenv.md": World(called="moved-notes", files=MOVED),
    "docs/how-to/remote-engine.md": World(),
    "docs/how-to/scaling.md": World(called="shop", before=SCALED),
    "docs/how-to/secrets.md": World(before=STRIPE),
    "docs/how-to/trust.md": World(before=MAPS),
    "docs/how-to/works-on-my-machine.md": World(before=CHANGED),
    "docs/how-to/worktrees.md": World(called="bookshop"),
}


def _to_run() -> set[str]:
    """Pages with commands that are run."""
    each = ((page, command) for page in pages.names() for block in pages.blocks(page) for command in block.commands)
    return {page for page, command in each if (page, command.plain) not in NOT_RUN}


class Reader:
    """Somebody who reads and types.

    Args:
        name: The project's own name, for the one that pages give it may be taken on this machine; likewise `port`.
    """

    def __init__(self, folder: Path) -> None:
        self.place, self.folder = folder, folder
        self.name, self.port = f"visits-{uuid.uuid4().hex[:6]}", ports.free()
        self.environ = self._environ(folder)

    def _environ(self, folder: Path) -> dict[str, str]:
        program = folder / "bin" / "devenv"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m devenv "$@"\n')
        program.chmod(0o755)
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        own = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        # What is installed for a shell is installed at home.
        own |= {"HOME": str(folder / "home"), "DEVENV_CACHE": str(session.machine().cache)}
        (folder / "home").mkdir()
        # `down --all` and `prune` mean what this machine has: so it is another, or what other tests have up would go.
        (folder / "state").mkdir()
        (folder / "state" / ledger.HOST).write_text(uuid.uuid4().hex[:16])
        return os.environ | who | own | {"DEVENV_STATE": str(folder / "state"), "PYTHONWARNINGS": "error"}

    def here(self, text: str, called: str = "visits") -> str:
        """A page's text with the names that things have here."""
        return re.sub(rf"\b{called}\b", self.name, text).replace("8000", str(self.port))

    def there(self, text: str, called: str = "visits") -> str:
        """What came, with the names that things have on the page."""
        return text.replace(self.name, called).replace(str(self.port), "8000")

    def write(self, block: Block) -> None:
        assert block.file
        path = self.folder / block.file
        path.write_text((f"{path.read_text()}\n" if block.is_added else "") + self.here(block.text))

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command; the folder that it leads to is kept."""
        told = self.place / "folder"
        line = f'{command}\ncode=$?; pwd >"{told}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.folder = Path(told.read_text().strip())
        return done

    def prepare(self, commands: Sequence[str]) -> None:
        """Run what is on no page; each has to succeed."""
        for command in commands:
            done = self.type(self.here(command))
            assert done.returncode == 0, f"{command}\n{done.stdout}"

    def follow(self, block: Block, called: str = "visits") -> None:
        """Do what a block says, and hold what comes against what it shows."""
        if block.file and block.page == TUTORIAL:
            self.write(block)
        for command in block.commands:
            if (block.page, command.plain) not in NOT_RUN:
                self._run(block, command, called)

    def _run(self, block: Block, command: Command, called: str) -> None:
        done = self.type(self.here(INSTEAD.get(command.plain, command.plain), called))
        told = f"{block}: {command.plain}\n{done.stdout}"
        assert done.returncode == CODES.get((block.page, command.plain), 0), told
        if (block.page, command.plain) not in NOT_HELD:
            missing = _words("\n".join(command.shown)) - _words(self.there(done.stdout, called))
            assert not missing, f"{missing} did not come: {told}"


def _words(text: str) -> set[str]:
    """The words of an output; numbers, paths, times and sizes differ from run to run."""
    plain = re.sub(
        r"\b[0-9a-f]{12,}\b|\S*/\S*", "", text.replace("health: starting", "healthy").replace("starting", "healthy")
    )
    return {TIMES.sub("time", one) for one in re.findall(r"[✓✗!]|[A-Za-z][A-Za-z_]+", plain)} - {"time"}


TIMES = re.compile(r"^(Up|Less|About|an|than|seconds?|minutes?|bytes|kB|MB)$")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One who has followed the tutorial to its last section."""
    engines.require()
    reader = Reader(tmp_path_factory.mktemp("docs"))
    try:
        tutorial = pages.blocks(TUTORIAL)
        for block in tutorial:
            if block.section != LAST:
                reader.follow(block)
        home, fix = reader.place / reader.name, reader.folder
        reader.folder = home
        reader.prepare(LIGHTER)
        yield reader
        reader.folder = fix
        for block in tutorial:
            if block.section == LAST:
                reader.follow(block)
    finally:
        for folder in (reader.place / "review", reader.place / "fix", reader.place / reader.name):
            if folder.is_dir():
                reader.folder = folder
                reader.type("devenv down --volumes --force")


def test_the_tutorial_leads_to_its_end(reader: Reader) -> None:
    assert reader.type("devenv url web").returncode == 0


@pytest.mark.parametrize("page", sorted(WORLDS))
def test_the_commands_of_a_page(reader: Reader, page: str) -> None:
    world = WORLDS[page]
    _enter(reader, world)
    for block in pages.blocks(page):
        reader.follow(block, world.called)


def _enter(reader: Reader, world: World) -> None:
    """Let the world of a page be, whatever the one before has left."""
    reader.folder = reader.place / reader.name
    if world.files:
        reader.folder = reader.place / world.called
        for name, text in world.files.items():
            (reader.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (reader.folder / name).write_text(text)
        return
    # Everything works as it does with an engine elsewhere, and some pages are about that.
    (reader.folder / "devenv.local.toml").write_text('sync.mode = "copy"\n')
    reader.prepare([*ANEW, *world.before])


def test_every_page_with_commands_has_a_world() -> None:
    told = "say in `WORLDS` what a page is run in, or in `NOT_RUN` why its commands are not"
    assert _to_run() == {README, TUTORIAL, *WORLDS}, told


def test_no_exception_is_left_over() -> None:
    there = {
        (block.page, one.plain) for page in pages.names() for block in pages.blocks(page) for one in block.commands
    }
    assert {*NOT_RUN, *CODES, *NOT_HELD} <= there
    assert set(INSTEAD) <= {command for _, command in there}
