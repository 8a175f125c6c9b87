"""`devenv ls`, `devenv prune` and `devenv down --all`, on an engine that others use as well."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import entry, instances
from devenv.blueprint import joined
from devenv.commands import down_all, ls, prune
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import Conflict, Problems
from devenv.instances import Checkout, ledger, state
from devenv.live import place
from devenv.model import labels
from devenv.model.blueprint import Container, Mount, Network, Port, Volume
from devenv.model.machine import Machine

MINE, THEIRS = "0123456789abcdef", "fedcba9876543210"


class Fleet:
    """Several instances on one engine, and look-alikes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machine = Machine(state=root / "state")
        (root / "state").mkdir()
        (root / "state" / "host").write_text(MINE)
        self.engine = MemoryEngine(images={"app": SeenImage("app", "app", {})})
        self.port = 20000

    def folder(self, name: str) -> Path:
        made = self.root / name
        made.mkdir()
        (made / "devenv.toml").touch()
        return made

    def instance(self, name: str, folder: Path | str, *, host: str | None = MINE, runs: bool = True) -> None:
        """An instance with an app, its files, a service with data, and a network."""
        own = {labels.INSTANCE: name, labels.FOLDER: str(folder)} | ({labels.HOST: host} if host else {})
        self.engine.create(Network(f"{name}_default", own))
        self.engine.create(Volume(f"{name}_redis-data", own))
        self.engine.contents[f"{name}_redis-data"] = b"12345"
        for unit, kind in (("redis", "service"), ("web", "app"), ("web.files", "files")):
            self.port += 1
            labelled = own | {labels.UNIT: unit, labels.KIND: kind}
            mounts = (Mount("volume", f"{name}_redis-data", "/data"),) if unit == "redis" else ()
            ports = (Port(80, self.port),) if unit != "web.files" else ()
            made = Container(f"{name}-{unit}-1", unit, "app", "app", labels=labelled, mounts=mounts, ports=ports)
            self.engine.create(made, f"{name}_default")
            if runs and unit != "web.files":
                self.engine.start(made.name)

    def look_alikes(self) -> None:
        """What is called like a lost instance's and has not our labels."""
        self.engine.volumes["lost_data"] = replace(
            next(iter(self.engine.volumes.values())), name="lost_data", labels={}
        )
        like = {labels.COMPOSE_PROJECT: "lost", labels.FOLDER: str(self.root / "lost")}
        self.engine.networks["lost_net"] = replace(
            next(iter(self.engine.networks.values())), name="lost_net", labels=like
        )

    def names(self) -> set[str]:
        return {*self.engine.containers, *self.engine.volumes, *self.engine.networks}

    def prune(self) -> prune.PruneResult:
        found = prune.gone(self.engine, self.machine)
        return prune.run(self.engine, self.machine, found, tell=lambda _: None)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


# --- ls ---


def test_every_instance_is_listed_with_what_there_is_of_it(fleet: Fleet) -> None:
    here, other = fleet.folder("here"), fleet.folder("other")
    fleet.instance("shop", here)
    fleet.instance("shop-other", other, runs=False)
    fleet.instance("lost", fleet.root / "lost")
    fleet.instance("theirs", "/their/shop", host=THEIRS)
    for name in ("lost-redis-1", "lost-web-1", "lost-web.files-1"):
        fleet.engine.remove("container", name)
    lost, shop, second, theirs = ls.run(fleet.engine, fleet.machine, here)
    assert (shop.name, shop.folder, shop.is_this, shop.is_gone, shop.is_foreign) == (
        "shop", str(here), True, False, False
    )  # fmt: skip
    assert (shop.state, shop.running, shop.containers, shop.size) == ("running", 2, 2, 5)
    assert [(one.unit, one.url) for one in shop.addresses] == [
        ("web", "http://127.0.0.1:20002"),
        ("redis", "127.0.0.1:20001"),
    ]
    assert (second.state, second.running, second.containers, second.addresses) == ("stopped", 0, 2, ())
    assert (lost.state, lost.is_gone, lost.is_foreign) == ("data", True, False)
    assert (theirs.is_gone, theirs.is_foreign) == (False, True)


def test_apps_behind_a_balancer_are_listed_by_their_own_names(fleet: Fleet) -> None:
    own = {labels.INSTANCE: "shop", labels.FOLDER: str(fleet.folder("here")), labels.HOST: MINE}
    own |= {labels.UNIT: "balancer", labels.KIND: "balancer", labels.NAMES: '{"web":8000,"api":9000}'}
    ports = (Port(8000, 20001), Port(9000, 20002))
    fleet.engine.create(Container("shop-balancer-1", "balancer", "balancer", "app", labels=own, ports=ports))
    fleet.engine.start("shop-balancer-1")
    (shop,) = ls.run(fleet.engine, fleet.machine, None)
    assert [(one.unit, one.url) for one in shop.addresses] == [
        ("api", "http://127.0.0.1:20002"),
        ("web", "http://127.0.0.1:20001"),
    ]


def test_without_instances_nothing_is_measured(fleet: Fleet) -> None:
    assert ls.run(fleet.engine, fleet.machine, None) == ()
    assert ("usage", "") not in fleet.engine.calls


# --- prune ---


def test_what_has_lost_its_folder_goes_and_nothing_else_does(fleet: Fleet) -> None:
    fleet.instance("shop", fleet.folder("here"))
    fleet.instance("theirs", "/their/shop", host=THEIRS)
    fleet.instance("old", "/somewhere/old", host=None)
    fleet.look_alikes()
    before = fleet.names()
    fleet.instance("lost", fleet.root / "lost")
    (gone,) = fleet.prune().instances
    assert (gone.name, gone.folder, gone.containers, gone.volumes, gone.size) == (
        "lost", str(fleet.root / "lost"), 3, ("lost_redis-data",), 5
    )  # fmt: skip
    assert fleet.names() == before
    assert fleet.prune().instances == ()


def test_a_folder_that_came_back_keeps_its_data(fleet: Fleet) -> None:
    fleet.instance("lost", fleet.root / "lost")
    found = prune.gone(fleet.engine, fleet.machine)
    fleet.folder("lost")
    before = fleet.names()
    assert prune.run(fleet.engine, fleet.machine, found, tell=lambda _: None).instances == ()
    assert fleet.names() == before


def test_what_another_checkout_goes_on_with_is_not_lost(fleet: Fleet) -> None:
    fleet.instance("shop", fleet.root / "lost")
    instances.claim(Checkout(fleet.folder("second"), "shop", fleet.machine))
    assert prune.gone(fleet.engine, fleet.machine) == ()
    fleet.instance("library", fleet.root / "lost")
    own = {labels.INSTANCE: "library", labels.FOLDER: str(fleet.folder("library")), labels.HOST: MINE}
    fleet.engine.create(Volume("library_web-home", own))
    assert prune.gone(fleet.engine, fleet.machine) == ()


def test_a_folder_that_may_not_be_looked_at_counts_as_there(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.instance("closed", fleet.root / "closed")

    def refuse(_: Path) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", refuse)
        assert prune.gone(fleet.engine, fleet.machine) == ()
    assert [one.name for one in prune.gone(fleet.engine, fleet.machine)] == ["closed"]


def test_a_network_that_only_a_lost_instance_shared_goes_with_it(fleet: Fleet) -> None:
    fleet.instance("lost", fleet.root / "lost")
    for name in ("team", "others"):
        network = Network(joined.network(name), {labels.SHARED: name})
        fleet.engine.create(network)
    lost, web = fleet.engine.containers["lost-web-1"], fleet.engine.containers["lost-redis-1"]
    lost.joined[joined.network("team")] = web.joined[joined.network("others")] = ""
    fleet.instance("shop", fleet.folder("here"))
    fleet.engine.containers["shop-web-1"].joined[joined.network("others")] = ""
    fleet.prune()
    assert joined.network("team") not in fleet.names()
    assert joined.network("others") in fleet.names()


def test_the_machine_forgets_checkouts_that_are_gone(fleet: Fleet) -> None:
    kept = place.of(fleet.machine, "memory://", "shop")
    kept.state("shop_web-files").mkdir(parents=True)
    instances.claim(Checkout(fleet.folder("first"), "shop", fleet.machine))
    assert fleet.prune().forgotten == ()
    shutil.rmtree(fleet.root / "first")
    assert fleet.prune().forgotten == ("shop",)
    assert ledger.read(fleet.machine) == {}
    assert not kept.folder.exists()


# --- down --all ---


def down(fleet: Fleet, *, volumes: bool = False, force: bool = False) -> list[str]:
    found = down_all.chosen(fleet.engine, fleet.machine, volumes=volumes)
    done = down_all.run(fleet.engine, fleet.machine, found, volumes=volumes, force=force, tell=lambda _: None)
    return [one.instance for one in done]


def test_every_instance_of_this_machine_goes_down_and_keeps_its_data(fleet: Fleet) -> None:
    fleet.instance("theirs", "/their/shop", host=THEIRS)
    before = fleet.names()
    fleet.instance("shop", fleet.folder("here"))
    fleet.instance("lost", fleet.root / "lost")
    fleet.instance("old", fleet.folder("old"), host=None)
    assert down(fleet) == ["lost", "old", "shop"]
    assert fleet.names() == before | {f"{name}_redis-data" for name in ("shop", "lost", "old")}
    assert down(fleet) == []
    assert down(fleet, volumes=True) == ["lost", "old", "shop"]
    assert fleet.names() == before


def test_the_number_of_replicas_is_forgotten_as_after_the_project_s_own_down(fleet: Fleet) -> None:
    folder = fleet.folder("here")
    state.record(folder, {"replicas": {"web": 5}})
    fleet.instance("shop", folder)
    assert down(fleet) == ["shop"]
    assert state.table(folder, "replicas") == {}


def test_the_entry_for_names_stays_and_learns_what_is_gone(fleet: Fleet) -> None:
    folder = entry.place(fleet.machine, fleet.engine.address)
    folder.mkdir(parents=True)
    (folder / "devenv.toml").touch()
    names = entry.Entry(folder, 80, 443, shared=True, ipv6=True)
    entry.record(names)
    fleet.instance(names.instance, folder)
    fleet.instance("shop", fleet.folder("here"))
    found = down_all.chosen(fleet.engine, fleet.machine, volumes=False)
    down_all.run(fleet.engine, fleet.machine, found, volumes=False, force=False, tell=lambda _: None)
    assert [one.name for one in found] == ["shop"]
    assert f"{names.instance}-web-1" in fleet.names()
    assert ("exec", f"{names.instance}-redis-1") in fleet.engine.calls


def test_files_that_are_not_outside_keep_their_volumes_and_do_not_keep_others(fleet: Fleet) -> None:
    for name in ("first", "second"):
        fleet.instance(name, fleet.folder(name))
    fleet.engine.start("first-web.files-1")
    with pytest.raises(Conflict, match="what was changed inside `first` is not outside yet"):
        down(fleet, volumes=True)
    assert {name.partition("-")[0].partition("_")[0] for name in fleet.names()} == {"first"}
    assert down(fleet, volumes=True, force=True) == ["first"]
    assert fleet.names() == set()


def test_all_that_stands_in_the_way_is_told(fleet: Fleet) -> None:
    for name in ("first", "second", "third"):
        fleet.instance(name, fleet.folder(name))
    fleet.engine.fail_on = lambda call, target: (
        Conflict(f"{target} is busy")
        if call == "remove" and "network" not in target and "third" not in target
        else None
    )
    with pytest.raises(Problems) as caught:
        down(fleet)
    assert len(caught.value.problems) == 2
    assert {name for name in fleet.names() if name.startswith("third")} == {"third_redis-data"}
