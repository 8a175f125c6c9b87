"""`devenv up --from`: the services of one checkout begin with the data of another."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from devenv import cloning, instances, lockfile, secrets, workspace
from devenv.commands import up
from devenv.errors import DevenvError, UsageError
from devenv.live import Background
from devenv.model.machine import Machine
from devenv.snapshots import store
from devenv.telling import Event, Remark
from devenv.workspace import Workspace
from tests import engines, projects
from tests.unit.snapshots.world import SERVICES, Fate, Killed, World

TOML = 'name = "shop"\nimages = "debian"\n[services.postgres]\n[services.redis]\n'


class Street(World):
    """A shop whose data is `new`, and a second checkout of it beside."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "first")
        machine = Machine(state=root / "state")
        (root / "first" / "devenv.toml").write_text(TOML)
        self.project = workspace.claim(workspace.load(root / "first", machine))
        self.up()
        self.put("new")
        (root / "second").mkdir()
        (root / "second" / "devenv.toml").write_text(TOML)
        lockfile.write(root / "second", projects.lock(projects.project(root / "second", services=SERVICES)))
        self.second = workspace.load(root / "second", machine)

    def clone(self, name: str = "main") -> list[str]:
        """Bring the second one up; return what people hear."""
        told: list[Event] = []
        project = workspace.claim(workspace.load(self.second.folder, self.second.machine), engine=self.engine)
        background = Background(project, "memory://")
        with cloning.saved(project, self.engine, name, profile=None, tell=told.append) as origin:
            up.run(project, self.engine, background, tell=told.append, frozen=True, origin=origin)
        return [one.text for one in told if isinstance(one, Remark) and "second checkout" not in one.text]

    def _volume(self, unit: str) -> str:
        return f"{self.project.instance}_{unit}-data"

    def lie_down(self) -> None:
        """Take the first one down; a database's files are no dump."""
        for name in list(self.engine.containers):
            self.engine.remove("container", name)
        self.engine.contents["shop_postgres-data"] = engines.tar({"devenv-data/word": b"new"})

    def words_of(self, project: Workspace) -> set[str]:
        mine, self.project = self.project, project
        try:
            return self.words()
        finally:
            self.project = mine


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


@pytest.mark.parametrize("name", ["main", "shop"])
def test_the_second_checkout_has_the_data_of_the_first_and_a_life_of_its_own(street: Street, name: str) -> None:
    before = set(street.engine.volumes)
    assert street.clone(name) == []
    assert "shop-second_redis-data" in street.engine.volumes
    assert street.words_of(street.second) == street.words() == {"new"}
    street.put("old")
    assert street.words_of(street.second) == {"new"}
    assert before < set(street.engine.volumes)
    assert all(one.status == "running" for one in street.engine.containers.values())
    assert not store.names(street.project.folder)
    assert list((street.second.folder / store.FOLDER).iterdir()) == []


def test_the_first_may_be_down(street: Street) -> None:
    street.lie_down()
    contents = dict(street.engine.contents)
    street.clone()
    assert {name: street.engine.contents[name] for name in contents} == contents
    postgres = street.engine.contents["shop_postgres-data"]
    assert street.engine.contents["shop-second_postgres-data"] == postgres


def test_passwords_are_the_sources_where_there_were_none_yet(street: Street) -> None:
    first, second = street.project, street.second
    street.clone()
    assert secrets.values(second.project, second.entries) == secrets.values(first.project, first.entries)


def test_files_with_other_passwords_than_this_checkouts_are_refused(street: Street) -> None:
    street.lie_down()
    secrets.values(street.second.project, street.second.entries)
    before = set(street.engine.volumes)
    with pytest.raises(DevenvError, match="`shop` has files of `postgres` that were made with another `password`"):
        street.clone()
    assert set(street.engine.volumes) == before


def test_data_that_is_there_already_is_left_alone(street: Street) -> None:
    street.clone()
    project = workspace.load(street.second.folder, street.second.machine)
    assert project.claimed.source is None
    with pytest.raises(DevenvError, match="there is data of `postgres` and `redis` in this checkout already") as caught:
        street.clone()
    assert "`devenv reset postgres redis`" in (caught.value.hint or "")


def test_names_that_mean_no_other_checkout_are_refused(street: Street) -> None:
    with pytest.raises(UsageError, match="there is no checkout with the instance `nobody`"):
        street.clone("nobody")
    with pytest.raises(UsageError, match="`shop-second` is this checkout's own instance"):
        street.clone("shop-second")
    (street.project.folder / "devenv.toml").unlink()
    with pytest.raises(UsageError, match="there is no checkout with the instance `shop`"):
        street.clone()


def test_a_checkout_that_this_machine_has_forgotten_is_found_by_the_engines_labels(street: Street) -> None:
    instances.claim(street.second.checkout, name="shop-second")
    (street.second.machine.state / "instances" / "ledger.json").unlink()
    street.clone()
    assert street.words_of(street.second) == {"new"}


def test_killed_at_any_point_the_same_command_ends_with_all_of_the_data(tmp_path: Path) -> None:
    heard: set[str] = set()
    for at in range(1, 400, 3):
        street = Street(tmp_path / str(at))
        fate = Fate(at)
        with fate.over(street.engine), contextlib.suppress(Killed):
            street.clone()
        if not fate.came or ends_up(street):
            break
        heard |= {line.partition(":")[0] for line in street.clone()}
        assert ends_up(street)
        assert list((street.second.folder / store.FOLDER).iterdir()) == []
    assert at > 60
    assert heard == {"the data of `shop` is here already"}


def ends_up(street: Street) -> bool:
    """Whether both have all of the data, the second runs, and nothing else is there.

    What a kill stopped in the first one starts with its own next `up`, as after a kill of `devenv snapshot save`.
    """
    both = (street.project, street.second)
    there = {*street.engine.volumes, *street.engine.containers}
    containers = street.engine.containers.values()
    runs = all(one.status == "running" for one in containers if one.wanted.name.startswith("shop-second-"))
    return runs and there == names(both[0]) | names(both[1]) and {"new"} == street.words_of(both[1]) == street.words()


def names(project: Workspace) -> set[str]:
    made = workspace.resolve(workspace.load(project.folder, project.machine), "amd64")
    return {one.name for one in made.volumes} | {one.name for one in made.containers}
