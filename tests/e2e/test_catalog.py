"""Every service of the catalog that Debian has: it serves, keeps what it is given, and is the same on every engine."""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from devenv import secrets, workspace
from devenv.config import machine as machines
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint
from devenv.model.blueprint import Image
from devenv.model.catalog import ServiceEntry
from devenv.model.machine import Machine
from devenv.model.progress import silence
from devenv.supply import Supply
from tests import engines, projects
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]

NAMES = tuple(name for name in projects.CATALOG.names("service") if projects.CATALOG.service(name).debian)
WORD = "kept-by-the-catalog"
NEVER = "(?!)"
# Says something to a server and prints the text in its answer, up to what matches a pattern or to the end.
TALK = r"""
use IO::Socket::INET; alarm 20;
my ($address, $said, $last) = @ARGV; $said =~ s/\\x(..)/chr hex $1/ge;
my $server = IO::Socket::INET->new($address) or die "$address: $@";
syswrite $server, $said;
my ($heard, $piece) = ("");
$heard .= $piece while $heard !~ /$last/s && sysread $server, $piece, 65536;
$heard =~ tr/\x09\x0a\x0d\x20-\x7e//cd;
print $heard;
"""
SHELL = """\
name = "{name}"
images = "debian"

[apps.shell]
"""
FILES = {
    "site.conf": 'server { listen 80; location / { default_type text/plain; return 200 "page $uri\\n"; } }\n',
    "prometheus.yml": """\
global: { scrape_interval: 1s }
scrape_configs: [{ job_name: itself, static_configs: [{ targets: ["localhost:9090"] }] }]
""",
}


@dataclass(frozen=True)
class World:
    """The project that has every service, and an app without any program of theirs."""

    checkout: Checkout

    def inside(self, unit: str, *command: str) -> str:
        return self.checkout.docker("exec", f"{self.checkout.name}-{unit}-1", *command)

    def password(self, service: str) -> str:
        """The one that was generated for a service."""
        opened = workspace.load(self.checkout.folder, Machine())
        return secrets.values(opened.project, opened.entries)[f"{service}.password"]

    def talk(self, address: str, said: str, last: str = NEVER) -> str:
        """Speak to a service by its name and port, from the app."""
        return self.inside("shell", "perl", "-e", TALK, address, said, last)

    def http(self, address: str, path: str, *, method: str = "GET", login: str = "", body: str = "") -> str:
        head = f"{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n"
        if login:
            head += f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
        return self.talk(address, f"{head}\r\n{body}")


@dataclass(frozen=True)
class Case:
    """How one service is used.

    Args:
        read: What it answers; with the word, once that is stored.
        store: Gives it the word; None for a service that keeps nothing.
        options: Of its table in `devenv.toml`.
    """

    read: Callable[[World], str]
    store: Callable[[World], object] | None = None
    options: str = ""


def _postgres(world: World, statement: str) -> str:
    address = f"postgresql://devenv:{world.password('postgres')}@postgres/kept"
    return world.inside("postgres", "psql", "-At", "-h", "postgres", "-c", statement, address)


def _mariadb(world: World, statement: str) -> str:
    login = ("-udevenv", f"-p{world.password('mariadb')}")
    return world.inside("mariadb", "mariadb", "-hmariadb", *login, "-N", "-e", statement, "kept")


def _publish_to_rabbitmq(world: World) -> None:
    assert "RabbitMQ" in world.talk("rabbitmq:5672", r"AMQP\x00\x00\x09\x01", "RabbitMQ")
    queue = {"durable": True, "arguments": {"x-queue-type": "classic"}}
    assert " 201 " in _rabbitmq(world, "PUT", "queues/%2F/words", queue)
    persistent = {"properties": {"delivery_mode": 2}}
    message = {"routing_key": "words", "payload": WORD, "payload_encoding": "string", **persistent}
    sent = _rabbitmq(world, "POST", "exchanges/%2F/amq.default/publish", message)
    assert '"routed":true' in sent, sent


def _consume_from_rabbitmq(world: World) -> str:
    wanted = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    return _rabbitmq(world, "POST", "queues/%2F/words/get", wanted)


def _rabbitmq(world: World, method: str, path: str, body: object) -> str:
    text = json.dumps(body)
    login = f"devenv:{world.password('rabbitmq')}"
    return world.http("rabbitmq:15672", f"/api/{path}", method=method, login=login, body=text)


def _publish_to_nats(world: World) -> None:
    stream = json.dumps({"name": "words", "subjects": ["words"], "storage": "file"})
    assert '"did_create":true' in _nats(world, "$JS.API.STREAM.CREATE.words", stream)
    assert '"seq":1' in _nats(world, "words", WORD)


def _read_from_nats(world: World) -> str:
    answer = _nats(world, "$JS.API.STREAM.MSG.GET.words", '{"last_by_subj":"words"}')
    found = re.search(r'"data":"([^"]*)"', answer)
    return base64.b64decode(found[1]).decode() if found else answer


def _nats(world: World, subject: str, body: str) -> str:
    said = f"CONNECT {{}}\r\nSUB answer 1\r\nPUB {subject} answer {len(body)}\r\n{body}\r\n"
    return world.talk("nats:4222", said, r"MSG answer.*\}\r\n|-ERR")


def _scrape(world: World) -> None:
    """Wait for a value, and note when that was."""
    query = "/api/v1/query?query=up"
    checkouts.until(lambda: '"value":[' in world.http("prometheus:9090", query))
    moment = re.findall(r'"value":\[([0-9.]+)', world.http("prometheus:9090", query))[0]
    world.inside("prometheus", "sh", "-c", f"echo {moment} >/prometheus/moment")


def _recall_scrape(world: World) -> str:
    """What the value was then, under the word as label: nothing, were it forgotten."""
    moment = world.inside("prometheus", "cat", "/prometheus/moment").strip()
    asked = urllib.parse.quote(f'label_replace(up, "word", "{WORD}", "", "")')
    return world.http("prometheus:9090", f"/api/v1/query?time={moment}&query={asked}")


def _ask_haproxy(world: World) -> str:
    assert "haproxy_process_uptime_seconds" in world.http("haproxy:8404", "/metrics")
    return world.http("haproxy:8080", f"/{WORD}")


def _page(address: str, sign: str) -> Callable[[World], str]:
    """Ask a web server for a page; `sign` is in the head of its answers."""

    def read(world: World) -> str:
        answer = world.http(address, f"/{WORD}")
        return answer if re.search(sign, answer, re.IGNORECASE) else f"{sign} is missing"

    return read


CASES: Mapping[str, Case] = {
    "caddy": Case(
        _page("caddy:80", "server: caddy"),
        store=lambda world: world.inside("caddy", "setpriv", "--reuid=caddy", "touch", "/data/mine"),
        options='backend = "nginx:80"',
    ),
    "etcd": Case(
        lambda world: world.inside("etcd", "etcdctl", "--endpoints=http://etcd:2379", "get", "word"),
        store=lambda world: world.inside("etcd", "etcdctl", "--endpoints=http://etcd:2379", "put", "word", WORD),
    ),
    "haproxy": Case(_ask_haproxy, options='backends = ["nginx:80"]'),
    "mariadb": Case(
        lambda world: _mariadb(world, "SELECT word FROM words"),
        store=lambda world: _mariadb(world, f"CREATE OR REPLACE TABLE words AS SELECT '{WORD}' AS word"),
        options='databases = ["kept"]',
    ),
    "memcached": Case(
        lambda world: world.talk("memcached:11211", f"set w 0 0 {len(WORD)}\r\n{WORD}\r\nget w\r\n", "END|ERROR")
    ),
    "mosquitto": Case(
        lambda world: world.inside("mosquitto", "mosquitto_sub", "-h", "mosquitto", "-t", "word", "-C", "1", "-W", "9"),
        store=lambda world: world.inside(
            "mosquitto", "mosquitto_pub", "-h", "mosquitto", "-t", "word", "-m", WORD, "-r", "-q", "1"
        ),
    ),
    "nats": Case(_read_from_nats, store=_publish_to_nats),
    "nginx": Case(_page("nginx:80", "server: nginx"), options='config = ["site.conf"]'),
    "postgres": Case(
        lambda world: _postgres(world, "SELECT word FROM words"),
        store=lambda world: _postgres(
            world, f"DROP TABLE IF EXISTS words; CREATE TABLE words AS SELECT '{WORD}' AS word"
        ),
        options='databases = ["kept"]',
    ),
    "prometheus": Case(
        _recall_scrape,
        store=_scrape,
        options='config = "prometheus.yml"',
    ),
    "rabbitmq": Case(_consume_from_rabbitmq, store=_publish_to_rabbitmq),
    "redis": Case(
        lambda world: world.inside("redis", "redis-cli", "-h", "redis", "get", "word"),
        store=lambda world: world.inside("redis", "redis-cli", "-h", "redis", "set", "word", WORD),
    ),
    "valkey": Case(
        lambda world: world.inside("valkey", "valkey-cli", "-h", "valkey", "get", "word"),
        store=lambda world: world.inside("valkey", "valkey-cli", "-h", "valkey", "set", "word", WORD),
    ),
    "varnish": Case(_page("varnish:8080", "x-varnish: "), options='backend = "nginx:80"'),
}
USED = tuple(name for name in NAMES if name in CASES)
# What installing leaves behind differs by what packages do then: make databases, a cookie and users, keys and a user.
# Redis is in `test_images`; the others only unpack files and add a user.
ELSEWHERE = ("mariadb", "mosquitto", "postgres", "rabbitmq")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything is up; tests leave it so."""
    engines.require()
    folder = tmp_path_factory.mktemp("catalog")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    services = "".join(f"\n[services.{name}]\n{CASES[name].options}\n" for name in USED)
    with checkouts.small(folder, text=SHELL + services) as checkout:
        checkout.run("up", "-d")
        yield World(checkout)


@dataclass(frozen=True)
class Site:
    """Another engine, with a cache that knows packages but no layer, and the images as the lockfile has them."""

    engine: DockerEngine
    machine: Machine
    images: Mapping[str, Image]

    def build(self, name: str) -> str:
        """Make a service's image, whatever the lockfile says of its digest; the digest it came out with."""
        image = self.images[name]
        reference = f"localhost/devenv-test/catalog-{name}:{os.getpid()}"
        try:
            return Supply(self.engine, self.machine, silence, print).build(
                replace(image, reference=reference, digest=None)
            )
        finally:
            self.engine.remove("image", reference)


@pytest.fixture(scope="module")
def elsewhere(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    addresses = engines.addresses()
    if len(addresses) == 1:
        pytest.skip("there is one engine only: see DEVENV_TEST_ENGINES")
    machine = machines.load(os.environ, Path.home())
    cache = tmp_path_factory.mktemp("cache")
    (cache / "packages").symlink_to(machine.cache / "packages")
    engine = DockerEngine(Endpoint(addresses[-1]))
    found = workspace.load(world.checkout.folder, machine)
    wanted = workspace.resolve(found, engine.info.architecture)
    images = {image.reference: image for image in wanted.images}
    units = {one.unit: images[one.image] for one in wanted.containers}
    yield Site(engine, replace(machine, cache=cache), units)
    engine.close()


def test_every_service_of_the_catalog_has_a_case_here() -> None:
    assert set(NAMES) == set(CASES), "a service that Debian has needs a case in CASES, and no other one does"


@pytest.mark.parametrize("name", USED)
def test_a_service_is_ready_and_the_engine_finds_it_healthy(world: World, name: str) -> None:
    rows = {row["unit"]: row for row in world.checkout.run("status", "--json").data["rows"]}
    assert rows[name]["current"] is True
    asked = ("inspect", "-f", "{{.State.Health.Status}}", f"{world.checkout.name}-{name}-1")
    checkouts.until(lambda: world.checkout.docker(*asked) == "healthy\n")


@pytest.mark.parametrize("name", USED)
def test_a_service_does_its_work_and_keeps_what_it_was_given_over_a_restart(world: World, name: str) -> None:
    case, entry = CASES[name], projects.CATALOG.service(name)
    assert bool(entry.volumes) == (case.store is not None), "what has a volume stores, and what has none does not"
    if case.store is not None:
        case.store(world)
    checkouts.until(lambda: WORD in case.read(world))
    world.checkout.run("restart", name)
    checkouts.until(lambda: WORD in case.read(world))
    for path in entry.volumes.values():
        assert world.inside(name, "find", path, "-mindepth", "1", "-print", "-quit") != "", "the volume is not in use"


@pytest.mark.parametrize("name", USED)
def test_a_services_variables_lead_to_it_from_the_host_and_from_an_app(world: World, name: str) -> None:
    entry = projects.CATALOG.service(name)
    inner = tuple(entry.ports.values())
    container = f"{world.checkout.name}-{name}-1"
    outer = [world.checkout.docker("port", container, str(port)).split()[0].rpartition(":") for port in inner]
    _lead_to(
        _own(name, entry, world.checkout.run("env", "--format", "json").data),
        outer[0][0],
        tuple(int(port) for *_, port in outer),
    )
    inside = dict(line.split("=", 1) for line in world.checkout.run("exec", "shell", "--", "env").out.splitlines())
    _lead_to(_own(name, entry, inside), name, inner)


def _own(name: str, entry: ServiceEntry, variables: Mapping[str, Any]) -> dict[str, str]:
    """A service's variables; they have its name in front where two services have the same."""
    return {key: str(variables.get(f"{name.upper()}_{key}", variables.get(key, ""))) for key in entry.provides}


def _lead_to(variables: Mapping[str, str], host: str, ports: tuple[int, ...]) -> None:
    port = ports[0]
    places = {value for value in variables.values() if "://" in value or value == f"{host}:{port}"}
    assert places, variables
    for place in places:
        parts = urllib.parse.urlsplit(place if "://" in place else f"//{place}")
        assert parts.hostname == host, place
        assert parts.port in ports, place
    for key, value in variables.items():
        assert value, key
        assert not set(value) & set("{}<> "), f"{key}={value}"
        if key.endswith("PORT"):
            assert value == str(port), key
        if key.endswith("HOST"):
            assert value == host, key


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_services_image_made_on_another_engine_is_the_same(world: World, elsewhere: Site, name: str) -> None:
    first = DockerEngine(Endpoint(engines.addresses()[0]))
    try:
        used = first.image(elsewhere.images[name].reference)
    finally:
        first.close()
    assert used is not None
    assert elsewhere.build(name) == used.config_digest
