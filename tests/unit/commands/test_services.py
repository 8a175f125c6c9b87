"""What `devenv services` finds; without network and engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import config
from devenv.commands import services
from devenv.commands.services import ServicesResult
from devenv.errors import UsageError

SHOP = 'images = "debian"\n[debian]\nsuite = "bookworm"\n[services.redis]\n[services.cache]\nuse = "redis"\n'
OWN = 'summary = "Mail, caught"\ndocs = "https://example.org"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with an entry of its own, in a place that comes last in the alphabet."""
    folder = tmp_path / "shop"
    (folder / ".devenv/services").mkdir(parents=True)
    (folder / ".devenv/services/zmail.toml").write_text(OWN)
    (folder / config.NAME).write_text(SHOP)
    return folder


def names(result: ServicesResult) -> list[str]:
    return [one.name for one in result.services]


def test_without_a_project_the_whole_catalog_is_listed_with_both_origins(tmp_path: Path) -> None:
    result = services.run(tmp_path)
    assert {"postgres", "redis"} <= set(names(result))
    assert names(result) == sorted(names(result))
    assert (result.origin, result.suite, result.notes) == (None, None, ())
    (redis,) = (one for one in result.services if one.name == "redis")
    assert {offer.origin for offer in redis.offers} == {"debian", "registry"}
    assert (redis.own, redis.used_as, redis.provides[0]) == (False, (), "REDIS_URL")


def test_in_a_project_its_own_come_first_and_what_it_has_is_known(shop: Path) -> None:
    (shop / "src").mkdir()
    result = services.run(shop / "src")
    assert (result.services[0].name, result.services[0].own) == ("zmail", True)
    assert (result.origin, result.suite) == ("debian", "bookworm")
    assert {one.name: one.used_as for one in result.services if one.used_as} == {"redis": ("redis", "cache")}


def test_all_words_must_be_in_name_or_summary_in_whatever_case(shop: Path) -> None:
    assert names(services.run(shop, ["MAIL", "caught"])) == ["zmail"]
    assert names(services.run(shop, ["relational", "Postgre"])) == ["postgres"]
    assert names(services.run(shop, ["mail", "relational"])) == []


def test_where_nothing_is_found_names_that_are_near_are_given(shop: Path) -> None:
    assert services.run(shop, ["postgress"]).near == ("postgres",)
    assert set(services.run(shop, ["caught", "redsi"]).near) == {"redis", "zmail"}
    assert services.run(shop, ["x" * 5000]).near == ()
    assert services.run(shop, ["redis"]).near == ()


def test_mistakes_in_the_project_do_not_stand_in_the_way(shop: Path) -> None:
    (shop / config.NAME).write_text("[services")
    (shop / ".devenv/services/broken.toml").write_text("summary = 1\n")
    result = services.run(shop)
    assert "redis" in names(result)
    assert result.origin is None
    assert result.notes == (
        "`devenv.toml` has mistakes: `devenv check` tells them",
        "`.devenv/services/broken.toml` has mistakes: `devenv check` tells them",
    )


def test_an_unknown_profile_is_a_mistake_of_the_command_line(shop: Path) -> None:
    with pytest.raises(UsageError, match="profile `ci`"):
        services.run(shop, profile="ci")
