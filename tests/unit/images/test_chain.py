from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from devenv.images import chain
from devenv.model.pins import ImageConfig, ImageFile, ImageRecipe, Layer, Package

GIT = Package("git", "1", "amd64", "a" * 64, 9, "pool/main/g/git.deb")
RUBY = Package("ruby", "1", "amd64", "b" * 64, 9, "pool/main/r/ruby.deb")
BASE = Layer("base", (), None, ((GIT,),), 100)
TOP = Layer("top", ("ruby",), "base", ((RUBY,),), 200)
FILE = ImageFile("/f", b"x", 0o644)


def recipe(
    base: Layer = BASE, top: Layer = TOP, *, files: tuple[ImageFile, ...] = (FILE,), drop: tuple[str, ...] = ("/d",)
) -> ImageRecipe:
    return ImageRecipe("web", "amd64", (base, top), {top.name: files}, {top.name: drop}, ImageConfig({}))


def keys(of: ImageRecipe) -> list[str]:
    return [link.key for link in chain.links(of)]


BEFORE = keys(recipe())


@pytest.mark.parametrize(
    "change",
    [
        lambda: recipe(top=replace(TOP, epoch=201)),
        lambda: recipe(top=replace(TOP, runs=((replace(RUBY, sha256="c" * 64),),))),
        lambda: recipe(top=replace(TOP, runs=((RUBY, GIT),))),
        lambda: recipe(files=()),
        lambda: recipe(files=(replace(FILE, content=b"y"),)),
        lambda: recipe(files=(replace(FILE, content=None),)),
        lambda: recipe(files=(replace(FILE, mode=0o600),)),
        lambda: recipe(files=(replace(FILE, early=True),)),
        lambda: recipe(drop=("/e",)),
    ],
)
def test_what_decides_a_layers_bytes_changes_its_key_and_not_the_one_below(change: Callable[[], ImageRecipe]) -> None:
    base, top = keys(change())
    assert base == BEFORE[0]
    assert top != BEFORE[1]


def test_a_change_below_changes_all_above() -> None:
    after = keys(recipe(replace(BASE, epoch=101)))
    assert not set(after) & set(BEFORE)


def test_another_architecture_changes_every_key() -> None:
    assert not set(keys(replace(recipe(), architecture="arm64"))) & set(BEFORE)


@pytest.mark.parametrize(
    "same",
    [
        replace(recipe(), name="other"),
        replace(recipe(), config=ImageConfig({"A": "b"})),
        recipe(replace(BASE, request=("git",))),
        recipe(top=replace(TOP, name="renamed")),
        recipe(top=replace(TOP, runs=((replace(RUBY, path="pool/updates/r.deb"),),))),
        recipe(drop=("/d", "/d")),
    ],
)
def test_what_does_not_decide_a_layers_bytes_leaves_its_key(same: ImageRecipe) -> None:
    assert keys(same) == BEFORE


def test_the_order_of_files_does_not_matter() -> None:
    other = ImageFile("/g", b"", 0o644)
    assert keys(recipe(files=(FILE, other))) == keys(recipe(files=(other, FILE)))


def test_a_layer_that_holds_nothing_is_left_out() -> None:
    empty = Layer("empty", (), "base", (), 100)
    assert keys(ImageRecipe("web", "amd64", (BASE, empty), {}, {}, ImageConfig({}))) == BEFORE[:1]
