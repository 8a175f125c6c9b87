"""What the catalog's files say: services and stacks as data.

In strings, `{name}` stands for a value: an option of the entry, `{version}`, `{project}`, `{service}` (the name it has
in the network), and in `provides` also `{host}`, `{port}` for the main port and `{port.web}` for the one that `ports`
calls so; `{databases}` is a list joined by commas, `{databases.first}` its first item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from devenv.model.project import Ready
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class EntryFile:
    """A file of the entry's folder, put into the image; without `source` it is a folder.

    Args:
        path: Absolute, inside.
        source: Name in the folder beside the entry's TOML file.
        mode: Permission bits.
        early: Laid down before the packages are configured.
    """

    path: str
    source: str | None = None
    mode: int = 0o644
    early: bool = False


@dataclass(frozen=True, slots=True)
class EntryDebian:
    """How the entry is made from Debian packages.

    Args:
        packages: By suite, by version.
        default: Version by suite.
        named: The package whose version is the software's, when that is not the first one; may use `{version}`.
        path: Folders put before `PATH`'s usual ones.
        drop: Paths removed after configuring; of a path that ends with `/` only what is in it.
    """

    packages: Mapping[str, Mapping[str, tuple[str, ...]]]
    default: Mapping[str, str]
    named: str = ""
    files: tuple[EntryFile, ...] = ()
    path: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class EntryRegistry:
    """Which image of a registry the entry is.

    Args:
        tag: May use `{version}`.
        copied: Of a stack, the folders that hold it, for apps of several stacks.
        wrapper: Of a service, a script in its folder: the image's own entrypoint starts it with `sh`, it prepares what
            the options ask for and goes on with the command, its arguments.
        entrypoint: Of a service, the image's own, for one that gets secrets as variables: they are set before it.
    """

    image: str
    default: str
    versions: tuple[str, ...]
    tag: str = "{version}"
    copied: tuple[str, ...] = ()
    wrapper: str = ""
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryOption:
    """A key that `[services.<name>]` may have for this entry.

    Args:
        summary: One line for people.
        type: `file` is the path of one file in the project, `files` a list of globs, or one of them.
        default: For a list, its items; `{project}` may be used.
        argument: Appended to the command for each item; `{key}` and `{value}` stand for it.
        into: For `file`: where it is inside. For `files`: the folder inside where they are mounted, in order.
        packages: For a list: Debian packages that an item needs besides; may use `{version}`.
        images: For a list: the registry's image, with its tag, that has an item; may use `{version}`.
        secret: Of a string: generated unless given; only `env` and `provides` may name it. A variable of `env` that
            does is a file `/run/secrets/NAME`, and also a variable unless another one of `env` names that file.
        kept: Of a secret: the data in volumes keeps it, so that another one does not fit that data.
    """

    summary: str
    type: Literal["string", "list", "table", "file", "files"]
    default: tuple[str, ...] = ()
    argument: tuple[str, ...] = ()
    into: str = ""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One file in `templates/services/`.

    Args:
        ports: Name to container port; the first is the main one.
        volumes: Name to path inside.
        ready: All must pass, cheapest first.
        health: The command declared to the engine as health check.
        client: The command of `devenv connect`.
        provides: Variables for the apps that need it.
        dump: The command that writes all data of the running server to its standard output, inside. Without it data
            is copied as files of the stopped one.
        restore: The command that reads what `dump` wrote, also an older version's, into a server that has just made an
            empty volume its own.
        data: Which versions can use each other's data: `any`, or those of one `major` version alone.
        signs: What a project that uses it has: libraries by stack, schemes of `urls`, `images` without their tags.
    """

    summary: str
    docs: str
    debian: EntryDebian | None = None
    registry: EntryRegistry | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ready: tuple[Ready, ...] = ()
    health: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    provides: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, EntryOption] = field(default_factory=dict)
    stop_signal: str = ""
    stop_grace: int = 10
    data: Literal["any", "major"] = "any"
    dump: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    signs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackEntry:
    """One file in `templates/stacks/`.

    Args:
        env: For the app; `{home}` is the app's home folder.
        prepare: Shell commands before the app's own `setup`, under the same rule.
        inputs: Globs in the app's folder; a change runs setup again.
        builds: Libraries that are compiled, and the Debian packages that takes.
    """

    summary: str
    docs: str
    debian: EntryDebian | None = None
    registry: EntryRegistry | None = None
    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    builds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameworkEntry:
    """One file in `templates/frameworks/`: how an app that is written with it is started for development.

    In `run`, `{port}` stands for the port, `{module}` and `{object}` for where the app's object is made, `{main}` for
    the file to start and `{folder}` for the folder that has it.

    Args:
        stack: The stack whose projects it is looked for in.
        packages: Libraries, one of which tells that it is used.
        files: Paths, one of which tells so, too.
        object: Of Python, the class whose object is the app.
        scripts: Of `package.json`, those that start the app, the first that there is; in place of `run`.
        main: Globs of the file to start.
        install: What else the run command needs of the stack's own packages, unless the project has it.
        setup: Shell commands after the libraries are installed.
        variable: Of the environment, where the app finds its port.
        listens: Regular expressions for the port in the `sources`, its number the first group.
        last: Only where nothing more special is found.
    """

    summary: str
    stack: str
    run: str
    port: int
    packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    object: str = ""
    scripts: tuple[str, ...] = ()
    main: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    variable: str = ""
    listens: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    last: bool = False
