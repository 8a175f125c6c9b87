from __future__ import annotations

import pytest

from devenv.blueprint import substitute
from devenv.errors import DevenvError


def test_a_value_replaces_its_name() -> None:
    assert substitute.text("postgresql://{user}@{host}", {"user": "a", "host": "b"}) == "postgresql://a@b"


def test_a_list_is_joined_by_commas_and_has_a_first_item() -> None:
    values = {"databases": ("shop", "test")}
    assert substitute.text("{databases} {databases.first}", values) == "shop,test shop"


def test_what_has_parts_is_asked_for_them_by_name() -> None:
    values = {"port": "1025", "port.web-2": "8025"}
    assert substitute.text("{port} {port.web-2}", values) == "1025 8025"
    with pytest.raises(DevenvError, match=r"asks for `\{port\.smtp\}`"):
        substitute.text("{port.smtp}", values)


def test_an_empty_list_is_an_empty_text() -> None:
    assert substitute.text("<{names}{names.first}>", {"names": ()}) == "<>"


def test_other_braces_stay() -> None:
    assert substitute.text('{"a": 1} {}', {}) == '{"a": 1} {}'


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(DevenvError, match=r"`\{nothing\}`"):
        substitute.text("{nothing}", {})
