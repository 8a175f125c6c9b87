"""Each key of a compose file: carried over, or told of with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.detection.draft import Value
from tests.unit.importing import imports


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        ("command: python app.py --name 'two words'", "command", ["python", "app.py", "--name", "two words"]),
        ('command: ["sh", "-c", "echo $$HOME"]', "command", ["sh", "-c", "echo $HOME"]),
        ('command: redis --save ""', "command", ["redis", "--save", ""]),
        ("entrypoint: /entry.sh run", "entrypoint", ["/entry.sh", "run"]),
        ("user: 1000:1000", "run_as", "1000:1000"),
        ("working_dir: /srv/app", "working_dir", "/srv/app"),
        ("environment:\n  A: 1\n  B: yes\n  C: 'x=y'", "env", {"A": "1", "B": "yes", "C": "x=y"}),
        ("environment:\n  - A=1\n  - B=x=y\n  - C=", "env", {"A": "1", "B": "x=y", "C": ""}),
        ("ports: ['8080:80']", "ports", [80]),
        ("ports: ['8080:80']", "port", 8080),
        ("ports: [80]", "ports", [80]),
        ("ports: ['127.0.0.1:5000-5001:6000-6001']", "ports", [6000, 6001]),
        ("ports:\n  - target: 80\n    published: '8080'\n    protocol: tcp", "port", 8080),
        ("volumes: ['data:/var/lib/data']", "volumes", {"data": "/var/lib/data"}),
        ("volumes: ['/var/cache/web']", "volumes", {"var-cache-web": "/var/cache/web"}),
        ("volumes: ['Static_Files:/s']", "volumes", {"static-files": "/s"}),
        ("volumes: [{type: volume, source: data, target: /d}]", "volumes", {"data": "/d"}),
        ("volumes: ['./a.conf:/etc/a.conf:ro']", "mounts", {"/etc/a.conf": "a.conf"}),
        ("volumes: ['./a.conf:/a']", "mounts", {"/a": {"source": "a.conf", "read_only": False}}),
        ("volumes: ['.:/code:cached']", "mounts", {"/code": {"source": ".", "read_only": False}}),
        (
            "volumes: [{type: bind, source: a.conf, target: /a, read_only: true}]",
            "mounts",
            {"/a": "a.conf"},
        ),
        (
            "volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']",
            "mounts",
            {"/var/run/docker.sock": "/var/run/docker.sock"},
        ),
        ("healthcheck: {test: [CMD, curl, localhost]}", "ready", {"exec": ["curl", "localhost"], "timeout": 93.0}),
        (
            "healthcheck: {test: curl localhost, interval: 1s, retries: 5}",
            "ready",
            {"exec": ["/bin/sh", "-c", "curl localhost"]},
        ),
        (
            "healthcheck: {test: [CMD-SHELL, 'true'], interval: 1m30s, retries: 2, start_period: 10s}",
            "ready",
            {"exec": ["/bin/sh", "-c", "true"], "timeout": 192.0},
        ),
        ("deploy: {resources: {limits: {cpus: '0.5', memory: 1g}}}", "limits", {"cpus": 0.5, "memory": "1G"}),
        ("cpus: 2\nmem_limit: 512mb\npids_limit: 99", "limits", {"cpus": 2.0, "memory": "512M", "pids": 99}),
        ("privileged: true", "privileged", True),
        ("cap_add: [CAP_NET_ADMIN, SYS_PTRACE]", "capabilities", ["NET_ADMIN", "SYS_PTRACE"]),
    ],
)
def test_a_key_is_carried_over(tmp_path: Path, lines: str, key: str, value: Value) -> None:
    found = imports.service(tmp_path, lines, a_conf="x")
    assert found.services["web"][key] == value
    assert found.losses() == []


@pytest.mark.parametrize(
    ("lines", "what", "line"),
    [
        ("tmpfs: /tmp", "services.web.tmpfs", 4),
        ("extra_hosts: ['a:1.2.3.4']", "services.web.extra_hosts", 4),
        ("network_mode: host", "services.web.network_mode", 4),
        ("devices: ['/dev/kvm:/dev/kvm']", "services.web.devices", 4),
        ("ulimits: {nofile: 1000}", "services.web.ulimits", 4),
        ("shm_size: 1g", "services.web.shm_size", 4),
        ("something_new: 1", "services.web.something_new", 4),
        ("ports: ['53:53/udp']", "services.web.ports", 4),
        ("ports: ['x:y']", "services.web.ports", 4),
        ("volumes:\n  - ./nothing:/n:ro", "services.web.volumes", 5),
        ("volumes:\n  - ./nothing.conf:/n", "services.web.volumes", 5),
        ("volumes:\n  - ':'", "services.web.volumes", 5),
        ("volumes:\n  - 'C:\\data:/data'", "services.web.volumes", 4),
        ("volumes:\n  - type: tmpfs\n    target: /t", "services.web.volumes", 5),
        ("secrets: [token]", "services.web.secrets", 4),
        ("configs:\n  - source: a\n    target: /a", "services.web.configs", 5),
        ("env_file: nothing.env", "services.web.env_file", 4),
        ("env_file: ../other.env", "services.web.env_file", 4),
        ("environment:\n  'a b': 1", "services.web.environment.a b", 5),
        ("command: 'echo \"'", "services.web.command", 4),
        ("command: []", "services.web.command", 4),
        ("user: 'a b'", "services.web.user", 4),
        ("working_dir: code", "services.web.working_dir", 4),
        ("healthcheck: {test: [RUN, x]}", "services.web.healthcheck", 4),
        ("scale: 3", "services.web.deploy.replicas", 4),
        ("deploy:\n  replicas: 2", "services.web.deploy.replicas", 5),
        ("mem_limit: lots", "services.web.mem_limit", 4),
        ("mem_limit: 1m", "services.web.mem_limit", 4),
        ('command: ["a\\0b"]', "services.web.command", 4),
        ('volumes: ["./a\\u202e:/a"]', "services.web.volumes", 4),
        ('volumes: ["./a.conf:/a\\u202e"]', "services.web.volumes", 4),
        ("volumes: ['.:/']", "services.web.volumes", 4),
        ("links: ['web:alias']", "services.web.links", 4),
        ("networks:\n  default:\n    aliases: [api]", "services.web.networks", 5),
        ("depends_on: [nobody]", "services.web.depends_on", 4),
    ],
)
def test_what_is_not_carried_over_is_told_with_its_place(tmp_path: Path, lines: str, what: str, line: int) -> None:
    loss = imports.service(tmp_path, lines).loss(what)
    assert loss.weight == "lost"
    assert loss.why
    assert loss.place is not None
    assert (loss.place.file, loss.place.line) == ("compose.yaml", line)


@pytest.mark.parametrize(
    "lines",
    ["container_name: x", "logging: {driver: none}", "labels: [a=b]", "tty: true", "expose: [80]", "deploy: {mode: x}"],
)
def test_what_has_no_effect_here_is_harmless(tmp_path: Path, lines: str) -> None:
    found = imports.service(tmp_path, lines)
    assert (found.losses(), len(found.losses("harmless"))) == ([], 1)


@pytest.mark.parametrize(
    "lines", ["restart: always", "hostname: box", "ports: ['1:1', '2:2']", "platform: linux/arm64"]
)
def test_what_works_otherwise_is_told(tmp_path: Path, lines: str) -> None:
    found = imports.service(tmp_path, lines)
    assert (found.losses(), len(found.losses("changed"))) == ([], 1)


def test_extensions_and_what_is_empty_are_passed_over(tmp_path: Path) -> None:
    found = imports.compose(tmp_path, "x-a: 1\nservices:\n  web:\n    image: a\n    x-b: 2\n    ports:\n")
    assert (found.services, found.made.losses) == ({"web": {"image": "a"}}, ())


# --- what a service is ---


@pytest.mark.parametrize(
    ("image", "env", "want"),
    [
        ("postgres", "", {"databases": ["postgres"], "user": "postgres"}),
        ("postgres:16", "POSTGRES_USER: me", {"version": "16", "databases": ["me"], "user": "me"}),
        ("postgres:16.4-alpine", "POSTGRES_DB: d", {"version": "16", "databases": ["d"], "user": "postgres"}),
        ("docker.io/library/postgres:17", "POSTGRES_PASSWORD: p", {"version": "17", "password": "p"}),
        ("redis:7.2", "", {"version": "7"}),
        ("rabbitmq:3-management", "", {"version": "3.13", "user": "guest", "password": "guest"}),
        ("mysql:8.0", "MYSQL_ROOT_PASSWORD: r\n      MYSQL_DATABASE: d", {"password": "r", "databases": ["d"]}),
        (
            "mariadb:11",
            "MARIADB_USER: u\n      MARIADB_PASSWORD: p\n      TZ: UTC",
            {"user": "u", "env": {"TZ": "UTC"}},
        ),
        ("memcached:1.6-alpine", "", {"version": "1.6"}),
        ("axllent/mailpit", "", {}),
        (
            "mongo:7",
            "MONGO_INITDB_ROOT_USERNAME: a\n      MONGO_INITDB_ROOT_PASSWORD: b",
            {"user": "a", "password": "b"},
        ),
    ],
)
def test_a_service_that_the_catalog_has_is_the_catalogs(
    tmp_path: Path, image: str, env: str, want: dict[str, Value]
) -> None:
    text = f"services:\n  db:\n    image: {image}\n" + (f"    environment:\n      {env}\n" if env else "")
    made = imports.compose(tmp_path, text).services["db"]
    assert made["use"] in ("postgres", "redis", "rabbitmq", "mysql", "mariadb", "memcached", "mailpit", "mongodb")
    assert {key: made.get(key) for key in want} == want


@pytest.mark.parametrize(
    "lines",
    [
        "image: postgres:9",
        "image: postgres:17@sha256:" + "0" * 64,
        "image: bitnami/postgresql:16",
        "image: mongo:7",
        "image: postgres:16\n    environment: {POSTGRES_HOST_AUTH_METHOD: trust}",
        "image: postgres:16\n    environment: {POSTGRES_PASSWORD_FILE: /run/secrets/p}",
        "image: mysql:8.0\n    environment: {MYSQL_ROOT_PASSWORD: a, MYSQL_PASSWORD: b}",
        "image: redis:7\n    command: redis-server --requirepass x",
        "image: redis:7\n    command: redis-server /etc/redis.conf",
        "image: postgres:16\n    volumes: ['./a.conf:/etc/postgresql.conf']",
        "image: postgres:16\n    user: '1000'",
        "image: nginx:1.28",
    ],
)
def test_a_service_of_which_the_catalog_cannot_say_everything_is_by_its_image(tmp_path: Path, lines: str) -> None:
    made = imports.compose(tmp_path, f"services:\n  db:\n    {lines}\n", a_conf="x").services["db"]
    assert "image" in made
    assert "use" not in made


def test_settings_files_and_volumes_of_a_database_become_options(tmp_path: Path) -> None:
    text = """\
services:
  db:
    image: postgres:17
    command: postgres -c max_connections=200 -c fsync=off
    ports: ["5433:5432"]
    volumes:
      - db:/var/lib/postgresql/data
      - ./init:/docker-entrypoint-initdb.d
      - ./s.sql:/docker-entrypoint-initdb.d/2.sql
    healthcheck: {test: pg_isready}
volumes: {db: {}}
"""
    imports.files(tmp_path, {"init/a.sql": "select 1", "s.sql": "select 2"})
    found = imports.compose(tmp_path, text)
    assert found.services["db"] == {
        "use": "postgres",
        "version": "17",
        "port": 5433,
        "databases": ["postgres"],
        "user": "postgres",
        "settings": {"max_connections": "200", "fsync": "off"},
        "init": ["init/*", "s.sql"],
    }
    assert (found.losses(), found.losses("harmless")) == ([], ["services.db.healthcheck"])


def test_folders_that_are_there_for_data_are_volumes(tmp_path: Path) -> None:
    text = """\
services:
  db: {image: "postgres:17", volumes: ["./pgdata:/var/lib/postgresql/data:delegated"]}
  vectors: {image: acme/vectors, volumes: ["./.data/v/:/storage"]}
"""
    found = imports.compose(tmp_path, text)
    assert found.services["db"]["use"] == "postgres"
    assert found.services["vectors"] == {"image": "acme/vectors", "volumes": {"data-v": "/storage"}}
    assert (found.losses(), found.losses("changed")) == ([], ["services.db.volumes", "services.vectors.volumes"])


def test_debian_has_what_it_has(tmp_path: Path) -> None:
    text = "services:\n  db: {image: 'postgres:13'}\n  my: {image: 'mysql:8.0'}\n  q: {image: 'redis:8'}\n"
    found = imports.done(tmp_path, {"compose.yaml": text}, images="debian")
    assert found.services == {
        "db": {"use": "postgres", "databases": ["postgres"], "user": "postgres"},
        "my": {"image": "mysql:8.0"},
        "q": {"use": "redis", "version": "8"},
    }
    assert found.losses("changed") == ["services.db.image", "services.my.image"]


def test_what_is_built_is_built_by_the_same_dockerfile(tmp_path: Path) -> None:
    text = """\
services:
  a: {build: .}
  b:
    build: {context: ./b, dockerfile: ../dev.Dockerfile, target: one, args: {BASE: debian, N: 1}}
  c:
    build: {context: b, network: host}
    image: acme/c
"""
    given = {"Dockerfile": "FROM debian\n", "dev.Dockerfile": "ARG BASE\nFROM ${BASE} AS one\nFROM alpine\n"}
    found = imports.done(tmp_path, given | {"b/Dockerfile": "FROM debian\n", "compose.yaml": text})
    assert found.services == {
        "a": {"dockerfile": "Dockerfile"},
        "b": {"dockerfile": "dev.Dockerfile", "context": "b", "target": "one", "args": {"BASE": "debian", "N": "1"}},
        "c": {"dockerfile": "b/Dockerfile"},
    }
    assert found.losses() == ["services.c.build.network"]


@pytest.mark.parametrize(
    "lines",
    [
        "build: ./nothing",
        "build: https://example.com/a.git",
        "build: ../other",
        "build: {dockerfile_inline: 'FROM a'}",
        "build: {context: ., target: nobody}",
        "image: 'not an image'",
        "image: ${NOTHING}",
        "image: acme/${API_TOKEN}",
        "command: ls",
    ],
)
def test_a_service_that_cannot_be_made_is_left_out_and_told_of(tmp_path: Path, lines: str) -> None:
    text = f"services:\n  web: {{image: a, depends_on: [bad]}}\n  bad:\n    {lines}\n"
    found = imports.compose(tmp_path, text, Dockerfile="FROM debian\n", _env="API_TOKEN=t0ken\n")
    assert found.services == {"web": {"image": "a"}}
    assert "t0ken" not in found.made.text
    assert any(one.what.startswith("services.bad") and "left out" in one.why for one in found.made.losses)


# --- how services are together ---


def test_services_wait_for_each_other(tmp_path: Path) -> None:
    text = """\
services:
  web:
    image: a
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
      debug: {condition: service_started, required: false}
  worker: {image: a, depends_on: [db, web]}
  db: {image: b}
  migrate: {image: a, command: migrate}
  debug: {image: a, profiles: [debug, all], depends_on: [web]}
"""
    found = imports.compose(tmp_path, text)
    assert found.services == {
        "web": {"image": "a", "needs": ["db"]},
        "worker": {"image": "a", "needs": ["db", "web"]},
        "db": {"image": "b"},
    }
    one = {"services": {"debug": {"image": "a", "needs": ["web"]}}}
    assert found.data["profiles"] == {"debug": one, "all": one}
    assert found.losses() == ["services.migrate"]
    assert found.losses("changed") == ["services.web.depends_on"]


def test_names_that_no_host_can_have_are_changed_everywhere(tmp_path: Path) -> None:
    text = """\
services:
  my_db: {image: b}
  web:
    image: a
    command: wait my_db:5432
    environment: {URL: "http://u:p@my_db/my_db_name", HOST: my_db, OTHER: not-my_db}
    depends_on: [my_db]
  MY-DB: {image: c}
"""
    found = imports.compose(tmp_path, text)
    assert found.services["web"] == {
        "image": "a",
        "command": ["wait", "my-db:5432"],
        "env": {"URL": "http://u:p@my-db/my_db_name", "HOST": "my-db", "OTHER": "not-my_db"},
        "needs": ["my-db"],
    }
    assert found.services.keys() == {"my-db", "web", "my-db-2"}
    assert len(found.losses("changed")) == 2


def test_anchors_merges_and_extends_are_carried_out(tmp_path: Path) -> None:
    text = """\
x-env: &env {A: "1", B: "2"}
services:
  base: &base
    image: a
    environment: *env
    ports: ["1:1"]
  web:
    <<: *base
    environment: {<<: *env, B: "3"}
  worker:
    extends: web
    command: work
    ports: ["2:2"]
  far:
    extends: {file: lib/common.yml, service: far}
    environment: ["B=5"]
"""
    common = "services:\n  far:\n    image: f\n    environment: {A: '4', B: '4'}\n    volumes: ['./x:/x']\n"
    found = imports.done(tmp_path, {"compose.yaml": text, "lib/common.yml": common, "lib/x": ""})
    assert found.services["web"]["env"] == {"A": "1", "B": "3"}
    assert found.services["worker"] == {
        "image": "a",
        "command": ["work"],
        "ports": [1, 2],
        "env": {"A": "1", "B": "3"},
    }
    assert found.services["far"]["env"] == {"A": "4", "B": "5"}
    assert found.services["far"]["mounts"] == {"/x": {"source": "lib/x", "read_only": False}}


def test_the_override_beside_a_file_is_laid_over_it(tmp_path: Path) -> None:
    given = {"compose.yaml": "services: {web: {image: a, command: one}}\n"}
    given |= {"compose.override.yaml": "services:\n  web:\n    command: two\n    environment: [A=1]\n"}
    found = imports.done(tmp_path, given)
    assert found.services == {"web": {"image": "a", "command": ["two"], "env": {"A": "1"}}}
    assert found.made.sources == ("compose.yaml", "compose.override.yaml")


def test_volumes_that_services_share_are_told_of(tmp_path: Path) -> None:
    text = (
        "services:\n  a: {image: a, volumes: ['s:/s', /n]}\n  b: {image: b, volumes: ['s:/s', /n]}\nvolumes: {s: {}}\n"
    )
    assert imports.compose(tmp_path, text).losses() == ["volumes.s"]


def test_secrets_and_configs_are_files(tmp_path: Path) -> None:
    text = """\
services:
  web:
    image: a
    secrets: [token, {source: key, target: other}]
    configs: [{source: conf, target: /etc/conf}]
secrets: {token: {file: ./t.txt}, key: {file: t.txt}}
configs: {conf: {file: ./c.txt}}
"""
    found = imports.compose(tmp_path, text, t_txt="", c_txt="")
    assert found.services["web"]["mounts"] == {
        "/run/secrets/token": "t.txt",
        "/run/secrets/other": "t.txt",
        "/etc/conf": "c.txt",
    }


def test_further_networks_are_one_and_foreign_ones_are_joined_by_hand(tmp_path: Path) -> None:
    text = "services: {a: {image: a, networks: [x, y]}}\nnetworks: {x: {}, y: {external: true}}\n"
    found = imports.compose(tmp_path, text)
    assert (found.losses(), found.losses("changed")) == (["networks.y"], ["networks"])


def test_the_text_says_where_each_part_is_from(tmp_path: Path) -> None:
    text = imports.service(tmp_path, "tmpfs: /tmp").made.text
    assert "# Made from compose.yaml by `devenv import`" in text
    assert "[services.web] # service web, compose.yaml:2\n" in text
    assert "# tmpfs: nothing is mounted in memory\n" in text
