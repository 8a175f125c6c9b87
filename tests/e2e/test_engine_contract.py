"""What every engine does, the one in memory and the real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from devenv.engine.protocol import Chunk, Command
from devenv.errors import Conflict, EngineError, NotFound
from devenv.model import labels
from devenv.model.blueprint import Container, Mount, Network, Port, SeenContainer, StepKind, Volume
from tests import engines
from tests.engines import Lab

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
    first = replace(a_container(lab, name="a-1"), ports=(Port(8000, 48731),))
    second = replace(a_container(lab, name="b-1"), ports=(Port(8000, 48731),))
    network = Network(lab.name("net"), lab.labels)
    lab.engine.create(network)
    started(lab, first, network.name)
    lab.engine.create(second, network.name)
    for _ in range(2):
        with pytest.raises(Conflict, match="port 48731"):
            lab.engine.start(second.name)
    lab.engine.stop(first.name, 0)
    lab.engine.start(second.name)
    assert lab.engine.look(second.name).running


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


@pytest.mark.parametrize("call", ["start", "look", "read", "exec"])
def test_a_container_that_is_not_there_is_not_found(lab: Lab, call: str) -> None:
    calls: dict[str, Callable[[str], object]] = {
        "start": lambda name: lab.engine.start(name),
        "look": lambda name: lab.engine.look(name),
        "read": lambda name: list(lab.engine.read(name, "logs")),
        "exec": lambda name: lab.engine.exec(name, Command(("cat",))),
    }
    with pytest.raises(NotFound, match=lab.name("absent")):
        calls[call](lab.name("absent"))


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
