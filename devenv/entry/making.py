"""Makes the entry: a project of the machine, with Caddy from the catalog, converged as every other."""

from __future__ import annotations

import http.client
import socket
import time
from dataclasses import replace

from devenv import blueprint, environment, files, lockfile, pinning, workspace
from devenv.blueprint import scripts
from devenv.config import NAME
from devenv.engine import ports
from devenv.engine.protocol import Engine, EngineInfo
from devenv.entry import UNIT, Entry, caddyfile
from devenv.errors import Conflict, EngineError, NotReady
from devenv.model.blueprint import Blueprint, Container, Port, Probe, Readiness
from devenv.model.machine import Machine
from devenv.model.project import Origin
from devenv.telling import Tell
from devenv.workspace import Workspace

FREE = range(20000, 30000)
_SERVES = "serving initial configuration"
PATIENCE = 5.0


def start(
    machine: Machine, engine: Engine, entry: Entry, origin: Origin | None = None, tell: Tell | None = None
) -> None:
    """Bring the entry up, and see that it is reached from here.

    Args:
        origin: Where its image comes from, unless the machine's settings or an earlier start have said so.

    Raises:
        DevenvError: There is no image, or it does not start.
        EngineError: It is not reached.
    """
    own = project(machine, entry, origin)
    architecture = engine.info.architecture
    heard = tell or (lambda _: None)
    _lock(own, architecture, heard)
    wanted = adapted(own, entry, architecture)
    try:
        outcome = environment.converge(own, engine, wanted, tell=heard)
    except NotReady as error:
        hint = f"`devenv --project {entry.folder} logs` shows all it wrote"
        raise NotReady(f"the entry for names does not start: {error.message}", hint=hint) from error
    environment.record(own, outcome.digests, architecture)
    _reached(entry)


def adapted(own: Workspace, entry: Entry, architecture: str) -> Blueprint:
    """The project's blueprint, with Caddy where it reaches what is published on the host."""
    made = workspace.resolve(own, architecture)
    place = workspace.placement(own)
    (caddy,) = (_adapted(one, entry) for one in made.containers)
    return replace(made, containers=(blueprint.labelled(caddy, place),))


def _adapted(caddy: Container, entry: Entry) -> Container:
    # A proxy of the machine must not be asked for what is on it, so there are no variables but Caddy's own.
    return replace(
        caddy,
        entrypoint=("/bin/sh", "-c", scripts.data("entry.sh"), "devenv-entry"),
        command=(caddyfile.text(entry),),
        env={"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/data/config"},
        mounts=tuple(mount for mount in caddy.mounts if mount.kind == "volume"),
        network="host" if entry.shared else "instance",
        ports=() if entry.shared else (Port(entry.http, entry.http), Port(entry.https, entry.https)),
        readiness=Readiness((Probe(log=_SERVES),)),
        health=None,
    )


def shares_network(info: EngineInfo) -> bool:
    """Whether the engine's host network is this machine's; else, as in Docker Desktop, it publishes ports here.

    Raises:
        EngineError: It does neither: it runs on another computer.
    """
    if info.local:
        return True
    if info.address.startswith("unix://"):
        return False
    raise EngineError(
        "names lead to this computer, and the engine runs on another one",
        hint="use `--engine` with an engine of this computer",
    )


def choose(
    asked: int | None, usual: tuple[int, ...], *, own: frozenset[int], low: bool, besides: int | None = None
) -> tuple[int, str | None]:
    """A port to listen on, and why it is not the usual one.

    Args:
        asked: The one that the user's settings name.
        usual: Those to try first.
        own: What the entry itself listens on now, which counts as free.
        low: Whether it may listen on ports below 1024.
        besides: The port that is chosen already.

    Raises:
        Conflict: The one asked for is taken.
    """
    if asked is not None:
        held = "HTTP" if asked == besides else None if asked in own else _holder(asked)
        if held is not None:
            hint = "stop it, or set another port in `[entry]` of your `config.toml`"
            raise Conflict(f"names cannot have port {asked}: {held} listens there", hint=hint)
        return asked, None
    first = usual[0]
    why = None
    for port in (*usual, *FREE):
        if port == besides:
            continue
        if port in own:
            return port, why
        held = None if port < 1024 and not low else _holder(port)
        if held is None and (low or port > 1023):
            return port, why
        if port == first:
            why = f"{held} listens on {port}" if held is not None else "this engine cannot listen below 1024"
    raise Conflict("no free port between 20000 and 29999", hint="stop what listens there")


def has_ipv6() -> bool:
    """Whether `::1` can be listened on."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _holder(port: int) -> str | None:
    held = ports.taken((Port(port, port), *((Port(port, port, "::1"),) if has_ipv6() else ())))
    return None if held is None else held.holder


def project(machine: Machine, entry: Entry, origin: Origin | None) -> Workspace:
    """The entry's project; its image keeps its origin until another one is asked for."""
    path = entry.folder / NAME
    chosen = machine.entry_images or (None if path.is_file() else origin or "registry")
    if chosen is not None:
        text = f'# Made by `devenv names on`.\nname = "{entry.instance}"\nimages = "{chosen}"\n\n[services.{UNIT}]\n'
        if not path.is_file() or path.read_text() != text:
            files.write(path, text)
    return workspace.load(entry.folder, machine)


def _lock(own: Workspace, architecture: str, tell: Tell) -> None:
    previous = lockfile.read(own.folder)
    if previous is None or lockfile.stale(previous, own.project, own.entries, architecture):
        made = pinning.complete(own, (architecture,), previous=previous, report=tell)
        lockfile.write(own.folder, made)


def _reached(entry: Entry) -> None:
    """See that it is the entry that answers here.

    Raises:
        EngineError: An engine without root's rights has a network of its own, and calls it the host's.
    """
    deadline = time.monotonic() + PATIENCE
    while _answer(entry) != entry.instance:
        if time.monotonic() > deadline:
            raise EngineError(
                f"the entry runs, but nothing of it answers on port {entry.http} of this computer",
                hint="names need an engine with this computer's network: one with root's rights, or Docker Desktop",
            )
        time.sleep(0.05)


def _answer(entry: Entry) -> str:
    asked = http.client.HTTPConnection("127.0.0.1", entry.http, timeout=1)
    try:
        asked.request("GET", caddyfile.ALIVE)
        return asked.getresponse().read(200).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        asked.close()
