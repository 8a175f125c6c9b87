"""What is asked of the balancer that runs, and what its answers mean."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from devenv import balancing
from devenv.balancing import Serving
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, SeenImage
from devenv.errors import Conflict
from devenv.model import labels
from devenv.model.blueprint import Container

WEB = Container("shop-web-1", "web", "app", "image", behind=(8000, 8001), stop_grace=7)
TOLD = """\
# pxname,svname,scur,stot,status,addr,
web-8000,web1,0,30,UP,10.0.0.2:8000,
web-8000,web2,0,10,DOWN,10.0.0.3:8000,
web-8000,web3,0,5,MAINT (resolution),,
web-8001,web1,0,2,DOWN,10.0.0.2:8001,
port-8000,FRONTEND,0,40,OPEN,,
api-9000,api1,0,1,UP 1/2,10.0.0.4:9000,

"""


class World:
    """An engine whose balancer answers the same to everything."""

    def __init__(self, output: str = "", code: int = 0) -> None:
        self.asked: list[tuple[str, ...]] = []
        image = SeenImage("sha256:1", "sha256:1", {})

        def execute(_name: str, command: Command) -> Ran:
            self.asked.append(tuple(command.argv[4:]))
            return Ran((Chunk("stdout", output.encode()),), code)

        self.engine = MemoryEngine(images={"image": image}, execute=execute)
        self.engine.create(Container("balancer", "balancer", "balancer", "image", labels={labels.INSTANCE: "shop"}))
        self.engine.start("balancer")


def test_a_replica_is_named_by_its_address_and_ports() -> None:
    world = World()
    assert balancing.join(world.engine, "balancer", WEB, "10.0.0.2")
    assert balancing.drain(world.engine, "balancer", WEB, "10.0.0.2")
    assert balancing.release(world.engine, "balancer", WEB, "10.0.0.2")
    assert world.asked == [
        ("join", "10.0.0.2", "5", "web-8000", "web-8001"),
        ("drain", "10.0.0.2", "7", "web-8000", "web-8001"),
        ("release", "10.0.0.2", "3", "web-8000", "web-8001"),
    ]


def test_one_without_an_address_is_not_asked_about() -> None:
    world = World()
    assert not balancing.drain(world.engine, "balancer", WEB, "")
    assert world.asked == []


def test_a_balancer_that_does_not_answer_is_in_nobodys_way() -> None:
    world = World(code=1)
    assert not balancing.drain(world.engine, "balancer", WEB, "10.0.0.2")
    world.engine.fail_on = lambda call, _: Conflict("it does not run") if call == "exec" else None
    assert not balancing.join(world.engine, "balancer", WEB, "10.0.0.2")
    assert balancing.serving(world.engine, "balancer", {}) == {}
    balancing.clear(world.engine, "balancer", ["web-8000"])


def test_requests_of_all_ports_add_up_and_the_first_tells_the_health() -> None:
    world = World(TOLD)
    told = balancing.serving(world.engine, "balancer", {"web-8000": "web", "web-8001": "web", "api-9000": "api"})
    assert told == {
        ("web", "10.0.0.2"): Serving("up", 32),
        ("web", "10.0.0.3"): Serving("down", 10),
        ("api", "10.0.0.4"): Serving("up", 1),
    }


@pytest.mark.parametrize(
    "text", ["", "no such command\n", "# pxname\nweb-8000\n", "# pxname,addr,stot\nweb-8000,a:1,\n"]
)
def test_an_odd_answer_tells_nothing_of_requests(text: str) -> None:
    told = balancing.serving(World(text).engine, "balancer", {"web-8000": "web"})
    assert sum(one.requests for one in told.values()) == 0


SCRIPTS = [Path(__file__).parents[2] / "templates" / "balancer" / name for name in ("start.sh", "control.sh")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.name))
def test_the_scripts_are_whole(script: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    assert subprocess.run(["bash", "-n", script], capture_output=True, text=True).stderr == ""
