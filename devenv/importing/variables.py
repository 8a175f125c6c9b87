"""The variables of a service of a compose file: from files, and beside them."""

from __future__ import annotations

import re
from collections.abc import Collection

from devenv import toml
from devenv.config import border
from devenv.detection import variables
from devenv.importing import composition, interpolation, tree, yamls
from devenv.importing.composition import Composition
from devenv.importing.tree import Node
from devenv.importing.unit import Surroundings, Unit

_VARIABLE = re.compile(border.VARIABLE)


class Variables:
    """The variables of one service.

    Args:
        env: Each by its name, with where it was said.
    """

    def __init__(self, unit: Unit, source: Composition, around: Surroundings) -> None:
        self.unit = unit
        self._source = source
        self._around = around
        self.env: dict[str, Node] = {}

    def gather(self, service: Node) -> None:
        """Note what a service says of them: what stands in it counts more than what files say."""
        self._files(service.get("env_file"))
        self._given(service.get("environment"))

    def leave(self, names: Collection[str]) -> None:
        """Forget what is taken care of."""
        self.env = {name: one for name, one in self.env.items() if name not in names}

    def _files(self, node: Node | None) -> None:
        if node is None:
            return
        for one in node.items if node.items is not None else (node,):
            path = one if one.table is None else one.get("path")
            required = one.table is None or (one.get("required") or one).text != "false"
            if path is not None and not path.is_nothing:
                self._file(path, required)

    def _file(self, node: Node, required: bool) -> None:
        path = composition.within(self._around.root, node.as_text("env_file"), node.folder)
        if path is None or not (self._around.root / path).is_file():
            if path is None or required:
                why = "it is outside of the project" if path is None else "there is no such file"
                shown = toml.printable(node.as_text("env_file"))
                self.unit.lose("env_file", f"{why}: `{shown}`", "put its variables into `env`", at=node.place)
            return
        text = tree.read(self._around.root / path, path, yamls.LIMIT)
        for name, value in interpolation.env_file(text, path).items():
            self.env[name] = Node(node.place, value, is_secret=variables.is_secret(name, value))

    def _given(self, node: Node | None) -> None:
        for name, one in composition.pairs(node, "environment").items() if node is not None else ():
            if not one.is_nothing:
                one.as_text(name)
                self.env[name] = one
                continue
            value = self._source.values.passed(name, one)
            if value is not None:
                self.env[name] = Node(one.place, value, is_secret=variables.is_secret(name, value), key=one.key)

    def write(self) -> None:
        plain: dict[str, str] = {}
        secret: dict[str, str] = {}
        for name, one in self.env.items():
            if not _VARIABLE.fullmatch(name) or "\0" in (one.text or ""):
                self.unit.lose(f"environment.{name}", "it cannot be a variable", "give it another name", at=one.at)
                continue
            (secret if one.is_secret else plain)[name] = self._around.renamed(one.text or "")
        if plain:
            self.unit.set("env", plain)
        if secret:
            self.unit.set("env", secret, secret=True)
