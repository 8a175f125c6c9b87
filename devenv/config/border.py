"""The shape of `devenv.toml`: its keys, what may stand there and what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from devenv.config import shape
from devenv.config.shape import Key, Shape

LABEL = "(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
VARIABLE = "[A-Za-z_][A-Za-z0-9_.-]*"
SECRET_NAME = "(?![Dd][Ee][Vv][Ee][Nn][Vv]_)[A-Za-z_][A-Za-z0-9_]{0,99}"  # noqa: S105  # a pattern
TASK_NAME = "[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"

_TEXT = shape.text()
_SWITCH = shape.boolean()
_TEXTS = shape.several(_TEXT, "a list of strings")
_PORT = shape.integer("a port from 1 to 65535", least=1, most=65535)
_PORTS = shape.several(_PORT, "a list of ports")
_ENV = shape.free(shape.scalar(), "a table of strings", names=VARIABLE)
_ORIGIN = shape.choice("registry", "debian")
_PACKAGE = shape.text("the name of a Debian package", pattern="[a-z0-9][a-z0-9+.-]+")
_STACK = shape.text("a stack such as `python@3.13`", pattern="[a-z][a-z0-9+.-]*(@[A-Za-z0-9][A-Za-z0-9._+~-]*)?")
_VERSION = shape.text('a version such as `"17"`', pattern="[A-Za-z0-9][A-Za-z0-9._+~-]*")
_IMAGE = shape.text(
    "an image such as `docker.io/acme/search:2`",
    pattern="([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    "(@sha256:[0-9a-f]{64})?",
)
_ARCHITECTURE = shape.choice("amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x")

_ROUTE = shape.text("a path such as `/api`", pattern="(/[A-Za-z0-9._~-]+)+")

_USER = shape.text("a user such as `1000:1000`", pattern="[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_INSIDE = shape.text("an absolute path", pattern="/[^:\\\\]*")
_STAGE = shape.text("a stage's name", pattern="[A-Za-z0-9][A-Za-z0-9_.-]*")
_COMMAND = shape.one_or_several(_TEXT, "a string or a list of strings", before=("/bin/sh", "-c"))
_WORDS = shape.several(shape.text(least=0), "a list of strings")
_START = shape.one_or_several(
    shape.text(least=0), "a string or a list of strings", before=("/bin/sh", "-c"), alone=_TEXT
)

READY = shape.table(
    "How to find out that it serves: exactly one of `tcp`, `http`, `exec` and `log`",
    {
        "tcp": Key(_PORT, "A port that accepts connections"),
        "http": Key(
            shape.text("a path such as `/health`", pattern="/[!-~]*"), "A path that answers with a status below 400"
        ),
        "exec": Key(_COMMAND, "A command that exits with 0 inside; a string is given to `sh -c`"),
        "log": Key(_TEXT, "A regular expression that a line of the log matches"),
        "port": Key(_PORT, "The port for `http`; without it the container's first"),
        "timeout": Key(shape.number("seconds, above 0"), "Seconds until the start counts as failed; default: 60"),
    },
    whole=True,
)

LIMITS = shape.table(
    "The most a container may use",
    {
        "cpus": Key(shape.number("a number above 0"), "Processor cores; may be a fraction"),
        "memory": Key(
            shape.text("a size such as `512M` or `1.5G`", pattern="[0-9]{1,12}(\\.[0-9]{1,6})?[KMGTkmgt]?(i?[Bb])?"),
            "Such as `512M` or `1.5G`; K, M, G and T count by 1024",
        ),
        "pids": Key(
            shape.integer("a number from 1 to 4194304", least=1, most=4194304), "Processes and threads; default: 4096"
        ),
    },
)

CAPABILITIES = (
    *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"),
    *("DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"),
    *("NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
    *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "WAKE_ALARM"),
)
"""See capabilities(7)."""

_CAPABILITY = replace(shape.choice(*CAPABILITIES), words="a capability of Linux such as `NET_ADMIN`")
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = shape.text("an IPv4 address such as `0.0.0.0`", pattern=f"{_BYTE}([.]{_BYTE}){{3}}")

_MOUNT = shape.table(
    "A file or folder of this machine",
    {
        "source": Key(_TEXT, "Relative to the project; from outside of it: absolute, `~/…` or `../…`", required=True),
        "read_only": Key(_SWITCH, "Whether the container can only read it; default: true"),
    },
    whole=True,
)

REACH = {
    "mounts": Key(
        shape.free(shape.short(_MOUNT, "source", "a path or a table with `source`"), "a table of paths"),
        "Files and folders by the path inside, of the project or with consent from outside of it; to change them, "
        '`{ source = "…", read_only = false }`',
    ),
    "privileged": Key(_SWITCH, "Whether it may do what the whole machine's administrator may; needs consent"),
    "capabilities": Key(
        shape.several(_CAPABILITY, "a list of strings"), "Further rights, such as `NET_ADMIN`; needs consent"
    ),
    "address": Key(
        _ADDRESS, "The address that ports are published on; default: 127.0.0.1, others than loopback need consent"
    ),
}

APP = shape.table(
    "A container that runs the project's own code",
    {
        "stack": Key(
            shape.one_or_several(_STACK, "a stack or a list of stacks"),
            "Language toolchain from the catalog, such as `python@3.13`, or a list of them",
        ),
        "image": Key(_IMAGE, "An image in place of `stack` and `packages`"),
        "like": Key(_TEXT, "Another app, whose image and settings this one shares"),
        "images": Key(_ORIGIN, "Where this app's image comes from, if not as the project says"),
        "dir": Key(_TEXT, "The folder that is synced, relative to the project; default: all of it"),
        "packages": Key(shape.several(_PACKAGE, "a list of strings"), "Debian packages to add"),
        "setup": Key(_TEXTS, "Shell commands, run inside at first and when their inputs change"),
        "run": Key(_TEXT, "The shell command to run; without it the container idles"),
        "ports": Key(_PORTS, "Ports, published on `address` under the same number"),
        "env": Key(_ENV, "Environment variables"),
        "needs": Key(_TEXTS, "Services and apps that must be ready first; default: every service"),
        "ready": Key(READY, "How to find out that it serves"),
        "limits": Key(LIMITS, "The most it may use"),
        "replicas": Key(
            shape.integer("a number from 1 to 100", least=1, most=100),
            "How many of its containers run; those of an app with ports stand behind a balancer",
        ),
        "sticky": Key(_SWITCH, "Whether the balancer sends a browser to the same replica again, by a cookie"),
        "route": Key(
            _ROUTE, "A path under which the balancer reaches it at the first port of other balanced apps, too"
        ),
        **REACH,
    },
)

SERVICE = shape.table(
    "A backing container; other keys are options of its entry in the catalog",
    {
        "use": Key(_TEXT, "The catalog's entry; default: the service's own name"),
        "image": Key(_IMAGE, "An image, for a service that is not in the catalog"),
        "dockerfile": Key(_TEXT, "A Dockerfile of the project, for an image of its own; relative to the project"),
        "context": Key(_TEXT, "The folder that the Dockerfile may copy from; default: the one it is in"),
        "target": Key(_STAGE, "The stage of the Dockerfile that is the image; default: the last"),
        "args": Key(_ENV, "Values for the `ARG`s of the Dockerfile"),
        "images": Key(_ORIGIN, "Where its image comes from, if not as the project says"),
        "version": Key(_VERSION, "Its version; default: the catalog's"),
        "port": Key(_PORT, "A fixed port of the host for its main port; default: a free one"),
        "ports": Key(_PORTS, "Ports of a service by `image` or `dockerfile`; the first is the main one"),
        "env": Key(_ENV, "Environment variables"),
        "volumes": Key(shape.free(_TEXT, "a table of strings"), "Volumes: a name and the path inside"),
        "command": Key(
            _START, "Replaces the command of a service by `image` or `dockerfile`; a string is given to `sh -c`"
        ),
        "entrypoint": Key(_WORDS, "Replaces the entrypoint of a service by `image` or `dockerfile`"),
        "working_dir": Key(_INSIDE, "The folder that a service by `image` or `dockerfile` is started in"),
        "run_as": Key(_USER, "The user that a service by `image` or `dockerfile` runs as: a name, `uid` or `uid:gid`"),
        "needs": Key(_TEXTS, "Services and apps that must be ready first; default: none"),
        "ready": Key(READY, "How to find out that it serves; default: the catalog's"),
        "limits": Key(LIMITS, "The most it may use"),
        **REACH,
    },
    more=True,
)

_RULE = shape.table(
    "What a change of a file does",
    {
        "path": Key(_TEXT, "A pattern as in .gitignore, relative to each app's `dir`", required=True),
        "action": Key(shape.choice("sync", "setup", "restart", "rebuild"), "What follows a change", required=True),
    },
    whole=True,
)

_SYNC = shape.table(
    "How files reach the apps",
    {
        "mode": Key(
            shape.choice("auto", "bind", "copy"),
            "Mount the folder, or keep a copy of it in a volume equal to it; default: as fits the engine",
        ),
        "ignore": Key(
            shape.several(_TEXT, "a list of strings"),
            "Patterns of what is not copied, on top of .gitignore, relative to each app's `dir`; `!` takes back",
        ),
        "rules": Key(shape.several(_RULE, "a list of tables"), "What changes do, on top of the stacks' own rules"),
    },
)

_DEBIAN = shape.table(
    "What images of origin `debian` are built from",
    {
        "suite": Key(
            shape.text("a release such as `trixie`", pattern="[a-z][a-z0-9-]*"),
            "The Debian release's code name; default: trixie",
        )
    },
)


_NETWORKS = shape.table(
    "Networks beside the project's own",
    {
        "join": Key(
            shape.several(_TEXT, "a list of strings"),
            "Names of networks shared by all projects on the engine that name them; an app is `<app>.<project>` there",
        )
    },
)

_DATA = shape.table(
    "The data of services",
    {
        "seed": Key(
            _TEXT, "A file of `devenv snapshot export`, relative to the project, that services without data begin with"
        )
    },
)


_SECRET = shape.table(
    "A value that everyone who works on the project brings, such as a token; the key is the variable's name",
    {
        "description": Key(_TEXT, "What it is, for whoever is asked for it"),
        "url": Key(
            shape.text("an address such as `https://example.com/tokens`", pattern="https?://[!-~]+"),
            "Where one gets it",
        ),
        "required": Key(_SWITCH, "Whether apps are not started without it; default: true"),
        "apps": Key(_TEXTS, "The apps that get it; default: every app"),
    },
)


def _task(*, required: bool) -> Shape:
    return shape.table(
        "A named command, run inside an app by `devenv run`",
        {
            "run": Key(_TEXT, "The shell command", required=required),
            "app": Key(_TEXT, "The app it runs in; may be left out when there is only one"),
        },
        whole=True,
    )


def _hook(*, required: bool) -> Shape:
    return shape.table(
        "A check, run inside an app on what is to be committed",
        {
            "run": Key(_TEXT, "The shell command; `{files}` stands for the files", required=required),
            "app": Key(_TEXT, "The app it runs in; may be left out when there is only one"),
            "files": Key(_TEXTS, "Patterns as in .gitignore, relative to the app's folder; default: every file"),
            "stages": Key(
                shape.several(shape.choice("pre-commit", "pre-push"), "a list of `pre-commit` and `pre-push`"),
                "When it runs; default: pre-commit",
            ),
            "parallel": Key(_SWITCH, "Whether it may run on several batches of files at once; default: true"),
        },
        whole=True,
    )


def _keys(task: Shape, hook: Shape) -> dict[str, Key]:
    return {
        "name": Key(_TEXT, "The project's name, a DNS label; default: the folder's name"),
        "require_version": Key(_TEXT, "Versions of devenv that can read this file, such as `>=0.1,<1`"),
        "images": Key(_ORIGIN, "Where images come from: pulled, or built from Debian packages; default: registry"),
        "platforms": Key(
            shape.several(_ARCHITECTURE, "a list of strings"),
            "Architectures the lockfile covers, as Debian names them; default: the engine's own",
        ),
        "debian": Key(_DEBIAN, "What images of origin `debian` are built from"),
        "apps": Key(shape.free(APP, "a table", names=LABEL), "Containers that run the project's own code, by name"),
        "services": Key(shape.free(SERVICE, "a table", names=LABEL), "Backing containers, by name"),
        "data": Key(_DATA, "The data of services"),
        "networks": Key(_NETWORKS, "Networks beside the project's own"),
        "sync": Key(_SYNC, "How files reach the apps"),
        "tasks": Key(shape.free(task, "a table", names=TASK_NAME), "Commands for `devenv run`, by name"),
        "hooks": Key(shape.free(hook, "a table", names=TASK_NAME), "Checks before a commit or a push, by name"),
        "secrets": Key(shape.free(_SECRET, "a table", names=SECRET_NAME), "Values that everyone brings, by name"),
    }


_OVERLAY = shape.table("What to set otherwise", _keys(_task(required=False), _hook(required=False)))

FILE = shape.table(
    "A development environment",
    {
        **_keys(_task(required=True), _hook(required=True)),
        "profiles": Key(shape.free(_OVERLAY, "a table", names=TASK_NAME), "Overlays by name, for `--profile`"),
    },
)


def schema() -> dict[str, Any]:
    """The JSON Schema of `devenv.toml`, draft 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "devenv.toml", **FILE.json}
