"""A `devcontainer.json` → what of devenv it becomes: an app, or a service by its Dockerfile or compose file.

https://containers.dev/implementors/json_reference/
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import dockerfile, reference, toml
from devenv.catalog import Catalog
from devenv.config import border, units
from devenv.detection.draft import Value
from devenv.errors import DevenvError
from devenv.importing import amounts, compose, composition, features, jsons, tree
from devenv.importing.compose import Made
from devenv.importing.tree import Node
from devenv.importing.unit import Unit
from devenv.model.project import Origin

NAME = "dev"
WORK = "/work"
IDLE = "exec sleep infinity"
_VARIABLE = re.compile(border.VARIABLE)
_IMAGE = re.compile(str(border.SERVICE.keys["image"].shape.core["pattern"]))
_OF_HOST = re.compile(r"\$\{(localEnv|containerEnv|env|devcontainerId)[:}][^}]*\}?")
SETUP = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
HARMLESS: Mapping[str, str] = {
    "customizations": "editors read it from `devcontainer.json`; `devenv render devcontainer` makes one",
    "extensions": "editors read it from `devcontainer.json`",
    "settings": "editors read it from `devcontainer.json`",
    "hostRequirements": "`devenv doctor` says what a machine lacks",
    "init": "every container has one here",
    "name": "it is for editors",
    "otherPortsAttributes": "it is for editors",
    "overrideCommand": "an app without `run` waits by itself",
    "portsAttributes": "it is for editors",
    "runServices": "`devenv up` starts every service",
    "shutdownAction": "`devenv down` ends it",
    "updateRemoteUserUID": "apps run as your own user",
    "userEnvProbe": "it is for editors",
    "waitFor": "apps start when their setup is done",
    "$schema": "it is for editors",
}
LOST: Mapping[str, tuple[str, str]] = {
    "initializeCommand": ("it runs on the host, where devenv runs nothing of a project", "run it by hand"),
    "runArgs": ("engines are told nothing by hand", "`privileged`, `capabilities`, `mounts` and `limits` may do"),
    "secrets": ("its values are asked of people", "give them in `devenv.local.toml`, in `env`"),
    "securityOpt": ("the engine's own defaults are used", "nothing, if it only was a safeguard"),
    "workspaceMount": (f"an app's folder is mounted at `{WORK}`", "set `dir`"),
}


def make(root: Path, file: str, entries: Catalog, images: Origin) -> Made:
    """What a `devcontainer.json` becomes.

    Args:
        file: Its path relative to `root`, as paths in it are relative to its own folder.

    Raises:
        DevenvError: It cannot be read, or says nothing that could be made; with the place.
    """
    shown = toml.printable(file, 200)
    top = jsons.read(tree.read(root / file, file, jsons.LIMIT), shown)
    top.as_table(shown)
    return _Devcontainer(root, file, top, entries, images).made()


class _Devcontainer:
    def __init__(self, root: Path, file: str, top: Node, entries: Catalog, images: Origin) -> None:
        self._root = root
        self._file = file
        self._folder = posixpath.dirname(file) or "."
        self._top = top
        self._entries = entries
        self._images = images
        self._is_app = False
        self._inside = WORK
        self.unit = Unit(NAME, "", top)

    def made(self) -> Made:
        if self._top.get("dockerComposeFile") is not None:
            return self._by_compose(self._top.get("dockerComposeFile") or self._top)
        self._is_app = self._dockerfile() is None
        if self._is_app:
            self._by_image()
        else:
            self._by_dockerfile()
        self.unit.why = f"from {toml.printable(self._file)}"
        self._rest()
        name = units.label(self._root.resolve().name) or "project"
        kinds = {NAME: ("apps" if self._is_app else "services",)}
        kept = () if self.unit.is_left_out else (self.unit,)
        return Made(name, (self._file,), kept, kinds, tuple(self.unit.losses))

    def _given(self, key: str) -> Mapping[str, Node]:
        node = self._top.get(key)
        return node.as_table(key) if node is not None else {}

    # --- what it runs ---

    def _dockerfile(self) -> Node | None:
        build = self._top.get("build")
        return (build.get("dockerfile") if build is not None else None) or self._top.get("dockerFile")

    def _by_image(self) -> None:
        node = self._top.get("image")
        if node is None:
            raise DevenvError(
                "it has neither `image` nor `build` nor `dockerComposeFile`",
                hint="name the image that it is to run",
                where=self._top.place,
            )
        name = self._filled(node.as_text("image"), node, "image") or ""
        try:
            image = reference.parse(name)
        except DevenvError as error:
            raise tree.wrong(error.message, node, error.hint) from error
        found = features.of_image(image, self._entries, self._images)
        wanted, lists = self._features()
        if found is None or (self._images == "registry" and not wanted.stacks and not wanted.packages):
            if not _IMAGE.fullmatch(name):
                raise tree.wrong(f"`{toml.printable(name)}` is no image's name", node, "correct it")
            self.unit.set("image", name)
            for key, one in self._given("features").items():
                self._lose_feature(key, one, "an app by `image` cannot have it added")
            return
        for key, one in lists.items():
            self._lose_feature(key, one, "devenv knows nothing like it")
        self._stacks((*found.stacks, *wanted.stacks), wanted.packages, f"in place of {name}")

    def _stacks(self, stacks: tuple[str, ...], packages: tuple[str, ...], why: str) -> None:
        by_name = {one.partition("@")[0]: one for one in stacks}
        if by_name:
            only = tuple(by_name.values())
            self.unit.set("stack", only[0] if len(only) == 1 else only, why)
        if packages:
            self.unit.set("packages", tuple(dict.fromkeys(packages)))

    def _features(self) -> tuple[features.Wanted, dict[str, Node]]:
        """What the features ask for, and those that nothing is known of."""
        stacks: list[str] = []
        packages: list[str] = []
        unknown = {}
        for name, one in self._given("features").items():
            found = features.of_feature(name, one, self._entries, self._images)
            if found is None:
                unknown[name] = one
            else:
                stacks += found.stacks
                packages += found.packages
        return features.Wanted(tuple(stacks), tuple(packages)), unknown

    def _lose_feature(self, name: str, node: Node, why: str) -> None:
        remedy = "name its Debian packages in `packages`, or its language in `stack`"
        if name.partition(":")[0].rpartition("/")[2] in features.ENGINES:
            remedy = "mount the engine's socket by `mounts`, after `devenv trust`"
        self.unit.lose(f"features.{name}", why, remedy, at=node.at)

    def _by_dockerfile(self) -> None:
        node = self._dockerfile() or self._top
        build = self._top.get("build") or self._top
        context = build.get("context")
        path = posixpath.normpath(posixpath.join(self._folder, node.as_text("dockerfile")))
        folder = posixpath.join(self._folder, context.as_text("context") if context is not None else ".")
        args = {
            key: self._filled(one.as_text(key), one, f"build.args.{key}") or ""
            for key, one in composition.pairs(build.get("args") or Node(self._top.place), "args").items()
        }
        target = build.get("target")
        stage = target.as_text("target") if target is not None else None
        try:
            composition.inside(self._root, path)
            composition.inside(self._root, posixpath.normpath(folder))
            dockerfile.read(self._root, path, args, stage)
        except DevenvError as error:
            raise DevenvError(error.message, hint=error.hint, where=error.where or node.at) from error
        self.unit.set("dockerfile", path)
        if posixpath.normpath(folder) != (posixpath.dirname(path) or "."):
            self.unit.set("context", posixpath.normpath(folder))
        if args:
            self.unit.set("args", args)
        if stage is not None:
            self.unit.set("target", stage)
        given = self._top.get("workspaceFolder")
        base = self._root.resolve().name
        self._inside = given.as_text("workspaceFolder") if given is not None else f"/workspaces/{base}"
        self._inside = self._inside.replace("${localWorkspaceFolderBasename}", base)
        self.unit.set("mounts", {self._inside: {"source": ".", "read_only": False}})
        self.unit.set("working_dir", self._inside)
        for key, one in self._given("features").items():
            self._lose_feature(key, one, "what a Dockerfile makes cannot have it added")

    # --- by compose ---

    def _by_compose(self, node: Node) -> Made:
        files = tuple(posixpath.normpath(posixpath.join(self._folder, one)) for one in node.texts("dockerComposeFile"))
        if not files:
            raise tree.wrong("`dockerComposeFile` names no file", node, "name the compose file")
        made = compose.make(self._root, files, self._entries, self._images)
        service = self._top.get("service")
        if service is None:
            raise tree.wrong("`service` is missing", self._top, "say which service of the compose file is meant")
        name = units.label(service.as_text("service"))
        unit = next((one for one in made.units if one.name == name), None)
        if unit is None:
            raise tree.wrong(f"there is no service `{toml.printable(name)}` to work in", service, "correct `service`")
        # What it says of the service is said of the unit that the compose file has made.
        self.unit, unit.node = unit, self._top
        where, unit.where = unit.where, ""
        before = len(unit.losses)
        self._inside = self._workspace(unit)
        if (self._top.get("overrideCommand") or self._top).text == "true":
            unit.drop("entrypoint")
            unit.set("command", ("/bin/sh", "-c", IDLE))
        for key, one in self._given("features").items():
            self._lose_feature(key, one, "a service of a compose file cannot have it added")
        self._rest()
        unit.where = where
        return replace(made, sources=(self._file, *made.sources), losses=(*unit.losses[before:], *made.losses))

    def _workspace(self, unit: Unit) -> str:
        given = self._top.get("workspaceFolder")
        folder = self._filled(given.as_text("workspaceFolder"), given, "workspaceFolder") if given is not None else None
        if folder and folder.startswith("/") and ":" not in folder:
            unit.set("working_dir", folder)
        return folder or "/"

    # --- everything else ---

    def _rest(self) -> None:
        if self.unit.is_left_out:
            return
        for key, one in self._top.as_table(self._file).items():
            if one.is_nothing or key in _DONE:
                continue
            taken = _KEYS.get(key)
            if taken is not None:
                taken(self, one)
            elif key in HARMLESS:
                self.unit.lose(key, HARMLESS[key], weight="harmless")
            else:
                self.unit.lose(key, *LOST.get(key, ("devenv has nothing like it", "add what it brings by hand")))
        self._commands()

    def _filled(self, text: str, node: Node, key: str) -> str | None:
        """A text with the folders put in; None, and noted, where it needs what only a host or an editor knows."""
        base = self._root.resolve().name
        text = text.replace("${localWorkspaceFolderBasename}", base)
        text = re.sub(r"\$\{containerWorkspaceFolder(?:Basename)?\}", self._inside, text)
        found = _OF_HOST.search(text)
        if found is not None:
            why = f"`{toml.printable(found[0])}` is not read: it is the host's or the image's"
            self.unit.lose(key, why, "give the value itself", at=node.at)
            return None
        return text.replace("${localWorkspaceFolder}", ".")

    def _env(self, node: Node) -> None:
        before = self.unit.value("env")
        env: dict[str, Value] = dict(before) if isinstance(before, Mapping) else {}
        for name, one in node.as_table("env").items():
            value = None if one.is_nothing else self._filled(one.as_text(name), one, name)
            if value is None:
                continue
            if not _VARIABLE.fullmatch(name) or "\0" in value:
                self.unit.lose(name, "it cannot be a variable", "give it another name", at=one.at)
            else:
                env[name] = value
        if env:
            self.unit.set("env", env)

    def _ports(self, node: Node) -> None:
        before = self.unit.value("ports")
        ports = list(before) if isinstance(before, tuple) else []
        for one in node.items if node.items is not None else (node,):
            found = amounts.ports(one.as_text("ports"))
            if found is None or ":" in (one.text or ""):
                shown = toml.printable(one.text or "")
                self.unit.lose("forwardPorts", f"`{shown}` is no port of its own", "see `devenv url`", at=one.at)
                continue
            ports += [port.inside for port in found if port.inside not in ports]
        if ports and self.unit.value("use") is None:
            self.unit.set("ports", tuple(ports))
            if before is None and not self.unit.has("ready"):
                self.unit.set("ready", {"exec": ("true",)}, "nothing listens until you start it")

    def _mounts(self, node: Node) -> None:
        before = self.unit.value("mounts")
        mounts: dict[str, Value] = dict(before) if isinstance(before, Mapping) else {}
        for one in node.as_items("mounts"):
            parts = {key: part.as_text(key) for key, part in one.table.items()} if one.table else _parted(one)
            target = parts.get("target") or parts.get("dst") or parts.get("destination") or ""
            source = self._filled(parts.get("source") or parts.get("src") or "", one, "mounts")
            if source is None:
                continue
            is_path = target.startswith("/") and target.strip("/") and not set(":\\") & set(target)
            if parts.get("type") != "bind" or not source or not is_path or ".." in target.split("/"):
                remedy = "an app's home folder lasts by itself" if self._is_app else "add it to `volumes`"
                self.unit.lose("mounts", "only files and folders can be mounted", remedy, at=one.at)
                continue
            source = posixpath.normpath(source)
            if not source.startswith(("/", "~", "..")) and not (self._root / source).exists():
                self.unit.lose("mounts", f"the project has no `{toml.printable(source)}`", "make it", at=one.at)
                continue
            mounts[target] = {"source": source, "read_only": "readonly" in parts}
        if mounts:
            self.unit.set("mounts", mounts)

    def _folder_inside(self, node: Node) -> None:
        if self._is_app and node.as_text("workspaceFolder") != WORK:
            self.unit.lose("workspaceFolder", f"an app's folder is `{WORK}`", "", weight="changed")

    def _user(self, node: Node) -> None:
        if self._is_app:
            why = "apps run as the user who starts them, so that files belong to you"
            self.unit.lose("remoteUser", why, "", weight="harmless", at=node.at)
        elif re.fullmatch(r"[A-Za-z0-9_][\w.-]*", node.as_text("user")):
            self.unit.set("run_as", node.as_text("user"))

    def _privileged(self, node: Node) -> None:
        if node.text == "true":
            self.unit.set("privileged", True, "needs `devenv trust`")

    def _capabilities(self, node: Node) -> None:
        found = tuple(one.removeprefix("CAP_") for one in node.texts("capAdd"))
        if found:
            self.unit.set("capabilities", found, "needs `devenv trust`")

    # --- commands ---

    def _commands(self) -> None:
        setup = [command for key in SETUP for command in self._lines(key)]
        started = self._lines("postStartCommand")
        for command in self._lines("postAttachCommand"):
            shown = toml.printable(command)
            self.unit.lose(
                "postAttachCommand", f"nothing runs when an editor comes: `{shown}`", "run it in `devenv shell`"
            )
        if self._is_app:
            if setup:
                self.unit.set("setup", tuple(setup), "the first time, and when its files change")
            if started:
                self.unit.set("run", "; ".join([*started, IDLE]))
        elif not self.unit.has("command") and self._top.get("dockerComposeFile") is None:
            self.unit.set("command", ("/bin/sh", "-c", " && ".join([*setup, *started, IDLE])))
            if setup:
                why = "an image by a Dockerfile has no setup of its own: it runs at each start"
                self.unit.lose("postCreateCommand", why, "put it into the Dockerfile", weight="changed")
        elif setup or started:
            remedy = f"run it by `devenv exec {self.unit.name} …`"
            self.unit.lose("postCreateCommand" if setup else "postStartCommand", "services have no setup", remedy)

    def _lines(self, key: str) -> list[str]:
        """The shell commands of a lifecycle command: a text, a list of words, or several by name."""
        node = self._top.get(key)
        if node is None:
            return []
        if node.table is not None:
            found = [_line(one, key) for one in node.table.values() if not one.is_nothing]
        else:
            found = [_line(node, key)]
        filled = [self._filled(one, node, key) for one in found if one]
        return [one for one in filled if one]


def _line(node: Node, key: str) -> str:
    return shlex.join(node.texts(key)) if node.items is not None else node.as_text(key)


def _parted(node: Node) -> dict[str, str]:
    """Of `source=…,target=…,type=bind`."""
    pairs = (part.partition("=") for part in node.as_text("mounts").split(","))
    return {key.strip(): value for key, _, value in pairs}


_KEYS: Mapping[str, Callable[[_Devcontainer, Node], None]] = {
    "appPort": _Devcontainer._ports,
    "capAdd": _Devcontainer._capabilities,
    "containerEnv": _Devcontainer._env,
    "containerUser": _Devcontainer._user,
    "forwardPorts": _Devcontainer._ports,
    "mounts": _Devcontainer._mounts,
    "privileged": _Devcontainer._privileged,
    "remoteEnv": _Devcontainer._env,
    "remoteUser": _Devcontainer._user,
    "workspaceFolder": _Devcontainer._folder_inside,
}
_DONE = frozenset(
    {"build", "context", "dockerComposeFile", "dockerFile", "features", "image", "service", "postStartCommand"}
) | {"postAttachCommand", *SETUP}
