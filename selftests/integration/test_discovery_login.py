"""./lab init over real SSH: whose key is trusted and why, jump hosts, and that nothing is changed on the way."""

import ast
import hashlib
import shlex
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import paramiko
import pytest
from foundlab import FoundLab
from playedsudo import PASSWORD, PlayedSudo
from sshd import OldServing, Sshd

from xenlab.cli.main import main
from xenlab.discovery.given import login_of
from xenlab.discovery.keys import KnownKeys
from xenlab.discovery.writing import parsed
from xenlab.labfile import load
from xenlab.remote.errors import ShownKey

SHOWN = ShownKey("10.1.1.85", "ssh-ed25519", "AAAA", "SHA256:abc")


class Reached:
    """Two hosts behind SSH servers of this process, and two guests that only they reach; the call that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = FoundLab(folder / "hosts")
        self.hosts, self.guests = [Sshd(), Sshd()], [Sshd(), Sshd()]
        self.key = folder / "id"
        self.hosts[0].user_key.write_private_key_file(str(self.key))
        for server, host in zip(self.hosts, self.lab.hosts.values(), strict=True):
            server.login_shell = host.login_shell
        for server in self.servers:
            server.user_key = self.hosts[0].user_key
            server.routes = {f"10.1.1.{85 + n}": ("127.0.0.1", guest.port) for n, guest in enumerate(self.guests)}

    @property
    def servers(self) -> list[Sshd]:
        return [*self.hosts, *self.guests]

    @property
    def call(self) -> list[str]:
        return ["init", "-i", str(self.key), *(f"root@127.0.0.1:{server.port}" for server in self.hosts)]

    @property
    def fingerprints(self) -> list[str]:
        return [f"--fingerprint={server.host_key.fingerprint}" for server in self.servers]

    def entries(self) -> str:
        """What a known_hosts file has to say of all of them."""
        names = [f"[127.0.0.1]:{server.port}" for server in self.hosts] + ["10.1.1.85", "10.1.1.86"]
        keys = [server.host_key for server in self.servers]
        return "".join(f"{n} {k.get_name()} {k.get_base64()}\n" for n, k in zip(names, keys, strict=True))

    def digest(self) -> str:
        """Of everything on both hosts."""
        files = sorted(path for path in self.lab.labubuntu.root.parent.rglob("*") if path.is_file())
        told = [(str(path), path.stat().st_mtime_ns, path.read_bytes()) for path in files if path.name != "ssh-calls"]
        return hashlib.sha256(repr(told).encode()).hexdigest()


@pytest.fixture
def reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reached]:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", StringIO())
    found = Reached(tmp_path)
    yield found
    for server in found.servers:
        server.stop()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lay what somebody at a terminal will type."""

    def type_(text: str) -> None:
        monkeypatch.setattr("sys.stdin", StringIO(text))
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    return type_


def test_keys_that_nobody_vouches_for_are_listed_and_nothing_is_run(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(reached.call) == 2
    said = capsys.readouterr().out
    for server in reached.hosts:
        assert f"which shows {server.host_key.get_name()} {server.host_key.fingerprint}" in said
        assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {reached.folder}/.ssh/known_hosts" in said
    assert said.splitlines()[-1].endswith(" --fingerprint SHA256:...")
    assert not list(Path().glob("*.toml")) + list(Path().glob("known_hosts"))
    assert not any(server.commands for server in reached.servers)


def test_keys_with_a_given_fingerprint_are_kept_beside_the_lab_file(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    before = reached.digest()
    assert main([*reached.call, *reached.fingerprints]) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    spec = load(Path("lab.toml"))
    assert {machine.known_hosts for machine in (*spec.hosts, *spec.guests)} == {reached.folder / "known_hosts"}
    assert sorted(Path("known_hosts").read_text().splitlines()) == sorted(reached.entries().splitlines())
    assert [host.key_file for host in spec.hosts] == [reached.key, reached.key]
    assert {guest.via for guest in spec.guests} == {"hosts"}
    assert "commands on 127.0.0.1, none of which change anything" in said
    assert reached.digest() == before


def test_keys_that_the_user_knows_are_left_where_they_are(reached: Reached) -> None:
    Path(".ssh/known_hosts").write_text(reached.entries())
    assert main(reached.call) == 0
    assert "known_hosts" not in Path("lab.toml").read_text()
    assert not Path("known_hosts").exists()


def test_another_file_of_known_hosts_is_named_in_the_lab_file(reached: Reached) -> None:
    Path("of-the-lab").write_text(reached.entries())
    assert main([*reached.call, "--known-hosts", "of-the-lab"]) == 0
    assert load(Path("lab.toml")).hosts[0].known_hosts == reached.folder / "of-the-lab"


def test_a_host_with_another_key_than_the_known_one_is_refused(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    reached.hosts[1].host_key = paramiko.ECDSAKey.generate()
    entries = reached.entries()
    Path(".ssh/known_hosts").write_text(entries)
    for line in entries.splitlines()[1:2]:
        other = paramiko.ECDSAKey.generate()
        Path(".ssh/known_hosts").write_text(entries.replace(line.split()[2], other.get_base64()))
    assert main([*reached.call, *reached.fingerprints]) == 3
    assert f"port {reached.hosts[1].port}) shows the key" in capsys.readouterr().err
    assert not Path("lab.toml").exists()


def test_a_running_guests_unknown_key_is_listed(reached: Reached, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".ssh/known_hosts").write_text("".join(reached.entries().splitlines(keepends=True)[:2]))
    assert main(reached.call) == 2
    said = capsys.readouterr().out
    for guest in reached.guests:
        assert guest.host_key.fingerprint in said
    assert "has no key for 10.1.1.85" in said


def test_a_guest_that_is_off_and_has_no_known_key_is_a_remark(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".ssh/known_hosts").write_text("".join(reached.entries().splitlines(keepends=True)[:2]))
    reached.lab.off()
    assert main([*reached.call, "--guest", "guest1=10.1.1.85", "--guest", "guest2=10.1.1.86"]) == 0
    assert "note: guest1 is off, and no known_hosts file has a key of 10.1.1.85" in capsys.readouterr().out


def test_somebody_at_a_terminal_confirms_keys_and_says_what_is_missing(
    reached: Reached, typed: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """By "yes" or by its fingerprint; and guests' addresses, the first time a wrong one."""
    Path(".ssh/known_hosts").write_text("".join(reached.entries().splitlines(keepends=True)[2:]))
    reached.lab.off()
    typed(f"yes\n{reached.hosts[1].host_key.fingerprint}\nguest1.lab\n10.1.1.85\n10.1.1.86\n")
    assert main(reached.call) == 0, capsys.readouterr()
    asked = capsys.readouterr().err
    assert asked.count("(yes, its fingerprint, or no)?") == 2
    assert "'guest1.lab' is not an IP address" in asked
    assert [guest.address for guest in load(Path("lab.toml")).guests] == ["10.1.1.85", "10.1.1.86"]
    assert len(Path("known_hosts").read_text().splitlines()) == 2


def test_somebody_who_names_one_host_is_asked_for_the_other_by_what_the_first_shows(
    reached: Reached, typed: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".ssh/known_hosts").write_text(reached.entries())
    *call, other = reached.call
    typed(f"{other}\n")
    assert main(call) == 0
    assert "perhaps 10.1.1.143 (serves 10.1.1.143:/srv/private" in capsys.readouterr().err
    assert [host.name for host in load(Path("lab.toml")).hosts] == ["labubuntu", "baye"]


def test_somebody_who_says_no_is_not_asked_more(
    reached: Reached, typed: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("no\n\n")
    assert main(reached.call) == 2
    assert not any(server.commands for server in reached.servers)
    assert capsys.readouterr().out.count("missing: known_hosts") == 2


def test_hosts_behind_a_jump_host(reached: Reached, capsys: pytest.CaptureFixture[str]) -> None:
    gate = Sshd()
    gate.user_key = reached.hosts[0].user_key
    key = gate.host_key
    Path(".ssh/known_hosts").write_text(reached.entries())
    jump = ["-J", f"student@127.0.0.1:{gate.port}"]
    assert main([*reached.call, *jump]) == 2
    assert key.fingerprint in capsys.readouterr().out
    assert gate.asked_for == []
    assert main([*reached.call, *jump, "--fingerprint", key.fingerprint]) == 0
    spec = load(Path("lab.toml"))
    (way,) = spec.jumps
    assert (way.user, way.port, way.known_hosts.name) == ("student", gate.port, "known_hosts")
    assert {host.via for host in spec.hosts} == {way.name}
    assert {port for _, port in gate.asked_for[:2]} == {server.port for server in reached.hosts}
    gate.stop()


def test_a_host_with_old_ssh_is_reached_and_written_so_when_asked(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    modern, old = reached.hosts[1], Sshd(serving=OldServing)
    old.user_key, old.login_shell, old.routes = modern.user_key, modern.login_shell, modern.routes
    modern.stop()
    reached.hosts[1] = old
    call = [*reached.call[:-1], f"root@localhost:{old.port}", *reached.fingerprints]
    assert main(call) == 3
    told = capsys.readouterr().err
    assert f"localhost (root@localhost port {old.port}) has no SSH algorithm in common with us" in told
    assert "./lab init: --old-ssh HOST" in told
    assert main([*call, "--old-ssh", "baye"]) == 2
    assert "--old-ssh baye: no host, and no jump host, is named so" in capsys.readouterr().err
    assert not Path("lab.toml").exists()
    assert main([*call, "--old-ssh", "localhost"]) == 0, capsys.readouterr()
    assert [host.old_ssh for host in load(Path("lab.toml")).hosts] == [False, True]
    # An --update logs in as the file says, and changes nothing.
    text = Path("lab.toml").read_text()
    assert "old_ssh = true  # --old-ssh: SHA-1, until its sshd is upgraded" in text
    assert main(["init", "--update", *reached.fingerprints]) == 0
    assert Path("lab.toml").read_text() == text


def test_a_jump_host_with_old_ssh(reached: Reached) -> None:
    gate = Sshd(serving=OldServing)
    gate.user_key = reached.hosts[0].user_key
    Path(".ssh/known_hosts").write_text(reached.entries())
    jump = ["-J", f"student@localhost:{gate.port}", "--fingerprint", gate.host_key.fingerprint]
    assert main([*reached.call, *jump]) == 3
    assert main([*reached.call, *jump, "--old-ssh", "localhost"]) == 0
    spec = load(Path("lab.toml"))
    assert [machine.old_ssh for machine in (*spec.jumps, *spec.hosts)] == [True, False, False]
    gate.stop()


def test_a_password_is_named_by_its_variable_and_must_be_set(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*reached.call, "--password-env", "LAB_PASSWORD"]) == 2
    assert "the environment variable LAB_PASSWORD is not set" in capsys.readouterr().err


def students(reached: Reached) -> tuple[list[str], PlayedSudo]:
    """The call as an ordinary user of whom sudo wants a password on both hosts, whose keys are known."""
    sudo = PlayedSudo(reached.folder / "sudo")
    for number, server in enumerate(reached.hosts):
        roots = sudo.folder / f"root-of-{number}"
        roots.write_text(f'#!/bin/sh\nshift 2\nexec {shlex.join(server.login_shell)} "$1"\n')
        roots.chmod(0o755)
        there = f"PATH={shlex.quote(str(sudo.folder))}:$PATH PLAYED_ROOTS_SHELL={shlex.quote(str(roots))}"
        server.login_shell = ["sh", "-c", f'{there} exec sh -c "$0"']
    Path(".ssh/known_hosts").write_text(reached.entries())
    return [word.replace("root@", "student@") for word in reached.call], sudo


def test_a_sudo_that_wants_a_password_is_missing_where_nobody_sits(
    reached: Reached, capsys: pytest.CaptureFixture[str]
) -> None:
    call, _ = students(reached)
    assert main(call) == 2
    said = capsys.readouterr().out
    assert said.count("sudo wants a password there") == len(reached.hosts)
    assert said.splitlines()[-1].endswith("--sudo-password-env NAME")
    assert not Path("lab.toml").exists()


def test_the_variable_of_sudos_password_is_written_and_used(
    reached: Reached, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call, sudo = students(reached)
    assert main([*call, "--sudo-password-env", "LAB_SUDO"]) == 2
    assert "the environment variable LAB_SUDO is not set" in capsys.readouterr().err
    monkeypatch.setenv("LAB_SUDO", PASSWORD)
    assert main([*call, "--sudo-password-env", "LAB_SUDO"]) == 0, capsys.readouterr()
    spec = load(Path("lab.toml"))
    assert [host.sudo_password_env for host in spec.hosts] == ["LAB_SUDO", "LAB_SUDO"]
    assert {guest.sudo_password_env for guest in spec.guests} == {None}
    assert sudo.failures == 0
    # An --update takes it from there.
    assert login_of(parsed(Path("lab.toml").read_text()).unwrap()).sudo_password_env == "LAB_SUDO"


@pytest.mark.parametrize(("typed_", "ends"), [(PASSWORD, 0), ("wrong", 3), ("", 2)])
def test_somebody_at_a_terminal_is_asked_for_sudos_password_once(
    reached: Reached, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed_: str, ends: int
) -> None:
    call, sudo = students(reached)
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr("xenlab.cli.asking.asker", lambda: lambda users: asked.append(tuple(users)) or typed_)
    assert main(call) == ends
    said = capsys.readouterr()
    assert asked[0] == ("student on 127.0.0.1", "student on 127.0.0.1")
    assert len(asked) == (1 if typed_ else 2)
    assert sudo.failures == (len(reached.hosts) if typed_ == "wrong" else 0)
    assert Path("lab.toml").exists() == (ends == 0)
    assert PASSWORD not in said.out + said.err


# Nothing but looks


def acts(source: str) -> list[int]:
    """The lines on which a source has something done to a machine."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and (
            "changes" in {keyword.arg for keyword in call.keywords}
            or ast.unparse(call.func).endswith((".write_file", ".terminal"))
        )
    ]


def test_no_line_of_discovery_acts() -> None:
    sources = sorted((Path(__file__).parents[2] / "xenlab/discovery").glob("*.py"))
    assert len(sources) > 10
    assert {path.name: acts(path.read_text("utf-8")) for path in sources} == {path.name: [] for path in sources}


@pytest.mark.parametrize("source", ["ask(host, section, changes=True)", "host.write_file('/etc/motd', b'')"])
def test_acts_are_noticed(source: str) -> None:
    assert acts(source) == [1]


# Known keys


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [("yes", True), ("SHA256:abc", True), ("SHA256:abc=", True), ("SHA256:other", False), ("y", False), ("", False)],
)
def test_only_yes_or_the_fingerprint_confirms(answer: str, confirmed: bool, tmp_path: Path) -> None:
    keys = KnownKeys(tmp_path / "own", tmp_path / "users", confirm=lambda _machine, _shown: answer)
    assert keys.is_confirmed("guest1", SHOWN) is confirmed
    assert (tmp_path / "own").exists() is confirmed


def test_a_confirmed_key_is_added_below_others(tmp_path: Path) -> None:
    own = tmp_path / "lab" / "known_hosts"
    own.parent.mkdir()
    own.write_text("# ours")
    keys = KnownKeys(own, tmp_path / "users", ["SHA256:abc"])
    assert keys.is_confirmed("guest1", SHOWN)
    assert own.read_text() == "# ours\n10.1.1.85 ssh-ed25519 AAAA\n"


def test_a_file_that_is_none_knows_nobody(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"\xff\xfe nonsense")
    keys = KnownKeys(tmp_path / "own", tmp_path / "users")
    assert not keys.knows("10.1.1.85")
    assert keys.file_for("10.1.1.85") == tmp_path / "users"
