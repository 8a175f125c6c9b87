from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from devenv.entry import Entry, caddyfile
from devenv.entry.names import Route

SHARED = Entry(Path("/state"), 8080, 8443, shared=True, ipv6=True)


def test_an_entry_in_the_hosts_network_listens_on_loopback_alone() -> None:
    assert "default_bind 127.0.0.1 [::1]\n" in caddyfile.text(SHARED)
    assert "default_bind 127.0.0.1\n" in caddyfile.text(replace(SHARED, ipv6=False))
    assert "reverse_proxy 127.0.0.1:{devenv_port} {" in caddyfile.text(SHARED)


def test_one_that_publishes_its_ports_asks_the_engines_computer() -> None:
    text = caddyfile.text(replace(SHARED, shared=False))
    assert "default_bind" not in text
    assert "reverse_proxy host.docker.internal:{devenv_port} {" in text


def test_no_place_is_left_unfilled_and_nothing_is_steered_from_outside() -> None:
    text = caddyfile.text(SHARED)
    assert "<" not in text.replace("<html>", "")
    assert "\tadmin off\n" in text
    assert "\thttp_port 8080\n\thttps_port 8443\n" in text
    assert f'respond "{SHARED.instance}"' in text


def test_the_page_lists_names_and_escapes_them() -> None:
    page = caddyfile.page(SHARED, [Route("web.shop.localhost", "shop", "web", 1), Route("<b>&", "shop", "web", 1)])
    assert '<a href="http://web.shop.localhost:8080">web.shop.localhost</a>' in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "No app is up" in caddyfile.page(SHARED, [])
