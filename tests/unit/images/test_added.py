from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.images import added, client, index
from devenv.images.registry import Registry, manifest
from devenv.images.registry.manifest import Manifest
from devenv.model.machine import Machine
from devenv.model.pins import Layer, LayerRequest, RegistryPin
from devenv.model.progress import Progress
from devenv.reference import Reference
from tests.registries import MANIFEST
from tests.unit.images import archives
from tests.unit.images.archives import DATE, Server

REFERENCE = "docker.io/library/python:3.13"
DEBIAN = b'PRETTY_NAME="Debian"\nVERSION_CODENAME=trixie\nID=debian\n'
ALPINE = b'ID=alpine\nVERSION_ID=3.22.1\nNAME="Alpine Linux"\n'
STATUS, RELEASE = "var/lib/dpkg/status", "usr/lib/os-release"
HINT = 'use an image that is based on Debian, or `images = "debian"`'

Files = Mapping[str, bytes | str]


def layer(files: Files) -> bytes:
    """A gzipped layer; a text is the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            info.size = len(content) if isinstance(content, bytes) else 0
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return gzip.compress(buffer.getvalue(), mtime=0)


def installed(name: str, version: str = "1", status: str = "install ok installed", **fields: str) -> str:
    """A package as dpkg's status has it."""
    named = {key.replace("_", "-").title(): value for key, value in fields.items()}
    described = {"Package": name, "Status": status, "Version": version, "Architecture": "amd64"} | named
    return "\n".join(f"{key}: {value}" for key, value in described.items())


def status(*paragraphs: str) -> bytes:
    return "".join(f"{one}\n\n" for one in paragraphs).encode()


class Holding(Registry):
    """A registry with one image, which notes the layers that are fetched."""

    def __init__(self, folder: Path, layers: Sequence[bytes]) -> None:
        super().__init__(Machine(), lambda _: None)
        self._folder = folder
        self._blobs = {f"sha256:{hashlib.sha256(one).hexdigest()}": one for one in layers}
        described = [{"digest": name, "size": len(blob)} for name, blob in self._blobs.items()]
        self._manifest = manifest.read(json.dumps({"config": {}, "layers": described}).encode(), MANIFEST, "tests")
        self.fetched: list[int] = []

    @property
    def pin(self) -> RegistryPin:
        return RegistryPin(REFERENCE, "sha256:index", self._manifest.digest, "sha256:config", "3.13", DATE - 500)

    def manifest(self, wanted: Reference) -> Manifest | None:
        return self._manifest if str(wanted) == f"docker.io/library/python@{self._manifest.digest}" else None

    def blob(self, wanted: Reference, digest: str, size: int, subject: str) -> Path:
        assert (str(wanted), size, subject) == (REFERENCE, len(self._blobs[digest]), "python")
        self.fetched.append(list(self._blobs).index(digest))
        path = self._folder / digest.removeprefix("sha256:")
        path.write_bytes(self._blobs[digest])
        return path


@dataclass
class World:
    """A Debian mirror, and bases in a registry."""

    server: Server
    folder: Path
    reports: list[Progress] = field(default_factory=list)

    def base(self, *layers: Files | bytes) -> Holding:
        return Holding(self.folder, [one if isinstance(one, bytes) else layer(one) for one in layers])

    def debian(self, *paragraphs: str) -> Holding:
        """A Debian in which these packages are installed."""
        return self.base({RELEASE: DEBIAN, STATUS: status(*paragraphs)})

    def publish(self, *packages: Mapping[str, str]) -> None:
        self.server.add_suite("trixie", packages)

    def lock(self, registry: Holding, *packages: str, pin: RegistryPin | None = None) -> Layer:
        base = pin or registry.pin
        request = LayerRequest("web", packages, base.reference)
        machine = Machine(mirror=self.server.mirror(), cache=self.folder / "cache")
        with registry:
            return added.lock(request, base, "amd64", registry=registry, machine=machine, report=self.reports.append)

    def chosen(self, registry: Holding, *packages: str) -> dict[str, str]:
        """Versions of what is added, by name."""
        runs = self.lock(registry, *packages).runs
        return {one.name: one.version for run in runs for one in run}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(index, "KEYS", archives.trust(tmp_path / "keys"))
    monkeypatch.setattr(client, "PAUSE", 0.0)
    with archives.served() as server:
        made = World(server, tmp_path)
        made.publish(
            archives.package("libc6"),
            archives.package("git", "2", depends="libc6, git-man"),
            archives.package("git-man", "2"),
            archives.package("libssl3", "2", depends="libc6"),
            archives.package("libssl-dev", "2", depends="libssl3 (= 2)"),
            archives.package("openssl", "2", depends="libssl3 (>= 2)"),
            archives.package("unrelated", "2"),
        )
        yield made


# --- what is chosen ---


def test_only_what_the_base_lacks_is_added(world: World) -> None:
    assert world.chosen(world.debian(installed("libc6"), installed("unrelated")), "git") == {"git": "2", "git-man": "2"}


def test_what_the_base_has_is_not_added_again_even_when_asked_for(world: World) -> None:
    base = world.debian(installed("libc6"), installed("git"), installed("git-man"))
    assert world.chosen(base, "git", "libc6") == {}


def test_an_installed_package_that_is_too_old_for_an_exact_need_is_moved(world: World) -> None:
    base = world.debian(installed("libc6"), installed("libssl3"), installed("unrelated"))
    assert world.chosen(base, "libssl-dev") == {"libssl3": "2", "libssl-dev": "2"}


def test_an_installed_package_that_a_move_would_break_moves_too(world: World) -> None:
    tool = installed("openssl", depends="libc6, libssl3 (= 1)")
    base = world.debian(installed("libc6"), installed("libssl3"), tool)
    assert world.chosen(base, "libssl-dev") == {"libssl3": "2", "libssl-dev": "2", "openssl": "2"}


def test_a_package_that_a_move_breaks_twice_moves_once(world: World) -> None:
    tool = installed("openssl", depends="libssl3 (= 1)", pre_depends="libssl3 (<< 2)")
    base = world.debian(installed("libc6"), installed("libssl3"), tool)
    assert world.chosen(base, "libssl-dev") == {"libssl3": "2", "libssl-dev": "2", "openssl": "2"}


def test_moves_lead_to_further_moves(world: World) -> None:
    world.publish(
        archives.package("libssl3", "2"),
        archives.package("libssl-dev", "2", depends="libssl3 (= 2)"),
        archives.package("openssl", "2"),
        archives.package("certificates", "2"),
    )
    base = world.debian(
        installed("libssl3"),
        installed("openssl", depends="libssl3 (= 1)"),
        installed("certificates", depends="openssl (= 1)"),
    )
    assert world.chosen(base, "libssl-dev") == dict.fromkeys(("certificates", "libssl-dev", "libssl3", "openssl"), "2")


def test_an_installed_package_whose_needs_still_hold_stays(world: World) -> None:
    tools = (installed("openssl", depends="libssl3 (>= 1)"), installed("odd", depends="never-there"))
    base = world.debian(installed("libc6"), installed("libssl3"), *tools)
    assert world.chosen(base, "libssl-dev") == {"libssl3": "2", "libssl-dev": "2"}


def test_an_installed_package_served_by_another_stays(world: World) -> None:
    tool = installed("openssl", depends="libssl3 (= 1) | libssl-any")
    base = world.debian(installed("libc6"), installed("libssl3"), tool, installed("libssl-own", provides="libssl-any"))
    assert world.chosen(base, "libssl-dev") == {"libssl3": "2", "libssl-dev": "2"}


def test_a_broken_package_that_the_archive_does_not_have_is_named(world: World) -> None:
    base = world.debian(installed("libc6"), installed("libssl3"), installed("own", depends="libssl3 (= 1)"))
    with pytest.raises(ImageError, match=r"^no package `own` in Debian `trixie`$"):
        world.lock(base, "libssl-dev")


def test_a_need_that_nothing_can_meet_is_told(world: World) -> None:
    world.publish(archives.package("git", depends="never-there"))
    with pytest.raises(ImageError, match="package `git` 1 needs `never-there`"):
        world.lock(world.debian(), "git")


def test_a_layer_is_named_after_the_app_and_stands_on_its_base(world: World) -> None:
    base = world.debian(installed("libc6"))
    made = world.lock(base, "git")
    assert (made.name, made.request, made.parent) == ("packages/web", ("git",), base.pin.manifest)
    assert [[one.name for one in run] for run in made.runs] == [["git-man", "git"]]
    assert world.reports[0] == Progress("web", "resolving", 0, None, "steps")


def test_a_layer_is_as_old_as_the_newest_index_and_never_older_than_its_base(world: World) -> None:
    base = world.debian(installed("libc6"))
    assert world.lock(base, "git").epoch == DATE
    assert world.lock(base, "git", pin=replace(base.pin, created=DATE + 5)).epoch == DATE + 5


# --- what the base says of itself ---


def names(world: World, registry: Holding) -> set[str]:
    with registry:
        return set(added.look(registry.pin, registry).installed)


def test_what_is_installed_is_told_by_the_topmost_layer_that_tells_it(world: World) -> None:
    base = world.base(
        {RELEASE: DEBIAN, STATUS: status(installed("old"))}, {STATUS: status(installed("new"))}, {"usr/top": b""}
    )
    assert names(world, base) == {"new"}


def test_the_system_may_be_told_by_another_layer_and_no_more_layers_are_fetched_than_needed(world: World) -> None:
    base = world.base({"bottom": b""}, {RELEASE: DEBIAN}, {STATUS: status(installed("new"))}, {"usr/top": b""})
    assert names(world, base) == {"new"}
    assert base.fetched == [3, 2, 1]


@pytest.mark.parametrize("prefix", ["", "./", "/"])
def test_a_layers_names_may_begin_as_they_like(world: World, prefix: str) -> None:
    base = world.base({f"{prefix}{RELEASE}": DEBIAN, f"{prefix}{STATUS}": status(installed("a"))})
    assert names(world, base) == {"a"}


def test_a_link_does_not_stand_for_the_file(world: World) -> None:
    base = world.base({RELEASE: DEBIAN, STATUS: status(installed("a"))}, {"etc/os-release": "../usr/lib/os-release"})
    assert names(world, base) == {"a"}


def test_a_code_name_in_quotes_is_the_same(world: World) -> None:
    base = world.base({"etc/os-release": b'ID="debian"\nVERSION_CODENAME="trixie"\n', STATUS: status()})
    with base:
        assert added.look(base.pin, base).suite == "trixie"


@pytest.mark.parametrize("state", ["install ok installed", "hold ok installed", "deinstall ok installed"])
def test_what_is_installed_counts_whatever_is_wanted_of_it(world: World, state: str) -> None:
    assert names(world, world.debian(installed("a", status=state))) == {"a"}


@pytest.mark.parametrize(
    "state",
    ["deinstall ok config-files", "purge ok not-installed", "install ok half-configured", "install ok unpacked"],
)
def test_what_was_removed_or_never_finished_does_not_count_as_installed(world: World, state: str) -> None:
    base = world.debian(installed("libc6"), installed("git-man", status=state), installed("after"))
    assert names(world, base) == {"libc6", "after"}
    assert "git-man" in world.chosen(base, "git")


def test_a_package_that_speaks_of_an_installed_status_is_not_installed_by_that(world: World) -> None:
    talk = installed("a", status="deinstall ok config-files", description="x\n Status: install ok installed")
    assert names(world, world.debian(talk)) == set()


@pytest.mark.parametrize(
    "files",
    [
        {"etc/os-release": ALPINE, "lib/apk/db/installed": b""},
        {RELEASE: DEBIAN},
        {STATUS: status(installed("a"))},
        {RELEASE: b"ID=debian\n", STATUS: status(installed("a"))},
        {RELEASE: b"ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n", STATUS: status(installed("a"))},
    ],
    ids=["alpine", "distroless", "no release", "no code name", "ubuntu"],
)
def test_a_base_that_is_no_debian_is_refused_with_the_remedy(world: World, files: Files) -> None:
    with pytest.raises(ImageError) as caught:
        world.lock(world.base(files), "git")
    assert caught.value.message == f"`{REFERENCE}` is no Debian, so `packages` cannot be added to it"
    assert caught.value.hint == HINT
    assert world.server.asked == []


def test_a_base_that_is_gone_from_its_registry_is_named(world: World) -> None:
    base = world.debian()
    gone = replace(base.pin, manifest=f"sha256:{'0' * 64}")
    with pytest.raises(ImageError, match=f"^`{REFERENCE}` does not exist any more at sha256:0000"):
        world.lock(base, "git", pin=gone)


def test_a_layer_compressed_by_zstd_is_refused(world: World) -> None:
    with pytest.raises(ImageError, match="compressed by zstd"):
        world.lock(world.base(b"\x28\xb5\x2f\xfd" + bytes(600)), "git")
