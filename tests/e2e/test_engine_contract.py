"""What every engine does, the one in memory and the real ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.engine import buildx, shared
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import Chunk, Command, Settings
from devenv.errors import Conflict, DevenvError, EngineError, NotFound, PortTaken
from devenv.model import labels
from devenv.model.blueprint import Container, Joined, Mount, Network, Port, SeenContainer, StepKind, Volume
from devenv.model.machine import Machine
from devenv.model.progress import Progress, silence
from devenv.model.project import Limits
from tests import engines, ports
from tests.engines import Lab

DOCKERFILE = b"ARG BASE\nFROM ${BASE}\nCOPY hello /hello\n"
CONTEXT = engines.tar({"Dockerfile": DOCKERFILE, "hello": b"hi\n"})
FOREVER = ("sleep", "1000")


def a_container(lab: Lab, command: tuple[str, ...] = FOREVER, *, name: str = "web-1") -> Container:
    return Container(
        name=lab.name(name),
        unit="web",
        kind="app",
        image=engines.IMAGE,
        command=command,
        stop_grace=0,
        labels=lab.labels,
    )


def a_resource(lab: Lab, kind: str) -> Container | Network | Volume:
    if kind == "container":
        return a_container(lab)
    return Network(lab.name("net"), lab.labels) if kind == "network" else Volume(lab.name("data"), lab.labels)


def started(lab: Lab, container: Container, network: str | None = None) -> str:
    lab.engine.create(container, network)
    lab.engine.start(container.name)
    return container.name


def ended(lab: Lab, container: Container) -> str:
    """Start it and read its log to the end, which is when it has ended."""
    name = started(lab, container)
    list(lab.engine.read(name, "follow"))
    return name


def text(chunks: Iterable[Chunk], stream: str = "stdout") -> bytes:
    return b"".join(chunk.data for chunk in chunks if chunk.stream == stream)


def only(lab: Lab) -> SeenContainer:
    (seen,) = lab.engine.observe(lab.instance).containers
    return seen


# --- what everything takes ---


def test_what_volumes_and_containers_take_of_the_disk_is_told_by_name(lab: Lab) -> None:
    container = replace(a_container(lab), mounts=(Mount("volume", lab.name("data"), "/data"),))
    lab.engine.create(Volume(lab.name("data"), lab.labels))
    lab.engine.create(container)
    lab.engine.unpack(container.name, "/", [engines.owned_tar("data", uid=0, mode=0o755)])
    usage = lab.engine.usage()
    assert usage.volumes[lab.name("data")] >= len("hello")
    assert usage.containers[container.name] >= 0
    assert all(size >= 0 for size in (*usage.volumes.values(), *usage.containers.values()))


def test_the_container_that_has_a_port_of_the_host_is_found_whosever_it_is(lab: Lab) -> None:
    port = Port(80, ports.free())
    assert lab.engine.publishing(port.host) is None
    lab.engine.create(Network(lab.name("net"), lab.labels))
    started(lab, replace(a_container(lab), ports=(port,)), lab.name("net"))
    found = lab.engine.publishing(port.host)
    assert found is not None
    assert (found.name, found.ports) == (lab.name("web-1"), (port,))
    assert only(lab).ports == (port,)
    lab.engine.stop(lab.name("web-1"), 0)
    assert lab.engine.publishing(port.host) is None
    assert only(lab).ports == ()


# --- images ---


def test_a_loaded_image_is_known_by_its_configuration(lab: Lab) -> None:
    archive, digest = engines.packed()
    lab.engine.load([archive[:1000], archive[1000:]])
    image = lab.engine.image(engines.IMAGE)
    assert image is not None
    assert image.config_digest == digest
    assert image.labels == {labels.PIN: "test"}


def test_an_image_is_found_by_its_id_too(lab: Lab) -> None:
    image = lab.engine.image(engines.IMAGE)
    assert image is not None
    assert lab.engine.image(image.id) == image


def test_an_image_the_engine_does_not_have_is_none(lab: Lab) -> None:
    assert lab.engine.image("devenv-test-absent:1") is None


def test_what_is_no_archive_cannot_be_loaded(lab: Lab) -> None:
    with pytest.raises(EngineError, match="load"):
        lab.engine.load([b"no tar at all" * 1000])


def test_an_error_of_the_archive_s_source_passes_through(lab: Lab) -> None:
    def broken() -> Iterable[bytes]:
        yield engines.packed()[0][:2048]
        raise LookupError("the mirror is gone")

    with pytest.raises(LookupError, match="mirror"):
        lab.engine.load(broken())


def test_an_image_tells_its_settings_and_layers(lab: Lab) -> None:
    image = lab.engine.image(engines.IMAGE)
    assert image is not None
    assert (image.env, image.command, image.user, image.volumes) == ({"PATH": "/bin"}, (), "", ())
    assert len(image.layers) == 1


def test_a_saved_image_holds_the_layers_of_its_configuration(lab: Lab) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(lab.engine.save(engines.IMAGE)))) as archive:
        (described,) = json.loads(read(archive, "manifest.json"))
        config = read(archive, described["Config"])
        digests = [f"sha256:{hashlib.sha256(read(archive, name)).hexdigest()}" for name in described["Layers"]]
    assert f"sha256:{hashlib.sha256(config).hexdigest()}" == engines.packed()[1]
    assert digests == json.loads(config)["rootfs"]["diff_ids"]


def read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_a_saved_image_can_be_loaded_again(lab: Lab) -> None:
    with engines.an_image(lab) as name:
        before = lab.engine.image(name)
        saved = list(lab.engine.save(name))
        lab.engine.remove("image", name)
        assert lab.engine.image(name) is None
        lab.engine.load(saved)
        after = lab.engine.image(name)
        assert before is not None
        assert after is not None
        assert (after.config_digest, after.layers) == (before.config_digest, before.layers)


def test_an_image_the_engine_does_not_have_cannot_be_saved(lab: Lab) -> None:
    with pytest.raises(NotFound, match="devenv-test-absent:1"):
        list(lab.engine.save("devenv-test-absent:1"))


@pytest.fixture(params=["buildx", "classic"])
def builder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> str:
    """Build by Buildx, or as if it were not there."""
    name: str = request.param
    if name == "classic":
        monkeypatch.setattr(buildx, "_is_there", lambda _env: False)
    elif shutil.which("docker") is None and not isinstance(lab.engine, MemoryEngine):
        pytest.skip("the docker command is not there")
    return name


@pytest.mark.usefixtures("builder")
def test_an_image_is_built_on_one_that_only_the_engine_has(lab: Lab) -> None:
    built, heard = f"localhost/devenv/{lab.name('built')}:1", list[Progress]()
    with engines.an_image(lab) as base:
        try:
            lab.engine.build([CONTEXT[:700], CONTEXT[700:]], built, arguments={"BASE": base}, report=heard.append)
            image, below = lab.engine.image(built), lab.engine.image(base)
        finally:
            lab.engine.remove("image", built)
    assert image is not None
    assert below is not None
    assert image.layers[:-1] == below.layers
    assert (image.env, image.labels) == (below.env, below.labels)
    assert {(one.subject, one.action, one.unit) for one in heard} == {(lab.name("built"), "building", "steps")}


@pytest.mark.usefixtures("builder")
def test_a_dockerfile_may_be_anywhere_in_the_context(lab: Lab) -> None:
    built, place = f"localhost/devenv/{lab.name('built')}:1", "docker/own"
    context = [engines.tar({"Dockerfile": b"FROM localhost/devenv/absent:1\n", place: DOCKERFILE, "hello": b"hi\n"})]
    with engines.an_image(lab) as base:
        try:
            lab.engine.build(context, built, arguments={"BASE": base}, report=silence, dockerfile=place, network=True)
            assert lab.engine.image(built) is not None
        finally:
            lab.engine.remove("image", built)


@pytest.mark.usefixtures("builder")
def test_a_build_on_what_nobody_has_fails(lab: Lab) -> None:
    built = f"localhost/devenv/{lab.name('built')}:1"
    with pytest.raises(EngineError, match="localhost"):
        lab.engine.build([CONTEXT], built, arguments={"BASE": "localhost/devenv/absent:1"}, report=silence)
    assert lab.engine.image(built) is None


@pytest.mark.usefixtures("builder")
def test_an_error_of_the_context_s_source_passes_through(lab: Lab) -> None:
    def broken() -> Iterable[bytes]:
        yield CONTEXT[:1024]
        raise LookupError("the file is gone")

    with pytest.raises(LookupError, match="file"):
        lab.engine.build(broken(), "localhost/devenv/never:1", arguments={"BASE": engines.IMAGE}, report=silence)


# --- create or adopt ---


def test_observe_tells_what_was_created(lab: Lab) -> None:
    network, volume = Network(lab.name("net"), lab.labels), Volume(lab.name("data"), lab.labels)
    lab.engine.create(network)
    lab.engine.create(volume)
    identity = lab.engine.create(a_container(lab), network.name)
    seen = lab.engine.observe(lab.instance)
    assert [one.name for one in seen.networks] == [network.name]
    assert [one.name for one in seen.volumes] == [volume.name]
    assert only(lab).id == identity
    assert only(lab).status == "created"
    assert only(lab).address == ""
    assert only(lab).labels[labels.INSTANCE] == lab.instance


def test_observe_tells_nothing_of_other_instances(lab: Lab) -> None:
    lab.engine.create(Volume(lab.name("data"), lab.labels))
    assert lab.engine.observe(f"{lab.instance}-other").volumes == ()


def test_observe_of_no_instance_in_particular_tells_of_all(lab: Lab) -> None:
    lab.engine.create(Volume(lab.name("data"), lab.labels))
    assert lab.name("data") in {one.name for one in lab.engine.observe(None).volumes}


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_creating_what_exists_adopts_it(lab: Lab, kind: str) -> None:
    resource = a_resource(lab, kind)
    assert lab.engine.create(resource) == lab.engine.create(resource)


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_creating_what_belongs_to_another_instance_is_a_conflict_that_names_it(lab: Lab, kind: str) -> None:
    resource = a_resource(lab, kind)
    lab.engine.create(resource)
    with pytest.raises(Conflict, match=resource.name):
        lab.engine.create(replace(resource, labels={labels.INSTANCE: "somebody-else"}))


def test_a_container_of_another_configuration_is_not_adopted(lab: Lab) -> None:
    container = a_container(lab)
    lab.engine.create(replace(container, labels=lab.labels | {labels.CONFIG: "old"}))
    with pytest.raises(Conflict, match=container.name):
        lab.engine.create(replace(container, labels=lab.labels | {labels.CONFIG: "new"}))


def test_one_network_comes_of_many_creations_at_once(lab: Lab) -> None:
    network = Network(lab.name("net"), lab.labels)
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(lab.engine.create(network))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = lab.engine.observe(lab.instance).networks
    assert made == [kept.id] * 8


@pytest.fixture
def team(lab: Lab) -> Iterator[Network]:
    """A network that belongs to no instance."""
    network = Network(lab.name("team"), {labels.SHARED: lab.instance})
    lab.engine.create(network)
    yield network
    for container in lab.engine.observe(lab.instance).containers:
        lab.engine.remove("container", container.name)
    lab.engine.remove("network", network.name)


def test_a_shared_network_is_adopted_by_all_who_want_it_and_is_of_no_instance(lab: Lab, team: Network) -> None:
    (found,) = (one for one in lab.engine.shared() if one.name == team.name)
    assert lab.engine.create(team) == found.id
    assert found.labels[labels.SHARED] == lab.instance
    assert team.name not in {one.name for one in lab.engine.observe(None).networks}
    for other in ({labels.SHARED: "other"}, lab.labels):
        with pytest.raises(Conflict, match=team.name):
            lab.engine.create(replace(team, labels=other))


def test_a_container_is_in_its_further_networks_from_its_creation_on(lab: Lab, team: Network) -> None:
    own = Network(lab.name("net"), lab.labels)
    lab.engine.create(own)
    container = replace(a_container(lab), networks=(Joined(team.name, f"web.{lab.instance}"),))
    # As if whoever created it had been killed before it was in there.
    assert lab.engine.create(replace(container, networks=()), own.name) == lab.engine.create(container, own.name)
    assert set(only(lab).networks) == {own.name, team.name}
    assert lab.engine.create(container, own.name) == only(lab).id
    lab.engine.start(container.name)
    (there,) = (one for one in lab.engine.shared() if one.name == team.name)
    assert only(lab).networks[team.name] == there.id
    settings = lab.engine.look(container.name).settings
    assert settings is not None
    assert settings.networks == tuple(sorted((own.name, team.name)))
    with pytest.raises(Conflict, match=team.name):
        lab.engine.remove("network", team.name)


def test_a_container_whose_further_network_is_gone_cannot_start(lab: Lab) -> None:
    container = replace(a_container(lab), networks=(Joined(lab.name("absent"), "web.shop"),))
    own = Network(lab.name("net"), lab.labels)
    lab.engine.create(own)
    with pytest.raises(NotFound, match=lab.name("absent")):
        started(lab, container, own.name)


def test_a_container_without_its_image_is_not_found(lab: Lab) -> None:
    with pytest.raises(NotFound, match="devenv-test-absent:1"):
        lab.engine.create(replace(a_container(lab), image="devenv-test-absent:1"))


# --- start, stop, remove ---


def test_a_started_container_runs_and_has_an_address(lab: Lab) -> None:
    network = Network(lab.name("net"), lab.labels)
    lab.engine.create(network)
    name = started(lab, a_container(lab), network.name)
    state = lab.engine.look(name)
    assert state.running
    assert state.exit_code is None
    assert state.address == only(lab).address != ""
    assert only(lab).status == "running"


def test_starting_and_stopping_twice_is_no_error(lab: Lab) -> None:
    name = started(lab, a_container(lab))
    lab.engine.start(name)
    lab.engine.stop(name, 0)
    lab.engine.stop(name, 0)
    state = lab.engine.look(name)
    assert not state.running
    assert state.exit_code is not None
    assert state.address == ""


def test_a_stopped_container_can_be_started_again(lab: Lab) -> None:
    name = started(lab, a_container(lab))
    lab.engine.stop(name, 0)
    lab.engine.start(name)
    assert lab.engine.look(name).running


def test_a_program_that_ends_leaves_its_exit_code(lab: Lab) -> None:
    name = ended(lab, a_container(lab, ("sh", "-c", "echo out; echo wrong >&2; exit 3")))
    assert lab.engine.look(name).exit_code == 3
    assert only(lab).status == "exited"


def test_a_taken_port_is_a_conflict_that_names_it_until_it_is_free(lab: Lab) -> None:
    port = ports.free()
    first = replace(a_container(lab, name="a-1"), ports=(Port(8000, port),))
    second = replace(a_container(lab, name="b-1"), ports=(Port(8000, port),))
    network = Network(lab.name("net"), lab.labels)
    lab.engine.create(network)
    started(lab, first, network.name)
    lab.engine.create(second, network.name)
    for _ in range(2):
        with pytest.raises(PortTaken, match=f"port {port}"):
            lab.engine.start(second.name)
    lab.engine.stop(first.name, 0)
    lab.engine.start(second.name)
    assert lab.engine.look(second.name).running


def test_observe_tells_what_a_container_publishes_while_it_runs(lab: Lab) -> None:
    one, two = sorted((ports.free(), ports.free()))
    published = (Port(80, one), Port(81, two))
    lab.engine.create(Network(lab.name("net"), lab.labels))
    name = started(lab, replace(a_container(lab), ports=published), lab.name("net"))
    assert only(lab).ports == published
    lab.engine.stop(name, 0)
    assert only(lab).ports == ()


def test_a_container_may_have_the_network_of_the_engine_s_computer(lab: Lab) -> None:
    name = started(lab, replace(a_container(lab), network="host"))
    state = lab.engine.look(name)
    assert (state.running, state.address) == (True, "")
    assert state.settings is not None
    assert state.settings.networks == ("host",)


@pytest.mark.parametrize("kind", ["container", "network", "volume", "image"])
def test_removing_what_is_gone_is_no_error(lab: Lab, kind: StepKind) -> None:
    lab.engine.remove(kind, lab.name("absent"))


def test_stopping_what_is_gone_is_no_error(lab: Lab) -> None:
    lab.engine.stop(lab.name("absent"), 0)


def test_a_running_container_can_be_removed(lab: Lab) -> None:
    lab.engine.remove("container", started(lab, a_container(lab)))
    assert lab.engine.observe(lab.instance).containers == ()


def test_a_network_in_use_is_a_conflict(lab: Lab) -> None:
    network = Network(lab.name("net"), lab.labels)
    lab.engine.create(network)
    started(lab, a_container(lab), network.name)
    with pytest.raises(Conflict, match=network.name):
        lab.engine.remove("network", network.name)


def test_a_volume_in_use_is_a_conflict(lab: Lab) -> None:
    volume = Volume(lab.name("data"), lab.labels)
    lab.engine.create(volume)
    lab.engine.create(replace(a_container(lab), mounts=(Mount("volume", volume.name, "/data"),)))
    with pytest.raises(Conflict, match="in use"):
        lab.engine.remove("volume", volume.name)


@pytest.mark.parametrize("call", ["start", "look", "changes", "read", "exec"])
def test_a_container_that_is_not_there_is_not_found(lab: Lab, call: str) -> None:
    calls: dict[str, Callable[[str], object]] = {
        "start": lambda name: lab.engine.start(name),
        "look": lambda name: lab.engine.look(name),
        "changes": lambda name: lab.engine.changes(name),
        "read": lambda name: list(lab.engine.read(name, "logs")),
        "exec": lambda name: lab.engine.exec(name, Command(("cat",))),
    }
    with pytest.raises(NotFound, match=lab.name("absent")):
        calls[call](lab.name("absent"))


# --- look ---


def test_a_container_tells_what_it_was_created_with(lab: Lab, tmp_path: Path) -> None:
    network, volume = Network(lab.name("net"), lab.labels), Volume(lab.name("data"), lab.labels)
    lab.engine.create(network)
    lab.engine.create(volume)
    mounts = (
        Mount("volume", volume.name, "/data", read_only=True),
        Mount("bind", str(tmp_path), "/host"),
        Mount("tmpfs", "", "/owned", owner="7:8"),
        Mount("tmpfs", "", "/scratch"),
    )
    limits = Limits(cpus=0.5, memory=64 * 1024 * 1024, pids=50)
    port = Port(8000, ports.free())
    container = replace(
        a_container(lab),
        entrypoint=("sleep",),
        command=("7",),
        env={"A": "x=y", "EMPTY": ""},
        user="1:2",
        working_dir="/data",
        mounts=mounts[::-1],
        ports=(port,),
        limits=limits,
        capabilities=("SYS_PTRACE", "NET_ADMIN"),
    )
    lab.engine.create(container, network.name)
    image = lab.engine.image(engines.IMAGE)
    assert image is not None
    assert lab.engine.look(container.name).settings == Settings(
        image=image.id,
        env={"PATH": "/bin", "A": "x=y", "EMPTY": ""},
        entrypoint=("sleep",),
        command=("7",),
        user="1:2",
        working_dir="/data",
        mounts=mounts,
        ports=(port,),
        limits=limits,
        networks=(network.name,),
        labels=lab.labels | {labels.PIN: "test"},
        capabilities=("NET_ADMIN", "SYS_PTRACE"),
    )


def test_a_container_tells_what_it_uses_or_nothing(lab: Lab) -> None:
    name = started(lab, replace(a_container(lab), limits=Limits(memory=64 << 20)))
    used = lab.engine.use(name)
    assert used is None or (0 < used.memory < 64 << 20 and used.pids >= 1)
    lab.engine.stop(name, 0)
    assert lab.engine.use(name) is None


def test_a_container_in_which_nothing_was_ended_has_not_run_out_of_memory(lab: Lab) -> None:
    name = started(lab, a_container(lab))
    assert not lab.engine.ran_out_of_memory(name, 60)


def test_a_container_without_settings_of_its_own_has_the_image_s(lab: Lab) -> None:
    lab.engine.create(a_container(lab))
    settings = lab.engine.look(lab.name("web-1")).settings
    assert settings is not None
    assert (settings.env, settings.command, settings.user) == ({"PATH": "/bin"}, FOREVER, "")
    assert (settings.mounts, settings.ports, settings.networks, settings.limits) == ((), (), (), Limits())


def test_a_new_container_has_no_changes(lab: Lab) -> None:
    lab.engine.create(a_container(lab))
    assert lab.engine.changes(lab.name("web-1")) == ()


# --- inside ---


def test_the_log_has_both_streams(lab: Lab) -> None:
    name = ended(lab, a_container(lab, ("sh", "-c", "echo out; echo wrong >&2; exit 3")))
    assert text(lab.engine.read(name, "logs")) == b"out\n"
    assert text(lab.engine.read(name, "logs"), "stderr") == b"wrong\n"


def test_a_followed_log_ends_with_its_container(lab: Lab) -> None:
    name = started(lab, a_container(lab, ("echo", "done")))
    assert text(lab.engine.read(name, "follow")) == b"done\n"


def test_the_tail_of_a_log_is_its_last_lines(lab: Lab) -> None:
    name = started(lab, a_container(lab, ("sh", "-c", "echo one; echo two; echo three; exec sleep 1000")))
    followed = b""
    for chunk in lab.engine.read(name, "follow"):
        followed += chunk.data
        if b"three" in followed:
            break
    assert text(lab.engine.read(name, "logs", tail=2)) == b"two\nthree\n"
    assert text(lab.engine.read(name, "logs", tail=0)) == b""


def test_a_command_gives_its_output_and_exit_code(lab: Lab) -> None:
    running = lab.engine.exec(started(lab, a_container(lab)), Command(("sh", "-c", "echo out; echo wrong >&2; exit 3")))
    output = list(running)
    assert (text(output), text(output, "stderr"), running.exit_code) == (b"out\n", b"wrong\n", 3)


def test_a_command_reads_what_it_is_fed_to_the_end(lab: Lab) -> None:
    blocks = [bytes([number]) * 100_000 for number in range(20)]
    running = lab.engine.exec(started(lab, a_container(lab)), Command(("cat",), stdin=blocks))
    assert text(running) == b"".join(blocks)
    assert running.exit_code == 0


def test_a_command_without_input_reads_the_end_at_once(lab: Lab) -> None:
    running = lab.engine.exec(started(lab, a_container(lab)), Command(("cat",)))
    assert text(running) == b""
    assert running.exit_code == 0


def test_no_command_runs_in_a_stopped_container(lab: Lab) -> None:
    name = ended(lab, a_container(lab, ("echo", "done")))
    with pytest.raises(Conflict, match="not running"):
        lab.engine.exec(name, Command(("cat",)))


# --- files of this host ---


def test_copied_files_are_root_s_in_the_new_container_and_no_changes_nor_mounts(lab: Lab, tmp_path: Path) -> None:
    targets = ("/etc/users", "/new/deep/a", "/new/deep/b")
    (tmp_path / "file").write_bytes(b"content")
    mounts = tuple(Mount("copy", str(tmp_path / "file"), target, read_only=True) for target in targets)
    told = lab.labels | {labels.COPIED: json.dumps(targets)}
    container = replace(a_container(lab), mounts=mounts, labels=told)
    # As if whoever created it had been killed before the files were in it.
    assert lab.engine.create(replace(container, mounts=())) == lab.engine.create(container)
    with tarfile.open(fileobj=io.BytesIO(text(lab.engine.read(container.name, "files")))) as archive:
        for target in targets:
            member = archive.getmember(target[1:])
            assert (member.mode & 0o7777, member.uid, member.gid) == (0o444, 0, 0)
            assert read(archive, target[1:]) == b"content"
    settings = lab.engine.look(container.name).settings
    assert settings is not None
    assert settings.mounts == ()
    assert lab.engine.changes(container.name) == ()


def test_what_is_unpacked_into_a_volume_is_packed_again_with_owners_and_modes(lab: Lab) -> None:
    lab.engine.create(Volume(lab.name("data"), lab.labels))
    holder = replace(a_container(lab), mounts=(Mount("volume", lab.name("data"), "/held"),))
    lab.engine.create(holder)
    lab.engine.unpack(holder.name, "/", iter([engines.owned_tar("held", uid=4711, mode=0o1750)]))
    lab.engine.remove("container", holder.name)
    lab.engine.create(holder)
    with tarfile.open(fileobj=io.BytesIO(b"".join(lab.engine.pack(holder.name, "/held")))) as tar:
        found = {one.name: (one.uid, one.mode & 0o7777, one.size) for one in tar}
    assert found == {"held": (4711, 0o1750, 0), "held/file": (4711, 0o600, 5)}


def test_a_path_that_is_not_there_cannot_be_packed(lab: Lab) -> None:
    lab.engine.create(a_container(lab))
    with pytest.raises(NotFound):
        list(lab.engine.pack(lab.name("web-1"), "/absent"))


def test_an_archive_that_is_none_cannot_be_unpacked(lab: Lab) -> None:
    lab.engine.create(a_container(lab))
    with pytest.raises(EngineError):
        lab.engine.unpack(lab.name("web-1"), "/", [b"no archive" * 100])


def test_a_file_that_cannot_be_copied_leaves_no_container(lab: Lab, tmp_path: Path) -> None:
    mount = Mount("copy", str(tmp_path / "absent"), "/etc/users", read_only=True)
    with pytest.raises(DevenvError, match="absent"):
        lab.engine.create(replace(a_container(lab), mounts=(mount,)))
    assert lab.engine.observe(lab.instance).containers == ()


def test_a_file_of_this_host_is_read_as_a_mount_would_show_it(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00content")
    assert lab.engine.read_host(tmp_path / "file") == b"\x00content"
    assert lab.engine.read_host(tmp_path / "absent") is None
    assert lab.engine.read_host(tmp_path / "no folder" / "file") is None


def test_an_engine_here_shares_a_folder_of_this_host(lab: Lab, tmp_path: Path) -> None:
    assert shared.shares(lab.engine, tmp_path, Machine(state=tmp_path / "state"))
