"""One service of a compose file → one of devenv: by the catalog, an image, or the project's own Dockerfile."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping

from devenv import dockerfile, reference, toml
from devenv.config import border, size, units
from devenv.errors import DevenvError
from devenv.importing import amounts, catalogued, composition, told
from devenv.importing.attached import Attached
from devenv.importing.composition import Composition
from devenv.importing.published import Ports
from devenv.importing.tree import Node
from devenv.importing.unit import Surroundings, Unit
from devenv.importing.variables import Variables
from devenv.reference import Reference

_VARIABLE = re.compile(border.VARIABLE)
_IMAGE = re.compile(str(border.SERVICE.keys["image"].shape.core["pattern"]))
_USER = re.compile(str(border.SERVICE.keys["run_as"].shape.core["pattern"]))
_STAGE = re.compile(str(border.SERVICE.keys["target"].shape.core["pattern"]))
_FEWEST_SECONDS = 60.0


def make(name: str, node: Node, source: Composition, around: Surroundings) -> Unit:
    """What one service becomes; what is lost of it is noted in it."""
    return _Service(name, node, source, around).result()


class _Service:
    def __init__(self, name: str, node: Node, source: Composition, around: Surroundings) -> None:
        self.unit = Unit(around.names[name], f"services.{toml.printable(name)}", node)
        self._node = node
        self._source = source
        self._around = around
        self._attached = Attached(self.unit, source, around)
        self._variables = Variables(self.unit, source, around)
        self._ports = Ports(self.unit)
        self.use: str | None = None

    def result(self) -> Unit:
        table = self._node.as_table(self.unit.where)
        unit = self.unit
        unit.why = f"service {toml.printable(unit.where.partition('.')[2])}, {unit.node.at.file}:{unit.node.at.line}"
        for part in (self._attached, self._variables, self._ports):
            part.gather(self._node)
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
        self._variables.write()
        self._ports.write(self._main_port())
        self._attached.write()
        self._named_otherwise()
        return unit

    def _tell(self, key: str) -> None:
        if key in told.TOLD:
            why, remedy, weight = told.TOLD[key]
            self.unit.lose(key, why, remedy, weight=weight)
            return
        why, remedy = told.LOST.get(key, ("devenv has nothing like it", told.OWN))
        self.unit.lose(key, why, remedy)

    # --- what it runs ---

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
        if image.is_secret:
            self.unit.leave_out("image", "its name has a secret in it", "name it without, and add the service by hand")
            return False
        if self._is_catalogued(named, table):
            return True
        self.unit.set("image", name)
        if self._around.images == "debian":
            why = "it is no service of the catalog that Debian has, so it comes from its registry"
            self.unit.lose("image", why, "", weight="changed")
        return True

    def _is_catalogued(self, image: Reference, table: Mapping[str, Node]) -> bool:
        """Make it a service of the catalog, if everything that is said of it can be said there."""
        command, around = table.get("command"), self._around
        words = self.words(command, "command") if command is not None and not command.is_nothing else None
        mounts, env = self._attached.rebased(), self._variables.env
        found = catalogued.fit(image, table, words, env, mounts, around.root, around.entries, around.images)
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
        self._variables.leave(found.taken)
        self._attached.leave(found.files, set(around.entries.service(found.use).volumes.values()))
        return True

    def _build(self, build: Node) -> bool:
        table = build.as_table("build") if build.items is None and build.table is not None else {}
        given = build.as_text("build") if not table else (build.get("context") or Node(build.place, ".")).as_text("")
        folder = composition.within(self._around.root, given or ".", build.folder)
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
        if words and any("\0" in word for word in words):
            self.unit.lose(key, "a word of it holds a NUL", "remove it")
        elif words:
            secret = any(one.is_secret for one in node.walk())
            self.unit.set(key, tuple(self._around.renamed(word) for word in words), secret=secret)
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

    def _main_port(self) -> int | None:
        """Of a service of the catalog, the port that `port` is about."""
        entry = self._around.entries.service(self.use) if self.use is not None else None
        return next(iter(entry.ports.values()), None) if entry is not None else None

    def _named_otherwise(self) -> None:
        old = self.unit.where.partition(".")[2]
        if old != self.unit.name:
            why = f"its name is `{self.unit.name}` here, for a name has to be a DNS label"
            self.unit.lose("", why, "use this name where the project's own code names the host", weight="changed")

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
        if not words or not all(words):
            self.unit.lose("healthcheck", "its command, or a word of it, is empty", "set `ready`")
            return
        ready: dict[str, object] = {"exec": tuple(self._around.renamed(word) for word in words)}
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
        found = amounts.memory(text)
        return found if found is not None and size.LEAST <= size.of(found) <= size.MOST else None
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
