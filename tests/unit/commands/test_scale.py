from __future__ import annotations

from pathlib import Path

import pytest

from devenv import environment, lockfile, running, workspace
from devenv.commands import diff, down, logs, restart, scale, status, up
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, SeenImage
from devenv.errors import NotReady, UsageError
from devenv.live import Background
from devenv.model import labels
from devenv.model.machine import Machine
from devenv.model.project import Ready, Service
from devenv.telling import Event
from devenv.workspace import Scaled, Workspace
from tests import projects

PORTS = (8000,)


class World:
    """A project that is up: `web` behind the balancer, `work` without ports, `redis`."""

    def __init__(self, folder: Path, *, is_up: bool = True, balancer: bool = True) -> None:
        ready = Ready(exec=("true",))
        web = projects.app(stacks=(), ports=PORTS, replicas=1 if balancer else None, ready=ready)
        apps = (web, projects.app("work", stacks=()))
        shop = projects.project(
            folder,
            apps=apps,
            services=(projects.service("redis"),),
            balancer=Service("balancer", use="haproxy", origin="debian") if balancer else None,
        )
        self.project = Workspace(folder, shop, projects.CATALOG, Machine(state=folder))
        lockfile.write(folder, projects.lock(shop))
        self.told: list[Event] = []
        self.asked: list[str] = []
        self.engine = MemoryEngine(execute=self._execute, program=lambda one: Ran((Chunk("stdout", b"hello\n"),)))
        self.background = Background(self.project, "memory://")
        if is_up:
            wanted = workspace.resolve(self.project, "amd64")
            for image in wanted.images:
                self.engine.images[image.reference] = _image(image.key)
            environment.converge(self.project, self.engine, wanted, tell=self.told.append)

    def _execute(self, name: str, command: Command) -> Ran:
        if name == "shop-balancer-1":
            self.asked.append(command.argv[4])
        return Ran(exit_code=0)

    def scale(self, **counts: int) -> scale.ScaleResult:
        scale.check(self.project, counts)
        return scale.run(self.project, self.engine, self.background, counts, tell=self.told.append)

    @property
    def names(self) -> list[str]:
        return sorted(name for name, one in self.engine.containers.items() if one.status == "running")


def _image(key: str) -> SeenImage:
    return SeenImage(f"sha256:{key}", f"sha256:{key}", {labels.PIN: key})


ALWAYS = ["shop-balancer-1", "shop-redis-1", "shop-web-1", "shop-work-1"]


def test_replicas_come_and_go_and_the_number_holds(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.names == ALWAYS
    result = world.scale(web=3, work=2)
    assert world.names == sorted([*ALWAYS, "shop-web-2", "shop-web-3", "shop-work-2"])
    assert result.scaled == (Scaled("web", 3, 1), Scaled("work", 2, 1))
    assert world.asked[-2:] == ["settle", "clear"]
    again = up.run(world.project, world.engine, world.background, tell=world.told.append)
    assert [step for step in again.steps if step.verb != "wait"] == []
    assert again.scaled == result.scaled
    assert diff.run(world.project, world.engine).differences == ()


def test_leaving_replicas_are_drained_and_their_places_freed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=2)
    world.asked.clear()
    world.scale(web=1)
    assert world.names == ALWAYS
    assert world.asked == ["drain", "release", "heal", "settle", "clear"]
    assert workspace.replicas(world.project) == {}


def test_down_forgets_the_number(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=2)
    down.run(world.project, world.engine, world.background, volumes=False, tell=world.told.append)
    assert workspace.replicas(world.project) == {}
    assert world.engine.containers == {}


def test_what_cannot_be_scaled_is_told_before_anything_changes(tmp_path: Path) -> None:
    world = World(tmp_path, balancer=False)
    for counts, message in (
        ({"redis": 2}, "`redis` is no app: a service keeps data"),
        ({"wep": 2}, "unknown app or service `wep`"),
        ({"work": 0}, "`work` cannot have 0 replicas"),
        ({"work": 101}, "`work` cannot have 101 replicas"),
        ({"web": 2}, "`web` has ports, and the project has no balancer to share them out"),
    ):
        with pytest.raises(UsageError) as caught:
            scale.check(world.project, counts)
        assert caught.value.message == message
    assert "devenv lock" in (caught.value.hint or "")
    world.scale(web=1)


def test_an_environment_that_is_not_up_cannot_be_scaled(tmp_path: Path) -> None:
    world = World(tmp_path, is_up=False)
    with pytest.raises(NotReady, match="is not up"):
        world.scale(web=2)
    assert workspace.replicas(world.project) == {}


def test_a_damaged_record_counts_for_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    state = tmp_path / workspace.STATE
    state.write_text(state.read_text() + '\n[replicas]\nweb = "many"\nwork = -1\ngone = 3\n')
    assert workspace.replicas(world.project) == {}


def test_one_replica_can_be_meant_by_its_number(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=3)
    assert running.one(world.project, world.engine, "web-2").name == "shop-web-2"
    with pytest.raises(NotReady, match="there is no replica `web-9`"):
        running.one(world.project, world.engine, "web-9")
    with pytest.raises(UsageError, match="unknown app or service `redis-2`"):
        running.one(world.project, world.engine, "redis-2")
    outcome = restart.run(world.project, world.engine, world.background, ["web-2"], tell=world.told.append)
    assert {step.target for step in outcome.steps if step.verb == "start"} == {"shop-web-2"}


def test_log_lines_tell_replicas_apart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=2)
    lines = logs.run(world.project, world.engine, (), follow=False, tail=None)
    assert {line.unit for line in lines} == {"balancer", "redis", "web-1", "web-2", "work"}


def test_status_tells_of_replicas_what_the_balancer_does(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=2)
    addresses = [world.engine.containers[f"shop-web-{number}"].address for number in (1, 2)]
    told = "".join(f"web-8000,web{at},{3 - at},UP,{one}:8000\n" for at, one in enumerate(addresses))
    world.engine._execute = lambda _name, _command: Ran(
        (Chunk("stdout", f"# pxname,svname,stot,status,addr\n{told}".encode()),), 0
    )
    rows = {row.container: row for row in status.run(world.project, world.engine, world.background).rows}
    web = [rows[f"shop-web-{number}"] for number in (1, 2)]
    assert [(row.address, row.balanced, row.requests, row.share) for row in web] == [
        (addresses[0], "up", 3, 0.6),
        (addresses[1], "up", 2, 0.4),
    ]
    assert rows["shop-work-1"].balanced is None


def test_without_a_balancer_nothing_more_is_asked(tmp_path: Path) -> None:
    world = World(tmp_path, balancer=False)
    world.engine.calls.clear()
    status.run(world.project, world.engine, world.background)
    assert "exec" not in {call for call, _ in world.engine.calls}


def test_up_takes_back_what_a_killed_command_left_drained(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.scale(web=2)
    world.asked.clear()
    up.run(world.project, world.engine, world.background, tell=world.told.append)
    assert world.asked == ["heal"]
