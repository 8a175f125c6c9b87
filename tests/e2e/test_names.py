"""Names in place of ports: over HTTP and HTTPS, with what stays open, as instances come and go."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from tests import engines, ports
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = pytest.mark.docker

TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
run = "perl server.pl {port}"
ports = [{port}, SILENT]
"""
# Tells the host it was asked for; echoes what follows an upgrade; sends an event, and the next one when told to.
SERVER = r"""
use IO::Socket::INET; $| = 1; $SIG{TERM} = sub { exit 0 }; $SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die $!;
while (1) {
    my $client = $server->accept or next;
    next if fork;
    my ($path) = (<$client> // "") =~ m{^\S+ (\S+)} or exit;
    my %head;
    while ((my $line = <$client>) =~ /\S/) { $head{lc $1} = $2 if $line =~ /^(\S+?): (.*?)\r/ }
    if ($head{upgrade}) {
        syswrite $client, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        while (sysread $client, my $frame, 4096) { syswrite $client, $frame }
    } elsif ($path eq "/events") {
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        for my $number (1, 2) {
            syswrite $client, "data: $number\n\n";
            select undef, undef, undef, 0.01 until -e "/tmp/go";
        }
    } else {
        if ($path eq "/go") { open my $file, ">", "/tmp/go" }
        my $body = "$head{host} $head{'x-forwarded-proto'}";
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    }
    exit;
}
"""


@dataclass(frozen=True)
class World:
    """An entry of the tests' own, and an app that is up behind it."""

    checkout: Checkout
    http: int
    https: int
    instance: str

    @property
    def host(self) -> str:
        return f"web.{self.checkout.name}.localhost"

    def left(self) -> list[str]:
        """What the engine has of the entry, a word for each object."""
        label = f"label=dev.devenv.instance={self.instance}"
        words = {"container": ("ps", "-aq"), "network": ("network", "ls", "-q"), "volume": ("volume", "ls", "-q")}
        return [kind for kind, asked in words.items() for _ in self.checkout.docker(*asked, "--filter", label).split()]

    def ask(self, host: str, path: str = "/") -> tuple[int, str]:
        with closing(self.connection(host)) as asked:
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read().decode()

    def connection(self, host: str) -> HTTPConnection:
        """To the entry, by a name that no name server need know."""
        made = HTTPConnection(host, self.http, timeout=10)
        made.sock = socket.create_connection(("127.0.0.1", self.http), timeout=10)
        return made

    def ask_secure(self, host: str, authority: str) -> str:
        context = ssl.create_default_context(cadata=authority)
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=10)
        with context.wrap_socket(plain, server_hostname=host) as secured:
            asked = HTTPSConnection(host, self.https)
            asked.sock = secured
            asked.request("GET", "/")
            return asked.getresponse().read().decode()


@contextmanager
def checkout(folder: Path, env: Mapping[str, str]) -> Iterator[Checkout]:
    with checkouts.small(folder, text=TEXT.replace("SILENT", str(ports.free()))) as made:
        (folder / "server.pl").write_text(SERVER)
        made.env.update(env)
        yield made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engines.require()
    folder = tmp_path_factory.mktemp("names")
    plain, secure = ports.free(), ports.free()
    env = {
        "DEVENV_STATE": str(folder / "state"),
        "DEVENV_ENTRY_HTTP": str(plain),
        "DEVENV_ENTRY_HTTPS": str(secure),
        "DEVENV_ENTRY_IMAGES": "debian",
    }
    with checkout(folder / "first", env) as made:
        made.run("up", "-d")
        instance = made.run("names", "on", "--json").data["entry"]["instance"]
        opened = World(made, plain, secure, instance)
        try:
            yield opened
        finally:
            made.run("names", "off", "--volumes")
        assert opened.left() == []


def test_an_app_is_reached_by_its_name_as_every_command_tells(world: World) -> None:
    name = f"http://{world.host}:{world.http}"
    assert world.ask(world.host) == (200, f"{world.host}:{world.http} http")
    assert world.checkout.run("url", "web").out.strip() == name
    assert f"{name}, http://127.0.0.1:{world.checkout.port}" in world.checkout.run("status").out
    (own,) = (one for one in world.checkout.run("names", "--json").data["names"] if one["name"] == world.host)
    assert (own["url"], own["port"]) == (name, world.checkout.port)


def test_https_is_signed_by_the_authority_that_trust_ca_prints(world: World) -> None:
    authority = world.checkout.run("trust-ca", "--print").out
    assert world.ask_secure(world.host, authority) == f"{world.host}:{world.https} https"
    with pytest.raises(ssl.SSLError):
        world.ask_secure("web.nobody.localhost", authority)


def test_an_unknown_name_gets_a_page_of_those_there_are_and_a_foreign_one_nothing(world: World) -> None:
    status, page = world.ask("web.nobody.localhost")
    assert (status, f">{world.host}<" in page) == (404, True)
    assert world.ask("evil.example") == (421, "only names that end in .localhost lead anywhere here")


def test_websockets_and_event_streams_pass_and_outlive_the_coming_and_going_of_others(
    world: World, tmp_path: Path
) -> None:
    with (
        closing(world.connection(world.host)) as events,
        socket.create_connection(("127.0.0.1", world.http), timeout=10) as web,
    ):
        head = f"GET /chat HTTP/1.1\r\nHost: {world.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        web.sendall(head.encode())
        assert web.recv(4096).startswith(b"HTTP/1.1 101 ")
        events.request("GET", "/events")
        stream = events.getresponse()
        assert (stream.readline(), stream.readline()) == (b"data: 1\n", b"\n")

        with checkout(tmp_path / "second", world.checkout.env) as other:
            shutil.copy(world.checkout.folder / "devenv.lock", other.folder)
            host = f"web.{other.name}.localhost"
            other.run("up", "-d")
            assert world.ask(host)[0] == 200
            other.run("down", "--volumes")
            assert world.ask(host)[0] == 404

        web.sendall(b"\x81\x85maskd")
        assert web.recv(4096) == b"\x81\x85maskd"
        world.ask(world.host, "/go")
        assert (stream.readline(), stream.readline()) == (b"data: 2\n", b"\n")
    world.checkout.run("exec", "web", "rm", "-f", "/tmp/go")


def test_the_entry_listens_on_loopback_alone(world: World) -> None:
    tables = [path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.is_file()]
    rows = [line.split() for path in tables for line in path.read_text().splitlines()[1:]]
    ends = {tuple(row[1].split(":")) for row in rows if row[3] == "0A"}
    places = {place for place, port in ends if int(port, 16) in (world.http, world.https)}
    assert places - {"00000000000000000000000001000000"} == {"0100007F"}


def test_an_app_that_does_not_answer_is_told_in_words(world: World) -> None:
    (_, silent) = world.checkout.run("url", "--json").data
    host = f"web-{silent['port']}.{world.checkout.name}.localhost"
    assert silent["names"] == [f"http://{host}:{world.http}"]
    assert world.ask(host) == (
        502,
        f"{host} is port {silent['port']} here, and nothing answers there: see `devenv status`",
    )


def test_an_entry_that_was_removed_comes_back_with_the_next_up(world: World) -> None:
    world.checkout.docker("rm", "-f", f"{world.instance}-caddy-1")
    assert "started again" in world.checkout.run("up", "-d").err
    assert world.ask(world.host)[0] == 200


def test_a_port_that_is_taken_is_refused_with_who_holds_it(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        ran = _with(world.checkout, DEVENV_ENTRY_HTTP=str(port)).run("names", "on", check=False)
    assert ran.code == 4
    assert f"names cannot have port {port}: `" in ran.err
    assert f"(process {os.getpid()}) listens there" in ran.err


def test_off_leaves_the_authority_alone_and_the_ports_as_they_were(world: World) -> None:
    world.checkout.run("names", "off")
    assert world.left() == ["volume"]
    assert world.checkout.run("url", "web").out.strip() == f"http://127.0.0.1:{world.checkout.port}"
    assert world.checkout.get().startswith("127.0.0.1:")
    world.checkout.run("names", "on")


def _with(made: Checkout, **variables: str) -> Checkout:
    return Checkout(made.folder, made.name, made.port, made.engine, made.env | variables)
