"""Projects on disk that the real command line runs on a real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import ports

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# Small enough to be built in seconds, and of every kind: an app with setup, a service with data, a service without.
SMALL = """\
name = "{name}"
images = "debian"

[apps.web]
setup = ["cat greeting.txt > $HOME/greeting"]
run = "perl server.pl {port}"
ports = [{port}]
needs = ["redis"]
ready = {{ http = "/" }}

[services.redis]

[tasks.greet]
run = "cat $HOME/greeting"
app = "web"
"""
# An app alone, for tests that are not about it.
PAGE = """\
name = "{name}"
images = "debian"

[apps.web]
ports = [{port}]
run = "perl server.pl {port}"
"""
SERVER = """\
use IO::Socket::INET; $| = 1; $SIG{TERM} = sub { exit 0 };
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die $!;
print "listening\\n";
while (my $client = $server->accept) {
    my $request = <$client>;
    open(my $file, "<", "$ENV{HOME}/greeting");
    my $text = join("", <$file>);
    print $client "HTTP/1.0 200 OK\\r\\nContent-Length: " . length($text) . "\\r\\n\\r\\n$text";
    close $client;
}
"""


@dataclass(frozen=True)
class Ran:
    """A command line that ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass
class Checkout:
    """A project's folder and the engine it runs on.

    Args:
        port: The host port of its app.
    """

    folder: Path
    name: str
    port: int
    engine: str | None = None
    env: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        chosen = ["--engine", self.engine] if self.engine else []
        return [sys.executable, "-m", "devenv", *chosen, *arguments]

    @property
    def environ(self) -> dict[str, str]:
        # Tests change files and then run `up` themselves; one that is about changes sets `DEVENV_WATCH` anew.
        own = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONWARNINGS": "error", "DEVENV_WATCH": "0"}
        return os.environ | own | self.env

    def run(self, *arguments: str, check: bool = True, stdin: str = "") -> Ran:
        """Run devenv to its end; a failure shows all it said."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environ, input=stdin, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise AssertionError(f"devenv {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return Ran(done.returncode, done.stdout, done.stderr)

    def docker(self, *arguments: str) -> str:
        """Ask the engine in another tool's words."""
        host = {"DOCKER_HOST": self.engine} if self.engine else {}
        for _ in range(3):
            done = subprocess.run(
                ["docker", *arguments], cwd=self.folder, env=os.environ | host, capture_output=True, text=True
            )
            # An engine under load fails now and then to begin a process inside; nothing of it has run then.
            if "OCI runtime exec failed" not in done.stderr or "broken pipe" not in done.stderr:
                break
        assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def left(self) -> list[str]:
        """Every object of this project that the engine has."""
        label = f"label=dev.devenv.instance={self.name}"
        names = self.docker("ps", "-aq", "--filter", label).split()
        names += self.docker("network", "ls", "-q", "--filter", label).split()
        return names + self.docker("volume", "ls", "-q", "--filter", label).split()

    def watches(self) -> None:
        """From now on, changes have consequences where files are shared, too."""
        self.env["DEVENV_WATCH"] = "1"

    def get(self, path: str = "/") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())


@contextmanager
def small(folder: Path, *, engine: str | None = None, text: str = SMALL) -> Iterator[Checkout]:
    """A project that needs only a few packages."""
    name, port = f"small-{uuid.uuid4().hex[:6]}", ports.free()
    write_small(folder, name, port, text=text)
    with _cleaned(Checkout(folder, name, port, engine)) as checkout:
        yield checkout


def write_small(folder: Path, name: str, port: int, *, text: str = SMALL) -> None:
    """The files of such a project."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "devenv.toml").write_text(text.format(name=name, port=port))
    (folder / "server.pl").write_text(SERVER)
    (folder / "greeting.txt").write_text("hello")


def is_second_run(request: pytest.FixtureRequest) -> bool:
    """Whether a test has failed and is run once more."""
    return getattr(request.node, "execution_count", 1) > 1


def begin_anew(checkout: Checkout, text: str) -> None:
    """Let a small project that tests share be as it was at first, but for its lockfile, and down."""
    lock = (checkout.folder / "devenv.lock").read_bytes()
    checkout.run("down", "--volumes", "--force")
    shutil.rmtree(checkout.folder)
    write_small(checkout.folder, checkout.name, checkout.port, text=text)
    (checkout.folder / "devenv.lock").write_bytes(lock)


def in_mode(mode: str, text: str = SMALL) -> str:
    """A project's text, with its files bound or copied whatever the engine shares."""
    return f'{text}\n[sync]\nmode = "{mode}"\n'


@contextmanager
def bookshop(folder: Path, *, engine: str | None = None) -> Iterator[Checkout]:
    """A copy of the example, under a name and a port of its own."""
    run = "flask --app shop.app run --host 0.0.0.0 --port {port}"
    with example(folder, "bookshop", f'[apps.web]\nports = [{{port}}]\nrun = "{run}"\n', engine=engine) as checkout:
        yield checkout


@contextmanager
def example(folder: Path, name: str, local: str, *, engine: str | None = None) -> Iterator[Checkout]:
    """A copy of an example, as a clone has it, under a name of its own.

    Args:
        local: What lies over its `devenv.toml`; `{port}` is a free one.
    """
    own, port = f"{name}-{uuid.uuid4().hex[:6]}", ports.free()
    shutil.copytree(EXAMPLES / name, folder, ignore=_made)
    (folder / "devenv.local.toml").write_text(f'name = "{own}"\n{local.format(port=port)}')
    with _cleaned(Checkout(folder, own, port, engine)) as checkout:
        yield checkout


def _made(folder: str, names: Sequence[str]) -> set[str]:
    """What devenv or a program made there."""
    made = {"devenv.lock", "devenv.local.toml", "__pycache__"}
    return {name for name in names if name in made or (folder.endswith("/.devenv") and name != "services")}


@contextmanager
def _cleaned(checkout: Checkout) -> Iterator[Checkout]:
    try:
        yield checkout
    finally:
        (checkout.folder / "devenv.toml").is_file() and checkout.run("down", "--volumes", check=False)


def until(condition: Callable[[], object], *, seconds: float = 30.0) -> None:
    """Wait for a condition."""
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def killed_after(call: int, checkout: Checkout, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run devenv in a process that SIGKILLs itself right after its N-th changing engine call, counted from 1."""
    program = f"""
import os, signal, sys, threading
from devenv.engine.docker import DockerEngine
lock, count = threading.Lock(), 0
def deadly(method):
    def call(*arguments, **options):
        global count
        result = method(*arguments, **options)
        with lock:
            count += 1
            if count == {call}:
                os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call
for name in ("create", "start", "stop", "remove", "load"):
    setattr(DockerEngine, name, deadly(getattr(DockerEngine, name)))
from devenv.cli import main
sys.argv[1:] = {list(arguments)!r}
main()
"""
    chosen = ["--engine", checkout.engine] if checkout.engine else []
    program = program.replace("sys.argv[1:] = ", f"sys.argv[1:] = {chosen!r} + ")
    return subprocess.run(
        [sys.executable, "-c", program], cwd=checkout.folder, env=checkout.environ, capture_output=True, text=True
    )
