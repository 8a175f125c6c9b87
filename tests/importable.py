"""Projects as their people had them before devenv: five with compose files, two with Dev Containers.

They are of kinds seen in public projects; `{image}` is an image with a shell, a web server and `nc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Importable:
    """A project.

    Args:
        files: By path; `{image}`, `{redis}` and `{port}` are put in.
        pages: Paths that answer, and what is in the answer.
        main: The service whose port is published.
    """

    files: Mapping[str, str]
    pages: Mapping[str, str]
    main: str
    file: str = "compose.yaml"
    profile: str | None = None
    same: tuple[str, ...] = field(default=())


COUNTER = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
printf 'SET page %s\\r\\nGET page\\r\\nQUIT\\r\\n' "$GREETING" | nc "$REDIS_HOST" 6379 | tail -n 2
"""

# Python and Redis: the app is built here, its code is mounted over what was built in, the password is nobody's.
FLASK = Importable(
    {
        "Dockerfile": 'FROM {image}\nWORKDIR /code\nCOPY . .\nCMD ["httpd", "-f", "-p", "5000", "-h", "/code"]\n',
        "index.html": "counter of {port}",
        "cgi-bin/count": COUNTER,
        "compose.yaml": """\
services:
  web:
    build: .
    ports:
      - "{port}:5000"
    volumes:
      - .:/code
    environment:
      GREETING: hello
      REDIS_HOST: redis
    depends_on:
      - redis
  redis:
    image: "redis:8-alpine"
""",
    },
    {"/": "counter of {port}", "/cgi-bin/count": "hello"},
    "web",
)

# An API with a database that has to be healthy first; several stages, arguments, two forms of variables.
NODE = Importable(
    {
        "api/Dockerfile": """\
ARG BASE=scratch
FROM ${{BASE}} AS base
WORKDIR /app
FROM base AS development
ARG FLAVOUR=plain
ENV FLAVOUR=$FLAVOUR
COPY index.html /app/
CMD ["httpd", "-f", "-p", "3000", "-h", "/app"]
FROM base AS production
CMD ["false"]
""",
        "api/index.html": "the list",
        ".env": "DB_PASSWORD=from-dotenv\n",
        "compose.yaml": """\
version: "3.9"
services:
  api:
    build:
      context: ./api
      target: development
      args:
        BASE: {image}
        FLAVOUR: sweet
    ports:
      - target: 3000
        published: "{port}"
    environment:
      - NODE_ENV=development
      - DATABASE_URL=postgres://app:${{DB_PASSWORD:-secret}}@database:5432/app
      - PRICE=5$$
    depends_on:
      database:
        condition: service_healthy
    restart: unless-stopped
  database:
    image: {image}
    command: sh -c 'sleep 1; echo ready >/tmp/ready; exec sleep 1000'
    healthcheck:
      test: ["CMD-SHELL", "grep -q ready /tmp/ready"]
      interval: 1s
      timeout: 2s
      retries: 20
    volumes:
      - db-data:/var/lib/db
volumes:
  db-data: {{}}
""",
    },
    {"/": "the list"},
    "api",
)

FORWARD = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec wget -q -O - http://api:8000/index.html
"""

# A reverse proxy with a configuration from the project, before two upstreams in networks of their own.
PROXY = Importable(
    {
        "proxy/httpd.conf": "I:front.html\n",
        "site/front.html": "front page",
        "site/cgi-bin/api": FORWARD,
        "api/index.html": "the api",
        "docker-compose.yml": """\
x-logging: &logging
  logging:
    driver: json-file
    options: {{max-size: 10m}}
services:
  proxy:
    image: {image}
    <<: *logging
    command: ["httpd", "-f", "-p", "80", "-c", "/etc/httpd.conf", "-h", "/www"]
    ports: ["127.0.0.1:{port}:80"]
    volumes:
      - ./proxy/httpd.conf:/etc/httpd.conf:ro
      - type: bind
        source: ./site
        target: /www
        read_only: true
    depends_on: [api]
    networks: [front, back]
  api:
    image: {image}
    <<: *logging
    working_dir: /srv
    command: httpd -f -p 8000
    volumes: ["./api:/srv:ro"]
    networks: [back]
networks:
  front: {{}}
  back: {{}}
""",
    },
    {"/": "front page", "/cgi-bin/api": "the api"},
    "proxy",
    file="docker-compose.yml",
)

# PHP or Django: a file of variables, a user, an entrypoint of its own, a secret as a file, named volumes.
DJANGO = Importable(
    {
        "web.env": "# settings\nDEBUG=1\nALLOWED='a b'\n",
        "secret.txt": "hush",
        "entry.sh": 'echo "$DEBUG $ALLOWED $(cat /run/secrets/key) $(id -u)" >/media/state.txt\nexec "$@"\n',
        "docker/compose.yaml": """\
services:
  web:
    image: {image}
    env_file: ../web.env
    environment:
      MODE: dev
      DEBUG: "2"
    entrypoint: ["sh", "/entry.sh"]
    command: ["httpd", "-f", "-p", "8080", "-h", "/media"]
    user: "0:0"
    working_dir: /media
    ports: ["{port}:8080"]
    volumes:
      - ../entry.sh:/entry.sh:ro
      - media:/media
      - static_files:/static
    secrets: [key]
    mem_limit: 128m
secrets:
  key:
    file: ../secret.txt
volumes:
  media:
  static_files:
""",
    },
    {"/state.txt": "2 a b hush 0"},
    "web",
    file="docker/compose.yaml",
)

# A worker and a queue: anchors, `extends`, a profile, limits.
WORKER = Importable(
    {
        "common.yaml": "services:\n  base:\n    image: {image}\n    environment: {{LEVEL: info, QUEUE: queue}}\n",
        "compose.yaml": """\
x-common: &common
  cpus: 0.5
  labels: {{team: shop}}
services:
  queue:
    <<: *common
    image: {image}
    command: ["sh", "-c", "mkdir -p /jobs && echo empty >/jobs/index.html && exec httpd -f -p 9000 -h /jobs"]
    ports: ["{port}:9000"]
  my_worker:
    <<: *common
    extends:
      file: common.yaml
      service: base
    command: sleep 1000
    environment:
      LEVEL: debug
      URL: http://queue:9000
    depends_on: {{queue: {{condition: service_started}}}}
    profiles: [work]
""",
    },
    {"/": "empty"},
    "queue",
    profile="work",
)

COMPOSE = {"flask": FLASK, "node": NODE, "proxy": PROXY, "django": DJANGO, "worker": WORKER}

# Dev Containers: an image with commands, and a service of a compose file.
BY_IMAGE = Importable(
    {
        "greeting.txt": "good morning",
        ".devcontainer/devcontainer.json": """\
// what everyone works in
{{
  "name": "Notes",
  "image": "{image}",
  "runArgs": ["--network=none"],
  "containerEnv": {{"MODE": "dev", "WHERE": "${{containerWorkspaceFolder}}"}},
  "remoteEnv": {{"HOST_TOKEN": "${{localEnv:HOST_TOKEN}}"}},
  "postCreateCommand": {{"one": "cat greeting.txt >/tmp/made", "two": ["touch", "/tmp/two words"]}},
  "forwardPorts": [{port}],
  "customizations": {{"vscode": {{"extensions": ["ms-python.python"]}}}}, /* for editors */
}}
""",
    },
    {},
    "dev",
    file=".devcontainer/devcontainer.json",
)
BY_COMPOSE = Importable(
    {
        "index.html": "in the editor",
        ".devcontainer/devcontainer.json": """\
{{
  "dockerComposeFile": "compose.yml",
  "service": "app",
  "workspaceFolder": "/workspace",
  "containerEnv": {{}},
  "shutdownAction": "stopCompose"
}}
""",
        ".devcontainer/compose.yml": """\
services:
  app:
    image: {image}
    command: httpd -f -p 8000 -h /workspace
    volumes: ["..:/workspace:cached"]
    ports: ["{port}:8000"]
    environment: {{MODE: dev}}
""",
    },
    {"/": "in the editor"},
    "app",
    file=".devcontainer/devcontainer.json",
)
DEVCONTAINERS = {"image": BY_IMAGE, "compose": BY_COMPOSE}
