"""Passwords reach the programs that need them, and nothing that is shown, stored or sent along has them."""

from __future__ import annotations

import json
import subprocess
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from devenv import secrets, workspace
from devenv.engine import wire
from devenv.engine.wire import Endpoint, Wire
from devenv.model.machine import Machine
from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
packages = ["postgresql-client"]
run = "printenv PGPASSWORD >$HOME/told; exec sleep infinity"
env = {{ MARIADB_MYSQL_PASSWORD = "mine" }}

[services.postgres]
password = '''PASSWORD'''

[services.mariadb]
databases = ["shop"]

[secrets.TOKEN]
[secrets.MAYBE]
required = false

[tasks.told]
run = "printenv PGPASSWORD"
app = "web"
"""
HARD = " p@ss/w:rd?#%&$'\"\\é "


@dataclass(frozen=True)
class World:
    """A project that is up, in any mode; the password given holds `canary` among characters that mean something."""

    checkout: Checkout
    canary: str
    state: Path

    @property
    def token(self) -> str:
        """What a person brings: several lines."""
        return f"-----BEGIN\n{self.canary}-token{HARD}\n-----END\n"

    @property
    def password(self) -> str:
        """The one that is given now."""
        return str(
            tomllib.loads((self.checkout.folder / "devenv.toml").read_text())["services"]["postgres"]["password"]
        )

    @property
    def generated(self) -> str:
        opened = workspace.load(self.checkout.folder, Machine())
        return secrets.values(opened.project, opened.entries)["mariadb.password"]

    def change(self, edit: Callable[[str], str]) -> None:
        file = self.checkout.folder / "devenv.toml"
        before = file.read_text()
        assert edit(before) != before
        file.write_text(edit(before))

    def inside(self, command: str) -> str:
        return self.checkout.run("exec", "web", "--", "sh", "-c", command).out

    def answers(self) -> bool:
        """Whether the app gets through to the database by the address that it was given."""
        asked = ("exec", "web", "--", "sh", "-c", 'psql -Atc "select 41 + 1" "$DATABASE_URL"')
        return self.checkout.run(*asked, check=False).out == "42\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engines.require()
    folder, canary = tmp_path_factory.mktemp("secrets"), f"canary{uuid.uuid4().hex}"
    text = TEXT.replace("PASSWORD'''", canary + HARD + "'''")
    with checkouts.small(folder / "project", text=text) as checkout:
        # Not the user who runs devenv, whose files in memory they become.
        checkout.env |= {"DEVENV_USER": "1234:1234", "DEVENV_STATE": str(folder / "state")}
        world = World(checkout, canary, folder / "state")
        checkout.run("secrets", "set", "TOKEN", stdin=world.token)
        checkout.run("up", "-d")
        yield world


def test_an_app_has_them_as_variables_and_as_files_in_memory(world: World) -> None:
    assert world.inside("printenv PGPASSWORD") == f"{world.password}\n"
    assert quote(world.password, safe="") in world.inside("printenv DATABASE_URL")
    assert world.inside("cat /run/secrets/PGPASSWORD") == world.password
    assert world.inside("stat -c '%a %u' /run/secrets/PGPASSWORD") == "600 1234\n"
    assert "tmpfs" in world.inside("grep ' /run/secrets ' /proc/mounts")
    until(lambda: world.inside("cat $HOME/told") == f"{world.password}\n")
    assert world.inside("printenv MARIADB_MYSQL_PASSWORD") == "mine\n"
    assert world.inside("printenv TOKEN; cat /run/secrets/TOKEN; printenv MAYBE || echo none") == (
        f"{world.token}\n{world.token}none\n"
    )
    assert world.answers()
    assert world.checkout.run("run", "told").out == f"{world.password}\n"


def test_a_client_and_the_host_have_them_too(world: World) -> None:
    asked = ("connect", "mariadb", "--", "-Ne", "select current_user()")
    assert world.checkout.run(*asked).out == "devenv@%\n"
    told = world.checkout.run("env", "--format", "json").data
    assert (told["PGPASSWORD"], told["MARIADB_MYSQL_PASSWORD"]) == (world.password, world.generated)


def test_the_same_programs_have_them_after_a_restart_by_hand(world: World) -> None:
    restarted(world)
    steps = world.checkout.run("up", "-d", "--json").data["steps"]
    assert {step["verb"] for step in steps} <= {"wait"}


def restarted(world: World) -> None:
    world.inside("rm $HOME/told")
    units = [f"{world.checkout.name}-{unit}-1" for unit in ("postgres", "mariadb", "web")]
    world.checkout.docker("restart", "-t", "2", *units)
    asked = ("exec", "web", "--", "sh", "-c", "cat /run/secrets/PGPASSWORD $HOME/told")
    until(lambda: world.checkout.run(*asked, check=False).out == f"{world.password}{world.password}\n")
    until(world.answers)


def test_nothing_that_is_shown_or_stored_has_them(world: World) -> None:
    words = (
        "up --json -d",
        "status --json",
        "diff --json",
        "up --dry-run --json",
        "render --stdout",
        "report",
        "logs",
        "secrets list --json",
        "trust --json",
    )
    said = {one: world.checkout.run(*one.split(), check=False) for one in words}
    assert '"/etc/devenv/secrets/PGPASSWORD"' in said["render --stdout"].out
    found = {name: one.out + one.err for name, one in said.items()}
    found |= stored(world) | told_by_the_engine(world) | {"exec": one_under_way(world)}
    assert with_secrets(world, found) == []
    assert with_secrets(world, {"app": world.inside("cat /run/secrets/*")}) == ["app"]


def test_nothing_has_them_where_files_are_copied(world: World) -> None:
    world.change(lambda text: f'{text}\n[sync]\nmode = "copy"\n')
    world.checkout.run("secrets", "set", "MAYBE", stdin=f"{world.canary}-maybe")
    said = world.checkout.run("up", "-d", "--json")
    restarted(world)
    rendered = world.checkout.run("render", "--stdout").out
    assert "web.PGPASSWORD" in rendered
    assert world.inside("printenv MAYBE TOKEN") == f"{world.canary}-maybe\n{world.token}\n"
    found = stored(world) | told_by_the_engine(world) | {"up": said.out + said.err, "render": rendered}
    assert with_secrets(world, found) == []
    # Other tests, in whichever order, find what they began with.
    world.checkout.run("secrets", "unset", "MAYBE")
    world.checkout.run("up", "-d")
    restarted(world)


def with_secrets(world: World, texts: Mapping[str, str]) -> list[str]:
    """Names of the texts that have one of them."""
    values = (world.canary, world.generated)
    return [name for name, text in texts.items() if any(value in text for value in values)]


def stored(world: World) -> dict[str, str]:
    """The files of the project but the places that may have them, and what devenv keeps of its own."""
    folder = world.checkout.folder
    files = [path for root in (folder, world.state) for path in root.rglob("*") if path.is_file()]
    kept = (folder / secrets.FOLDER, world.state / "secrets")
    others = [path for path in files if path != folder / "devenv.toml" and not set(kept) & set(path.parents)]
    assert folder / "devenv.lock" in others
    assert folder / ".devenv" / "compose.yaml" in others
    return {str(path): path.read_text(errors="replace") for path in others}


def told_by_the_engine(world: World) -> dict[str, str]:
    """What the engine says of everything that belongs to the project."""
    docker, label = world.checkout.docker, f"label=dev.devenv.instance={world.checkout.name}"
    containers = docker("ps", "-aq", "--no-trunc", "--filter", label).split()
    others = docker("volume", "ls", "-q", "--filter", label).split()
    others += docker("network", "ls", "-q", "--filter", label).split()
    images = docker("inspect", "-f", "{{.Image}}", *containers).split()
    found = {"inspect": docker("inspect", *containers, *others, *images)}
    found |= {f"history of {name}": docker("history", "--no-trunc", name) for name in set(images)}
    for name in containers:
        log = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
        found[f"log of {name}"] = log.stdout + log.stderr
    return found


def one_under_way(world: World) -> str:
    """What the engine says of a command inside while it runs."""
    name = f"{world.checkout.name}-web-1"
    command = world.checkout.command("exec", "web", "--", "sleep", "60")
    engine = Wire(Endpoint(engines.addresses()[0]))
    with subprocess.Popen(command, cwd=world.checkout.folder, env=world.checkout.environ) as process:
        try:
            ask = ("inspect", "-f", "{{json .ExecIDs}}", name)
            until(lambda: json.loads(world.checkout.docker(*ask)) or process.poll() is not None)
            executions = json.loads(world.checkout.docker(*ask))
            told = [wire.check(engine.ask("GET", wire.path("exec", one, "json"))).body.decode() for one in executions]
        finally:
            engine.close()
            world.checkout.docker("exec", name, "perl", "-e", STOP)
            process.wait()
    assert any("sleep" in one for one in told)
    return "".join(told)


STOP = r"""
for (glob "/proc/[0-9]*/cmdline") {
    open(my $file, "<", $_) or next; local $/; my $words = <$file> // "";
    kill "TERM", m|(\d+)| if $words eq "sleep\0" . "60\0";
}
"""


def test_data_with_another_password_is_not_started_and_its_reset_is(world: World) -> None:
    def ids() -> str:
        return world.checkout.docker("ps", "-q", "--filter", f"label=dev.devenv.instance={world.checkout.name}")

    before = ids()
    world.change(lambda text: text.replace(world.canary, f"other-{world.canary}"))
    refused = world.checkout.run("up", "-d", check=False)
    assert (refused.code, "was made with another `password`" in refused.err) == (1, True)
    assert "devenv reset postgres" in refused.err
    assert world.canary not in refused.out + refused.err
    assert (ids(), world.answers()) == (before, True)
    world.checkout.run("reset", "postgres", "--yes")
    assert world.inside("printenv PGPASSWORD") == f"{world.password}\n"
    assert world.answers()
