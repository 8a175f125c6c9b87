from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv import entry as entries
from devenv.commands import trust_ca
from devenv.commands.trust_ca import Authority
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, SeenImage
from devenv.entry import Entry, authority
from devenv.errors import DevenvError, NotReady, UsageError
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.machine import Machine

ADDRESS = "memory://"
PEM = """\
-----BEGIN CERTIFICATE-----
MIIBijCCATGgAwIBAgIUcJuAKJAq4qKecKNUSDrGhHAr4QEwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPZGV2ZW52IGxvY2FsIENBMCAXDTI2MTEyNjE4MDgzOFoYDzIx
MjYxMTAyMTgwODM4WjAaMRgwFgYDVQQDDA9kZXZlbnYgbG9jYWwgQ0EwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAATmUxb7RFv1DRHKrxV7CiLao4rJNuUGMepMnn22
xctpLxgsKb4yTWg59Uq8N5WQ3DGB8E9V+i6Ur8T5As5K3Xuto1MwUTAdBgNVHQ4E
FgQUOAdyXwFnZv5orTsGLQb48JW+HXQwHwYDVR0jBBgwFoAUOAdyXwFnZv5orTsG
LQb48JW+HXQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAIG6KG
TuCbdGKJjC1v/jpbwsJmxvlFvUwALNTeSduqpQIgX7Pmhj5+VTV+EWVZDSAqmS/o
fr2uH1qNIrs3k3PlzQQ=
-----END CERTIFICATE-----
"""
FINGERPRINT = (  # as `openssl x509 -fingerprint -sha256` tells it
    "4E:2C:E2:EF:81:A0:A6:C8:3D:E5:AD:DB:74:5A:F7:AF:AC:BB:48:EA:10:A1:92:C5:39:5A:BE:99:B8:CF:6F:FA"
)


@dataclass
class Updates:
    """The system's own commands, which are only noted."""

    ran: list[Sequence[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> None:
        self.ran.append(argv)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    root = tmp_path / "system"
    (root / "usr/local/share/ca-certificates").mkdir(parents=True)
    return root


def running(folder: Path, pem: str) -> tuple[Machine, MemoryEngine]:
    """An entry that runs and has an authority."""
    machine = Machine(state=folder)
    entry = Entry(entries.place(machine, ADDRESS), 80, 443, shared=True, ipv6=False)
    entries.record(entry)
    engine = MemoryEngine(
        images={"caddy": SeenImage("sha256:1", "sha256:1", {})},
        execute=lambda _name, _command: Ran((Chunk("stdout", pem.encode()),), 0),
    )
    name = f"{entry.instance}-caddy-1"
    engine.create(Container(name, "caddy", "service", "caddy", labels={labels.INSTANCE: entry.instance}))
    engine.start(name)
    return machine, engine


def test_the_authority_is_read_from_the_entry_and_kept_as_a_file(tmp_path: Path) -> None:
    found = trust_ca.find(*running(tmp_path, PEM))
    assert Path(found.file).read_text() == found.pem == PEM
    assert found.fingerprint == FINGERPRINT


def test_without_names_there_is_no_authority(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names are off"):
        trust_ca.find(Machine(state=tmp_path), MemoryEngine())


def test_an_entry_that_does_not_run_tells_none(tmp_path: Path) -> None:
    machine, engine = running(tmp_path, PEM)
    engine.stop(next(iter(engine.containers)), 1)
    with pytest.raises(NotReady, match="does not run"):
        trust_ca.find(machine, engine)


def test_an_entry_without_a_certificate_is_told(tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match="has no certificate authority"):
        trust_ca.find(*running(tmp_path, "cat: no such file"))


def test_root_puts_it_into_the_systems_store_and_takes_it_out(tmp_path: Path, system: Path) -> None:
    updates = Updates()
    result = trust_ca.install(Authority(PEM, "AB", "/state/ca.pem"), root=system, run=updates, is_root=True)
    there = system / "usr/local/share/ca-certificates/devenv.crt"
    assert there.read_text() == PEM
    assert (result.commands, updates.ran) == ((), [("update-ca-certificates",)])
    assert any("NODE_EXTRA_CA_CERTS=/state/ca.pem" in note for note in result.notes)
    trust_ca.remove(Machine(state=tmp_path), ADDRESS, root=system, run=updates, is_root=True)
    assert not there.exists()
    assert len(updates.ran) == 2
    trust_ca.remove(Machine(state=tmp_path), ADDRESS, root=system, run=updates, is_root=True)
    assert len(updates.ran) == 2


def test_others_are_told_what_to_type(tmp_path: Path, system: Path) -> None:
    updates = Updates()
    there = system / "usr/local/share/ca-certificates/devenv.crt"
    result = trust_ca.install(Authority(PEM, "AB", "/my state/ca.pem"), root=system, run=updates, is_root=False)
    assert result.commands == (f"sudo install -m 644 '/my state/ca.pem' {there}", "sudo update-ca-certificates")
    result = trust_ca.remove(Machine(state=tmp_path), ADDRESS, root=system, run=updates, is_root=False)
    assert result.commands == (f"sudo rm -f {there}", "sudo update-ca-certificates")
    assert (there.exists(), updates.ran) == (False, [])


def test_fedora_and_macos_have_stores_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc/pki/ca-trust/source/anchors").mkdir(parents=True)
    store = authority.store(tmp_path)
    assert store is not None
    assert (store.file.name, store.update) == ("devenv.pem", ("update-ca-trust",))
    monkeypatch.setattr("sys.platform", "darwin")
    (command,) = authority.commands(Path("/ca.pem"), None, remove=False)
    assert command.startswith("sudo security add-trusted-cert -d -r trustRoot ")
    (command,) = authority.commands(Path("/ca.pem"), None, remove=True)
    assert command == "sudo security remove-trusted-cert -d /ca.pem"


def test_a_system_whose_store_is_unknown_gets_notes_alone(tmp_path: Path) -> None:
    result = trust_ca.install(Authority(PEM, "AB", "/ca.pem"), root=tmp_path, is_root=True)
    assert (result.done, result.commands) == ((), ())
    assert result.notes
