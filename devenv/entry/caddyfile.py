"""What the entry's Caddy is told when it starts, and the page for names that there are not. Pure.

Routes are files, not configuration: `hosts/<name>/<port>` in a folder that one rename replaces. Caddy looks there with
every request. So a name comes and goes without a reload, which would cut websockets and event streams of all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from devenv.entry.names import DOMAIN, Route

if TYPE_CHECKING:
    from devenv.entry import Entry

ALIVE = "/.devenv/alive"
"""Asked for at 127.0.0.1, it answers with the name of the entry's instance."""

_TEXT = """\
{
	# Nothing is steered from outside, and no authority but the local one is asked for a certificate.
	admin off
	http_port <http>
	https_port <https>
	auto_https disable_redirects
	skip_install_trust
	<bind>
	pki {
		ca local {
			name "devenv"
			root_cn "devenv local CA"
			intermediate_cn "devenv local CA, intermediate"
		}
	}
	on_demand_tls {
		ask http://127.0.0.1:<http>/.devenv/known
	}
	servers {
		protocols h1 h2
	}
}

(names) {
	# No other name leads to an app, whatever a foreign name server says it means.
	@foreign not header_regexp Host (?i)^(([a-z0-9-]+\\.)*<domain>|127\\.0\\.0\\.1)(:[0-9]+)?$
	handle @foreign {
		respond "only names that end in .<domain> lead anywhere here" 421
	}
	@known file {
		root /data/names/now
		try_files /hosts/{host}/*
	}
	map {http.matchers.file.relative} {devenv_port} {
		~^/hosts/[^/]+/([0-9]+)$ ${1}
		default 0
	}
	handle @known {
		reverse_proxy <target>:{devenv_port} {
			flush_interval -1
		}
	}
	handle {
		root * /data/names/now
		rewrite * /unknown.html
		header Cache-Control no-store
		file_server {
			status 404
		}
	}
	handle_errors {
		@silent expression {http.error.status_code} == 502
		respond @silent "{host} is port {devenv_port} here, and nothing answers there: see `devenv status`" 502
		respond "{http.error.status_code} {http.error.status_text}"
	}
}

http://127.0.0.1 {
	handle /.devenv/known {
		@asked file {
			root /data/names/now
			try_files /hosts/{query.domain}/*
		}
		respond @asked 200
		respond 404
	}
	handle <alive> {
		respond "<instance>"
	}
	import names
}

http:// {
	import names
}

https:// {
	tls internal {
		on_demand
	}
	import names
}
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>No such name</title>
<style>body { font: 16px/1.5 sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<h1>No app has this name</h1>
"""


def text(entry: Entry) -> str:
    """The Caddyfile; it depends on ports alone."""
    bind = f"default_bind 127.0.0.1{' [::1]' if entry.ipv6 else ''}" if entry.shared else "# published on 127.0.0.1"
    values = {
        "http": str(entry.http),
        "https": str(entry.https),
        "bind": bind,
        "domain": DOMAIN,
        "target": "127.0.0.1" if entry.shared else "host.docker.internal",
        "alive": ALIVE,
        "instance": entry.instance,
    }
    made = _TEXT
    for name, value in values.items():
        made = made.replace(f"<{name}>", value)
    return made


def page(entry: Entry, routes: Iterable[Route]) -> str:
    """The page that lists the names there are."""
    lines = [f'<li><a href="{escape(entry.url(route.name))}">{escape(route.name)}</a>' for route in routes]
    listed = ["<p>These are there:</p>", "<ul>", *lines, "</ul>"] if lines else ["<p>No app is up.</p>"]
    return _PAGE + "\n".join(listed) + "\n"
