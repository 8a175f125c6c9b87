"""An entry on an engine in memory, and somebody who answers on its port."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from devenv import entry as entries
from devenv import lockfile, workspace
from devenv.commands import names
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, EngineInfo, SeenImage
from devenv.entry import Entry, caddyfile, making
from devenv.model import labels
from devenv.model.blueprint import Container, Port
from devenv.model.machine import Machine
from devenv.telling import Event, Remark
from tests import ports, projects

IMAGE = SeenImage("sha256:app", "sha256:app", {})


class World:
    """A machine whose entry is locked already.

    `told` holds what the entry was told, one text for each time; `answer` is what answers on its port, if not it.
    """

    def __init__(self, folder: Path, *, local: bool = True, address: str = "memory://") -> None:
        self.machine = Machine(state=folder, entry_http=ports.free(), entry_https=ports.free(), entry_images="debian")
        self.told: list[str] = []
        self.heard: list[Event] = []
        self.answer = ""
        self._servers: list[HTTPServer] = []
        info = EngineInfo(address, "Memory", "1", "amd64", local=local, routable=local)
        self.engine = MemoryEngine(program=self._begin, execute=self._execute, info=info, images={"app:1": IMAGE})
        self._lock()

    @property
    def folder(self) -> Path:
        return entries.place(self.machine, self.engine.address)

    @property
    def instance(self) -> str:
        return entries.instance(self.folder)

    @property
    def name(self) -> str:
        return f"{self.instance}-caddy-1"

    @property
    def remarks(self) -> list[str]:
        return [one.text for one in self.heard if isinstance(one, Remark)]

    def on(self) -> names.NamesResult:
        return names.on(self.machine, self.engine, None, tell=self.heard.append)

    def app(self, unit: str, port: int, instance: str = "shop") -> None:
        """An app that is up."""
        own = {labels.INSTANCE: instance, labels.UNIT: unit, labels.KIND: "app"}
        name = f"{instance}-{unit}-1"
        self.engine.create(Container(name, unit, "app", "app:1", ports=(Port(80, port),), labels=own))
        self.engine.start(name)

    def close(self) -> None:
        """End whoever answers."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def _begin(self, container: Container) -> Ran:
        """As Caddy does when it starts, answer on its port."""
        if container.unit != "caddy":
            return Ran()
        self.close()
        server = HTTPServer(("127.0.0.1", self.machine.entry_http or 0), _answering(self.answer or self.instance))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self._servers.append(server)
        return Ran((Chunk("stdout", b'{"msg":"serving initial configuration"}\n'),))

    def _lock(self) -> None:
        entry = Entry(self.folder, 1, 2, shared=True, ipv6=False)
        project = making.project(self.machine, entry, "debian")
        lockfile.write(self.folder, projects.lock(project.project))
        for image in workspace.resolve(project, "amd64").images:
            self.engine.images[image.reference] = SeenImage(
                f"sha256:{image.key}", f"sha256:{image.key}", {labels.PIN: image.key}
            )

    def _execute(self, _name: str, command: Command) -> Ran:
        self.told.append(b"".join(command.stdin or ()).decode())
        return Ran(exit_code=0)


def _answering(text: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode() if self.path == caddyfile.ALIVE else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
