"""One service of a compose file → one of devenv: by the catalog, an image, or the project's own Dockerfile."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import dockerfile, reference, toml
from devenv.config import border, units
from devenv.detection import variables
from devenv.detection.draft import Value
from devenv.errors import DevenvError
from devenv.importing import amounts, catalogued, composition, interpolation, tree, yamls
from devenv.importing.amounts import Mounted
from devenv.importing.composition import Composition
from devenv.importing.loss import Weight
from devenv.importing.tree import Node
from devenv.importing.unit import Surroundings, Unit
from devenv.reference import Reference

_VARIABLE = re.compile(border.VARIABLE)
_IMAGE = re.compile(str(border.SERVICE.keys["image"].shape.core["pattern"]))
_USER = re.compile(str(border.SERVICE.keys["run_as"].shape.core["pattern"]))
_STAGE = re.compile(str(border.SERVICE.keys["target"].shape.core["pattern"]))
_VOLUME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_FEWEST_SECONDS = 60.0
SOCKETS = frozenset({"/var/run/docker.sock", "/run/docker.sock"})

_Words = tuple[str, str, Weight]
TOLD: Mapping[str, _Words] = {
    "annotations": ("they change nothing here", "", "harmless"),
    "attach": ("`devenv logs` shows every service", "", "harmless"),
    "container_name": ("devenv names containers after project and service", "", "harmless"),
    "develop": ("what changes do is said by `[[sync.rules]]`", "", "harmless"),
    "expose": ("containers reach each other at every port", "", "harmless"),
    "init": ("every container has one here", "", "harmless"),
    "labels": ("they change nothing here", "if a tool reads them, tell it in another way", "harmless"),
    "label_file": ("they change nothing here", "", "harmless"),
    "logging": ("the engine keeps logs, and `devenv logs` shows them", "", "harmless"),
    "pull_policy": ("images are pinned by `devenv.lock`", "", "harmless"),
    "stdin_open": ("`devenv shell` and `devenv exec` give a terminal", "", "harmless"),
    "tty": ("`devenv shell` and `devenv exec` give a terminal", "", "harmless"),
    "platform": ("images are pinned for the engine's own architecture", "name others in `platforms`", "changed"),
    "restart": ("devenv leaves what ended as it is, so that it is seen", "`devenv up` starts it again", "changed"),
    "stop_grace_period": ("services get 10 s to end", "", "changed"),
    "stop_signal": ("the image's own is used", "", "changed"),
}
"""Keys of which there is nothing to carry over, and why."""
_OWN = "build a small image on top of it that does so, by `dockerfile`"
LOST: Mapping[str, tuple[str, str]] = {
    "cap_drop": ("no capability can be taken away", "leave it; the service may do more than it could"),
    "devices": ("devices of this machine cannot be given", "a mount of `/dev/…` may do, after `devenv trust`"),
    "dns": ("the engine's own resolver is used", "configure the engine"),
    "extra_hosts": ("further host names cannot be given", "use the service's name, or an address, where it is named"),
    "network_mode": ("every service is in the project's network", "reach the others by their names"),
    "read_only": ("the container's file system can be written to", "nothing, if it only was a safeguard"),
    "security_opt": ("the engine's own defaults are used", "nothing, if it only was a safeguard"),
    "shm_size": ("the engine gives 64 MB of shared memory", "tell the program to use less, or another folder"),
    "tmpfs": ("nothing is mounted in memory", "it is an ordinary folder of the container now"),
    "ulimits": ("the engine's own are used", "set them for the engine"),
    "volumes_from": ("volumes belong to one service", "name the folders in `volumes` or `mounts`"),
}
"""Keys that something should have been carried over of."""


def make(name: str, node: Node, source: Composition, around: Surroundings) -> Unit:
    """What one service becomes; what is lost of it is noted in it."""
    return _Service(name, node, source, around).result()


class _Service:
    def __init__(self, name: str, node: Node, source: Composition, around: Surroundings) -> None:
        self.unit = Unit(around.names[name], f"services.{toml.printable(name)}", node)
        self._node = node
        self._source = source
        self._around = around
        self.mounted: list[tuple[Mounted, Node]] = []
        self.env: dict[str, Node] = {}
        self.published: list[amounts.Published] = []
        self.use: str | None = None

    def result(self) -> Unit:
        table = self._node.as_table(self.unit.where)
        unit = self.unit
        unit.why = f"service {toml.printable(unit.where.partition('.')[2])}, {unit.node.at.file}:{unit.node.at.line}"
        self._gather(table)
        if not self._image(table):
            return unit
        for key, one in table.items():
            if key.startswith("x-") or one.is_nothing:
                continue
            taken = _KEYS.get(key)
            if taken is not None:
                taken(self, one)
            elif key not in _ELSEWHERE:
                self._tell(key)
        self._write_env()
        self._write_ports()
        self._write_mounts()
        self._named_otherwise()
        return unit

    def _tell(self, key: str) -> None:
        if key in TOLD:
            why, remedy, weight = TOLD[key]
            self.unit.lose(key, why, remedy, weight=weight)
            return
        why, remedy = LOST.get(key, ("devenv has nothing like it", _OWN))
        self.unit.lose(key, why, remedy)

    # --- what it runs ---

    def _gather(self, table: Mapping[str, Node]) -> None:
        self._env_files(table)
        self._environment(table)
        for one in _each(table, "volumes"):
            mount = self._mount(one)
            if mount is not None:
                self.mounted = [(old, node) for old, node in self.mounted if old.target != mount.target]
                self.mounted.append((mount, one))
        for kind, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
            for one in _each(table, kind):
                self._handed(one, kind, folder)
        for one in _each(table, "ports"):
            self.published += [port for port in self._port(one) if port not in self.published]

    def _image(self, table: Mapping[str, Node]) -> bool:
        build, image = self._node.get("build"), self._node.get("image")
        if build is not None:
            return self._build(build)
        if image is None:
            self.unit.leave_out("", "it has neither `image` nor `build`", "add it by hand")
            return False
        name = image.as_text("image")
        try:
            named = reference.parse(name)
        except DevenvError:
            named = None
        if named is None or not _IMAGE.fullmatch(name):
            hint = "name it in the source, or add the service by hand"
            self.unit.leave_out("image", f"`{toml.printable(name)}` is no image's name", hint)
            return False
        if self._is_catalogued(named, table):
            return True
        self.unit.set("image", name, secret=image.is_secret)
        if self._around.images == "debian":
            why = "it is no service of the catalog that Debian has, so it comes from its registry"
            self.unit.lose("image", why, "", weight="changed")
        return True

    def _is_catalogued(self, image: Reference, table: Mapping[str, Node]) -> bool:
        """Make it a service of the catalog, if everything that is said of it can be said there."""
        command, around = table.get("command"), self._around
        words = self.words(command, "command") if command is not None and not command.is_nothing else None
        mounts = [self._rebased(mount, node) for mount, node in self.mounted]
        found = catalogued.fit(image, table, words, self.env, mounts, around.root, around.entries, around.images)
        if found is None:
            return False
        if found.use != self.unit.name:
            self.unit.set("use", found.use)
        self.use = found.use
        if found.version is not None:
            self.unit.set("version", found.version, found.version_why)
        elif found.version_why:
            self.unit.lose("image", f"it has the catalog's version, {found.version_why}", weight="changed")
        for key, value in found.options.items():
            self.unit.set(key, value, secret=key in found.secret)
        self.env = {name: one for name, one in self.env.items() if name not in found.taken}
        self.mounted = [(mount, node) for mount, node in self.mounted if mount.target not in found.files]
        return True

    def _rebased(self, mount: Mounted, node: Node) -> Mounted:
        source = mount.source
        if mount.kind == "bind" and not source.startswith(("/", "~")):
            source = posixpath.normpath(posixpath.join(node.folder, source))
        return replace(mount, source=source)

    def _build(self, build: Node) -> bool:
        table = build.as_table("build") if build.items is None and build.table is not None else {}
        given = build.as_text("build") if not table else (build.get("context") or Node(build.place, ".")).as_text("")
        folder = self._inside(given or ".", build.folder)
        if folder is None or "dockerfile_inline" in table:
            why = "its Dockerfile is in the compose file" if folder is not None else "it is built from elsewhere"
            self.unit.leave_out("build", why, "put a Dockerfile into the project, and import again")
            return False
        named = build.get("dockerfile") if table else None
        path = posixpath.normpath(posixpath.join(folder, named.as_text("dockerfile") if named else "Dockerfile"))
        args, stage = self._build_arguments(build), build.get("target") if table else None
        target = stage.as_text("target") if stage is not None else None
        try:
            composition.inside(self._around.root, path)
            dockerfile.read(self._around.root, path, args, target)
        except DevenvError as error:
            self.unit.leave_out("build", error.message, error.hint or "correct the Dockerfile")
            return False
        self._write_build(path, folder, target, args, secret=any(one.is_secret for one in build.walk()))
        for key in table.keys() - {"context", "dockerfile", "target", "args"}:
            self.unit.lose(f"build.{key}", "the engine's builder is told nothing but arguments and stage", "")
        return True

    def _write_build(self, path: str, folder: str, target: str | None, args: dict[str, str], *, secret: bool) -> None:
        self.unit.set("dockerfile", path)
        if folder != (posixpath.dirname(path) or "."):
            self.unit.set("context", folder)
        if target and _STAGE.fullmatch(target):
            self.unit.set("target", target)
        if args:
            self.unit.set("args", args, secret=secret)

    def _build_arguments(self, build: Node) -> dict[str, str]:
        found: dict[str, str] = {}
        given = build.get("args")
        for name, one in composition.pairs(given, "args").items() if given is not None else ():
            value = self._source.values.passed(name, one) if one.is_nothing else one.as_text(name)
            if value is not None and _VARIABLE.fullmatch(name):
                found[name] = value
        return found

    def _inside(self, path: str, folder: str) -> str | None:
        """A path of the source as one of the project; None when it leads out of it."""
        made = posixpath.normpath(posixpath.join(folder, path))
        try:
            composition.inside(self._around.root, made)
        except DevenvError:
            return None
        return made

    # --- commands ---

    def words(self, node: Node, key: str) -> tuple[str, ...] | None:
        """A command's words; None, and noted, where they are none."""
        if node.items is not None:
            return tuple(one.as_text(key) for one in node.items)
        try:
            return tuple(shlex.split(node.as_text(key)))
        except ValueError:
            self.unit.lose(key, "a quote in it is not closed", "add it by hand", at=node.at)
            return None

    def _command(self, node: Node) -> None:
        if self.use is None:
            self._set_words("command", node)

    def _entrypoint(self, node: Node) -> None:
        self._set_words("entrypoint", node)

    def _set_words(self, key: str, node: Node) -> None:
        words = self.words(node, key)
        if words:
            secret = any(one.is_secret for one in node.walk())
            self.unit.set(key, tuple(self._renamed(word) for word in words), secret=secret)
        elif words is not None:
            self.unit.lose(key, "an empty one cannot be given", "name the program itself")

    def _working_dir(self, node: Node) -> None:
        path = node.as_text("working_dir")
        if path.startswith("/") and ":" not in path and "\\" not in path:
            self.unit.set("working_dir", path)
        else:
            self.unit.lose("working_dir", "it is no absolute path", "write it as one")

    def _user(self, node: Node) -> None:
        user = node.as_text("user")
        if _USER.fullmatch(user):
            self.unit.set("run_as", user)
        else:
            self.unit.lose("user", f"`{toml.printable(user)}` is no user", "set `run_as`")

    # --- variables ---

    def _env_files(self, table: Mapping[str, Node]) -> None:
        node = table.get("env_file")
        if node is None:
            return
        for one in node.items if node.items is not None else (node,):
            path = one if one.table is None else one.get("path")
            required = one.table is None or (one.get("required") or one).text != "false"
            if path is not None and not path.is_nothing:
                self._env_file(path, required)

    def _env_file(self, node: Node, required: bool) -> None:
        path = self._inside(node.as_text("env_file"), node.folder)
        if path is None or not (self._around.root / path).is_file():
            if path is None or required:
                why = "it is outside of the project" if path is None else "there is no such file"
                shown = toml.printable(node.as_text("env_file"))
                self.unit.lose("env_file", f"{why}: `{shown}`", "put its variables into `env`", at=node.place)
            return
        text = tree.read(self._around.root / path, path, yamls.LIMIT)
        for name, value in interpolation.env_file(text, path).items():
            self.env[name] = Node(node.place, value, is_secret=variables.is_secret(name))

    def _environment(self, table: Mapping[str, Node]) -> None:
        node = table.get("environment")
        for name, one in composition.pairs(node, "environment").items() if node is not None else ():
            if not one.is_nothing:
                one.as_text(name)
                self.env[name] = one
                continue
            value = self._source.values.passed(name, one)
            if value is not None:
                self.env[name] = Node(one.place, value, is_secret=variables.is_secret(name), key=one.key)

    def _write_env(self) -> None:
        plain: dict[str, str] = {}
        secret: dict[str, str] = {}
        for name, one in self.env.items():
            if not _VARIABLE.fullmatch(name) or "\0" in (one.text or ""):
                self.unit.lose(f"environment.{name}", "it cannot be a variable", "give it another name", at=one.at)
                continue
            (secret if one.is_secret else plain)[name] = self._renamed(one.text or "")
        if plain:
            self.unit.set("env", plain)
        if secret:
            self.unit.set("env", secret, secret=True)

    def _renamed(self, text: str) -> str:
        """A text in which other services have the names that devenv gives them."""
        for old, new in self._around.names.items():
            if old != new and old in text:
                text = re.sub(rf"(?<![A-Za-z0-9_.-]){re.escape(old)}(?![A-Za-z0-9_-])", new, text)
        return text

    def _named_otherwise(self) -> None:
        old = self.unit.where.partition(".")[2]
        if old != self.unit.name:
            why = f"its name is `{self.unit.name}` here, for a name has to be a DNS label"
            self.unit.lose("", why, "use this name where the project's own code names the host", weight="changed")

    # --- ports ---

    def _port(self, node: Node) -> tuple[amounts.Published, ...]:
        if node.table is not None:
            target, host = node.get("target"), node.get("published")
            text = f"{host.as_text('published')}:" if host is not None else ""
            text += target.as_text("target") if target is not None else ""
            protocol = node.get("protocol")
            text += f"/{protocol.as_text('protocol')}" if protocol is not None else ""
        else:
            text = node.as_text("ports")
        found = amounts.ports(text)
        if found is None:
            self.unit.lose("ports", f"`{toml.printable(text)}` is no port", "add it by hand", at=node.at)
        udp = [one for one in found or () if one.protocol != "tcp"]
        if udp:
            self.unit.lose("ports", f"`{toml.printable(text)}` is not TCP", "other containers reach it", at=node.at)
        return tuple(one for one in found or () if one.protocol == "tcp")

    def _write_ports(self) -> None:
        inside = tuple(dict.fromkeys(one.inside for one in self.published))
        if not inside:
            return
        if self.use is None:
            self.unit.set("ports", inside)
        main = self.main_port or inside[0]
        for one in self.published:
            if one.host is None:
                continue
            if one.inside == main and not self.unit.has("port"):
                self.unit.set("port", one.host)
            else:
                why = f"devenv chooses the host's port for {one.inside}, not {one.host}"
                self.unit.lose("ports", why, "`devenv url` tells it", weight="changed")

    @property
    def main_port(self) -> int | None:
        """Of a service of the catalog, the port that `port` is about."""
        entry = self._around.entries.service(self.use) if self.use is not None else None
        return next(iter(entry.ports.values()), None) if entry is not None else None

    # --- volumes and mounts ---

    def _mount(self, node: Node) -> Mounted | None:
        if node.table is None:
            found = amounts.mount(node.as_text("volumes"))
        else:
            parts = {key: one.as_text(key) for key, one in node.table.items() if key in ("type", "source", "target")}
            ro = (node.get("read_only") or Node(node.place, "false")).text == "true"
            target = parts.get("target", "")
            found = Mounted(parts.get("type", "volume"), parts.get("source", ""), target, ro) if target else None
            for key in node.table.keys() & {"volume", "bind", "tmpfs", "image"}:
                self.unit.lose("volumes", f"`{key}` of a mount has nothing like it", "", weight="harmless", at=node.at)
        if found is None or not _is_target(found.target):
            self.unit.lose("volumes", "this is no mount", "add it by hand", at=node.at)
            return None
        if found.kind not in ("bind", "volume"):
            why = f"`{toml.printable(found.kind)}` mounts have nothing like them"
            self.unit.lose("volumes", why, LOST["tmpfs"][1], at=node.at)
            return None
        return found

    def _handed(self, node: Node, kind: str, folder: str) -> None:
        """A secret or a config, which is a file."""
        name = node.as_text(kind) if node.table is None else (node.get("source") or node).as_text("source")
        declared = (self._source.top.get(kind) or node).table or {}
        file = declared[name].get("file") if name in declared else None
        if file is None:
            remedy = "put it into a file of the project, or into `env`"
            self.unit.lose(kind, f"`{toml.printable(name)}` comes from no file", remedy, at=node.at)
            return
        given = node.get("target") if node.table is not None else None
        target = posixpath.join(folder, given.as_text("target") if given is not None else name)
        if not _is_target(target):
            self.unit.lose(kind, "its target is no path", "add it to `mounts` by hand", at=node.at)
            return
        self.mounted.append((Mounted("bind", file.as_text("file"), target, read_only=True), file))

    def _write_mounts(self) -> None:
        mounts: dict[str, str | Mapping[str, Value]] = {}
        volumes: dict[str, str] = {}
        for mount, node in self.mounted:
            if mount.kind == "volume":
                self._volume(mount, node, volumes)
                continue
            source = self._source_of(mount, node)
            if source is not None:
                mounts[mount.target] = source if mount.read_only else {"source": source, "read_only": False}
        if volumes:
            self.unit.set("volumes", volumes)
        if mounts:
            self.unit.set("mounts", mounts)

    def _volume(self, mount: Mounted, node: Node, volumes: dict[str, str]) -> None:
        declared = (self._source.top.get("volumes") or node).table or {}
        one = declared.get(mount.source)
        if one is not None and one.table is not None and one.table.keys() & {"external", "driver", "driver_opts"}:
            why = f"`{toml.printable(mount.source)}` is made elsewhere or in a special way"
            self.unit.lose("volumes", why, "copy its data in by `devenv exec`", at=node.at)
        if mount.read_only:
            self.unit.lose("volumes", "volumes can be written to", "", weight="changed", at=node.at)
        name = mount.source if _VOLUME.fullmatch(mount.source) else units.label(mount.source or mount.target) or "data"
        while name in volumes:
            name += "-2"
        volumes[name] = mount.target

    def _source_of(self, mount: Mounted, node: Node) -> str | None:
        """What is mounted, relative to the project where it is in it."""
        source = mount.source
        if source.startswith(("/", "~")) or re.match(r"[A-Za-z]:", source) or "\\" in source:
            if "\\" in source or source[1:2] == ":":
                self.unit.lose("volumes", f"`{toml.printable(source)}` is a path of Windows", "write it as `/…`")
                return None
            if source not in SOCKETS:
                why = f"`{toml.printable(source)}` is a path of one machine, and needs `devenv trust`"
                self.unit.lose("volumes", why, "have what is needed in the project", weight="changed", at=node.at)
            return source
        made = posixpath.normpath(posixpath.join(node.folder, source))
        if made.startswith(".."):
            why = f"`{toml.printable(source)}` is outside of the project, and needs `devenv trust`"
            self.unit.lose("volumes", why, "have what is needed in the project", weight="changed", at=node.at)
        elif self._inside(source, node.folder) is None or not _is_there(self._around.root / made):
            why = f"the project has no `{toml.printable(made)}`"
            self.unit.lose("volumes", why, "make it, and add it to `mounts`", at=node.at)
            return None
        return made

    # --- the rest ---

    def _depends_on(self, node: Node) -> None:
        needs = []
        for name, one in composition.pairs(node, "depends_on").items():
            condition = one.get("condition")
            if condition is not None and condition.text == "service_completed_successfully":
                continue  # it is told where that service is
            if name not in self._around.names:
                shown = toml.printable(name)
                self.unit.lose("depends_on", f"`{shown}` is not there, or only with a profile", "", at=one.at)
            else:
                needs.append(self._around.names[name])
        if needs:
            self.unit.set("needs", tuple(dict.fromkeys(needs)))

    def _links(self, node: Node) -> None:
        for one in node.as_items("links"):
            name, _, alias = one.as_text("links").partition(":")
            if alias and alias != name:
                shown = toml.printable(alias)
                self.unit.lose("links", f"no service has the name `{shown}` besides", f"use `{name}`", at=one.at)

    def _networks(self, node: Node) -> None:
        for name, one in composition.pairs(node, "networks").items():
            for alias in one.get("aliases").texts("aliases") if one.get("aliases") is not None else ():  # type: ignore[union-attr]
                if alias != self.unit.name:
                    why = f"it cannot be called `{toml.printable(alias)}` besides"
                    self.unit.lose("networks", why, f"use `{self.unit.name}`", at=one.at)
            if (one.table or {}).keys() & {"ipv4_address", "ipv6_address"}:
                why = f"its address in `{toml.printable(name)}` is the engine's choice"
                self.unit.lose("networks", why, f"use its name, `{self.unit.name}`", at=one.at)

    def _hostname(self, node: Node) -> None:
        name = node.as_text("hostname")
        if name != self.unit.name:
            why = f"others reach it as `{self.unit.name}`, not as `{toml.printable(name)}`"
            self.unit.lose("hostname", why, "use that name", weight="changed")

    def _healthcheck(self, node: Node) -> None:
        if self.use is not None:
            self.unit.lose("healthcheck", "the catalog's own check is used", "", weight="harmless")
            return
        test = node.get("test")
        if test is None or (node.get("disable") or node).text == "true":
            return
        words = test.texts("test")
        if test.items is not None:
            kind, words = words[:1], words[1:]
            if kind == ("NONE",):
                return
            if kind == ("CMD-SHELL",):
                words = ("/bin/sh", "-c", *words)
            elif kind != ("CMD",):
                self.unit.lose("healthcheck", "`test` begins with neither `CMD` nor `CMD-SHELL`", "set `ready`")
                return
        else:
            words = ("/bin/sh", "-c", *words)
        if len(words) == 0 or not words[-1]:
            self.unit.lose("healthcheck", "its command is empty", "set `ready`")
            return
        ready: dict[str, object] = {"exec": tuple(self._renamed(word) for word in words)}
        patience = _patience(node)
        if patience > _FEWEST_SECONDS:
            ready["timeout"] = round(patience, 1)
        self.unit.set("ready", ready, secret=any(one.is_secret for one in test.walk()))  # type: ignore[arg-type]

    def _deploy(self, node: Node) -> None:
        for key, one in node.as_table("deploy").items():
            if key == "resources":
                limits = one.get("limits")
                if limits is not None:
                    self._limit(limits, {"cpus": "cpus", "memory": "memory", "pids": "pids"})
            elif key == "replicas" and one.text not in (None, "0", "1"):
                self._replicas(one)
            else:
                self.unit.lose(f"deploy.{key}", "it is for a swarm of machines", "", weight="harmless", at=one.at)

    def _replicas(self, node: Node) -> None:
        why = f"one of it runs, not {toml.printable(node.as_text('replicas'))}"
        self.unit.lose("deploy.replicas", why, "make it an app, `[apps.…]` with `replicas`", at=node.at)

    def _scale(self, node: Node) -> None:
        if node.text not in ("0", "1"):
            self._replicas(node)

    def _limits(self, _node: Node) -> None:
        self._limit(self._node, {"cpus": "cpus", "mem_limit": "memory", "pids_limit": "pids"})

    def _limit(self, node: Node, names: Mapping[str, str]) -> None:
        before = self.unit.value("limits")
        limits: dict[str, str | int | float] = dict(before) if isinstance(before, Mapping) else {}  # type: ignore[arg-type]
        for theirs, ours in names.items():
            one = node.get(theirs)
            if one is None:
                continue
            value = _limit_of(ours, one.as_text(theirs))
            if value is None:
                self.unit.lose(theirs, "there is no limit of this kind", "set `limits`", at=one.at)
            else:
                limits[ours] = value
        if limits:
            self.unit.set("limits", limits)

    def _privileged(self, node: Node) -> None:
        if node.text == "true":
            self.unit.set("privileged", True, "needs `devenv trust`")

    def _cap_add(self, node: Node) -> None:
        found = tuple(one.removeprefix("CAP_") for one in node.texts("cap_add"))
        if found:
            self.unit.set("capabilities", found, "needs `devenv trust`")


def _each(table: Mapping[str, Node], key: str) -> tuple[Node, ...]:
    node = table.get(key)
    return () if node is None else node.as_items(key)


def _is_target(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") and path.strip("/") != "" and ".." not in parts and ":" not in path and "\\" not in path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _patience(node: Node) -> float:
    """Seconds after which compose counts a start as failed."""

    def seconds(key: str, default: float) -> float:
        one = node.get(key)
        found = amounts.seconds(one.as_text(key)) if one is not None else None
        return default if found is None else found

    retries = node.get("retries")
    given = (retries.text or "") if retries is not None else ""
    times = int(given) if given.isdecimal() and len(given) < 9 else 3
    return min(seconds("start_period", 0) + times * (seconds("interval", 30) + 1), 3600.0)


def _limit_of(kind: str, text: str) -> str | int | float | None:
    if kind == "memory":
        return amounts.memory(text)
    try:
        number = float(text)
    except ValueError:
        return None
    if kind == "pids":
        return int(number) if 1 <= number <= 4194304 else None
    return number if units.LEAST_CPUS <= number <= units.MOST_CPUS else None


def one_shots(services: Mapping[str, Node]) -> Iterator[str]:
    """The services that others wait for until they have ended."""
    for service in services.values():
        needs = service.get("depends_on")
        for name, one in (needs.table or {}).items() if needs is not None else ():
            condition = one.get("condition")
            if condition is not None and condition.text == "service_completed_successfully":
                yield name


_KEYS: Mapping[str, Callable[[_Service, Node], None]] = {
    "cap_add": _Service._cap_add,
    "command": _Service._command,
    "cpus": _Service._limits,
    "depends_on": _Service._depends_on,
    "deploy": _Service._deploy,
    "entrypoint": _Service._entrypoint,
    "healthcheck": _Service._healthcheck,
    "hostname": _Service._hostname,
    "links": _Service._links,
    "mem_limit": _Service._limits,
    "networks": _Service._networks,
    "pids_limit": _Service._limits,
    "privileged": _Service._privileged,
    "scale": _Service._scale,
    "user": _Service._user,
    "working_dir": _Service._working_dir,
}
_ELSEWHERE = frozenset(
    {"build", "configs", "env_file", "environment", "extends", "image", "ports", "profiles", "secrets", "volumes"}
)
