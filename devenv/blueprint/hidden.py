"""Variables with secrets in them: known by what stands around the secrets, which are put in where they are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from devenv.blueprint import hashing, substitute
from devenv.model.blueprint import Fingerprint
from devenv.values import dataclass

_LOGIN = re.compile(r"(?<=://)[^/@\s]*(?=@)")
_VEIL = "…"


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text with secrets in it.

    Args:
        texts: What stands before, between and after the secrets, one more than those.
        secrets: Their names, `<service>.<option>`.
        is_address: Whether it is a URL, in which secrets are percent-encoded.
    """

    texts: tuple[str, ...]
    secrets: tuple[str, ...]
    is_address: bool

    def revealed(self, values: Mapping[str, str]) -> str:
        """The text with the secrets' values."""
        encoded = [quote(values[one], safe="") if self.is_address else values[one] for one in self.secrets]
        return "".join(part for pair in zip(self.texts, (*encoded, ""), strict=True) for part in pair)

    def fingerprint(self, secrets: Mapping[str, Fingerprint]) -> str:
        """16 hex digits that change with any of it; without the secrets' own they stand for what is around them."""
        known = [[one.key, one.value] for one in map(secrets.get, self.secrets) if one is not None]
        return hashing.of([self.texts, self.secrets, self.is_address, known])[:16]

    def __str__(self) -> str:
        """The text for people: `postgresql://devenv:…@postgres:5432/shop`."""
        return _VEIL.join(self.texts)


Value = str | Hidden


def text(template: str, values: substitute.Values, secrets: Mapping[str, str]) -> Value:
    """`substitute.text` for a template that may name secrets; what gets into the login of a URL is percent-encoded.

    Args:
        secrets: What each is called in a `Hidden`, by its name in the template.
    """
    is_address = "://" in template
    if is_address:
        login = {name: quote(one, safe="") for name, one in values.items() if isinstance(one, str)}
        login |= {name: f"{{{name}}}" for name in secrets}
        template = _LOGIN.sub(lambda found: substitute.text(found[0], {**values, **login}), template)
    texts, names = substitute.apart(template, secrets)
    filled = substitute.each(texts, values)
    return Hidden(filled, tuple(secrets[name] for name in names), is_address) if names else filled[0]


def table(templates: Mapping[str, str], values: substitute.Values, secrets: Mapping[str, str]) -> dict[str, Value]:
    """`text` for every value of a table."""
    return {key: text(one, values, secrets) for key, one in templates.items()}


def only(variables: Mapping[str, Value]) -> dict[str, Hidden]:
    """The variables that have secrets in them."""
    return {name: value for name, value in variables.items() if isinstance(value, Hidden)}


def plain(variables: Mapping[str, Value]) -> dict[str, str]:
    """The variables that have none."""
    return {name: value for name, value in variables.items() if isinstance(value, str)}
