"""Passwords for sudo that no variable has: asked for once for all hosts, checked, and handed on without a trace."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from paths import ROOT
from playedsudo import PASSWORD, PlayedSudo
from sshd import Sshd

from xenlab.cli import asking
from xenlab.cli.grading import grade
from xenlab.cli.main import main
from xenlab.cli.pytest_child import run_pytest
from xenlab.errors import UsageError
from xenlab.grading.password_pipe import environ_with, pipe_with
from xenlab.lab.lab import Lab
from xenlab.lab.sudo_passwords import sudo_passwords
from xenlab.labfile import LabFile, load
from xenlab.remote.login import Login, asked_for, secrets_of

NAMES = ("labubuntu", "baye")


class Hosts:
    """Two hosts that a student logs in on, behind SSH servers of this process; the lab file that names them."""

    def __init__(self, folder: Path) -> None:
        self.servers = {name: Sshd() for name in NAMES}
        self.file = folder / "lab.toml"
        self._folder = folder
        self.write()

    def write(self, *, labubuntu: str = "", baye: str = "") -> LabFile:
        """Have the hosts' tables end in these lines as well."""
        more = {"labubuntu": labubuntu, "baye": baye}
        tables = []
        for number, (name, server) in enumerate(self.servers.items()):
            login = server.login(self._folder, name)
            tables.append(
                f'[[hosts]]\nname = "{name}"\naddress = "10.1.1.{number + 1}"\nssh_address = "127.0.0.1"\n'
                f'port = {login.port}\nuser = "student"\nkey_file = "{name}.id"\nknown_hosts = "{name}.known_hosts"\n'
                f"{more[name]}\n"
            )
        share = '[share]\nserver = "baye"\nexport = "/srv"\nmount_point = "/mnt"\n'
        guest = '[[guests]]\nname = "guest1"\nuser = "student"\naddress = "10.1.1.85"\nping_target = "10.1.1.9"\n'
        guest += 'home = "baye"\nconfig = "/mnt/g.cfg"\n'
        self.file.write_text(f'name = "lab"\n{share}{"".join(tables)}{guest}')
        return load(self.file)


class Asked:
    """Answers with a password, and notes for whom it was asked."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.accounts: list[tuple[str, ...]] = []

    def __call__(self, accounts: Sequence[str]) -> str:
        self.accounts.append(tuple(accounts))
        return self.answer


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedSudo:
    played = PlayedSudo(tmp_path / "bin")
    played.put_in_front(monkeypatch)
    return played


@pytest.fixture
def hosts(tmp_path: Path, sudo: PlayedSudo) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    for server in made.servers.values():
        server.stop()


def test_one_question_is_for_all_hosts_that_need_it(hosts: Hosts) -> None:
    spec, asked = load(hosts.file), Asked(PASSWORD)
    found = sudo_passwords(spec, {}, asked)
    assert asked.accounts == [("student on labubuntu", "student on baye")]
    assert found == {asked_for(name): PASSWORD for name in NAMES}
    with Lab(spec, lambda _: "", found) as lab:
        assert [host.remote.run("id", "-u").stdout for host in lab.hosts] == ["0\n", "0\n"]
        assert lab.secrets == (PASSWORD,)
    # The guest's own sudo is another matter: that password is not for it.
    assert Login.of(spec.guests[0], found).sudo_password is None


def test_a_host_whose_variable_is_named_is_not_asked_for(hosts: Hosts) -> None:
    spec, asked = hosts.write(baye='sudo_password_env = "LAB_SUDO"'), Asked(PASSWORD)
    assert set(sudo_passwords(spec, {"LAB_SUDO": PASSWORD}, asked)) == {asked_for("labubuntu")}
    assert asked.accounts == [("student on labubuntu",)]
    assert secrets_of(spec, {"LAB_SUDO": PASSWORD}) == (PASSWORD,)
    assert spec.password_variables == {"LAB_SUDO"}
    with pytest.raises(UsageError, match="LAB_SUDO, the password of baye, is not set"):
        sudo_passwords(spec, {}, asked)


@pytest.mark.parametrize("answer", [None, ""])
def test_without_a_password_one_line_says_where_and_what_to_do(hosts: Hosts, answer: str | None) -> None:
    with pytest.raises(UsageError, match=r"^student on labubuntu: sudo wants a password there") as refusal:
        sudo_passwords(load(hosts.file), {}, None if answer is None else Asked(answer))
    assert "sudo_password_env" in refusal.value.hint
    assert "student ALL=(root) NOPASSWD: ALL" in refusal.value.hint
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("named", [True, False])
def test_a_wrong_password_is_told_before_anything_is_graded(hosts: Hosts, sudo: PlayedSudo, named: bool) -> None:
    line = 'sudo_password_env = "LAB_SUDO"' if named else ""
    spec = hosts.write(labubuntu=line, baye=line)
    with pytest.raises(UsageError, match=r"^student on labubuntu: sudo does not take the password") as refusal:
        sudo_passwords(spec, {"LAB_SUDO": "wrong"}, Asked("wrong"))
    assert "\n" not in str(refusal.value)
    assert sudo.failures == len(NAMES)


@pytest.mark.parametrize("line", ["sudo = false", 'user = "root"'])
def test_nobody_is_logged_in_for_who_needs_no_sudo(hosts: Hosts, line: str) -> None:
    text = hosts.file.read_text().replace('user = "student"', line)
    hosts.file.write_text(text)
    assert sudo_passwords(load(hosts.file), {}, None) == {}
    assert not any(server.commands for server in hosts.servers.values())


def test_hosts_that_do_not_answer_are_left_to_the_run(hosts: Hosts) -> None:
    for server in hosts.servers.values():
        server.stop()
    assert sudo_passwords(load(hosts.file), {}, None) == {}


# The call


@pytest.mark.parametrize(
    "call", [["check"], ["verify"], ["verify", "--plan"], ["verify", "--yes"], ["unlock", "1a2b3c4d"]]
)
def test_a_call_without_a_terminal_is_refused_in_one_line(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: list[str]
) -> None:
    monkeypatch.setattr("xenlab.cli.main.WORKING_COPY", tmp_path)
    assert main([call[0], "--lab", str(hosts.file), *call[1:]]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xenlab: ")]
    assert len(said) == 1
    assert "student on labubuntu: sudo wants a password there (name the variable" in said[0]


def test_a_call_on_a_terminal_asks_once_and_hands_it_on(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, handed = Asked(PASSWORD), []
    monkeypatch.setattr(asking, "asker", lambda: asked)

    def run(_arguments: list[str], _copy: Path, *, silent: bool, secrets: dict[str, str]) -> int:
        handed.append((silent, secrets))
        return 0

    monkeypatch.setattr("xenlab.cli.pytest_child.run_pytest", run)
    call = Namespace(lab=str(hosts.file), guest=[], reports=None, output=None, rubric=None, working_copy=tmp_path)
    assert grade(call, ["--plan"], silent=True) == grade(call, []) == 0
    assert asked.accounts == [("student on labubuntu", "student on baye")]
    assert handed == [(silent, {asked_for(name): PASSWORD for name in NAMES}) for silent in (True, False)]


def test_what_was_asked_for_comes_through_a_pipe_and_shows_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--secrets-fd', type=int)\n"
    )
    (tmp_path / "test_told.py").write_text(
        "import json, os\nfrom xenlab.grading.password_pipe import environ_with\n"
        "def test_it(pytestconfig):\n"
        "    shown = open('/proc/self/cmdline').read() + open('/proc/self/environ').read()\n"
        "    environ = environ_with(pytestconfig.getoption('--secrets-fd'))\n"
        "    json.dump([environ['sudo on baye'], shown, 'PATH' in environ], open('told', 'w'))\n"
    )
    before = set(Path("/proc/self/fd").iterdir())
    assert run_pytest(["-q", "-p", "no:cacheprovider"], tmp_path, silent=True, secrets={"sudo on baye": PASSWORD}) == 0
    assert set(Path("/proc/self/fd").iterdir()) == before
    password, shown, has_environment = json.loads((tmp_path / "told").read_text())
    assert (password, has_environment) == (PASSWORD, True)
    assert "--secrets-fd=" in shown
    assert PASSWORD not in shown


def test_a_pipe_that_is_none_is_told_in_one_line() -> None:
    end = pipe_with({"a": "b"})
    assert environ_with(end)["a"] == "b"
    with pytest.raises(UsageError, match="there is no such pipe"):
        environ_with(end)
    assert environ_with(None) == os.environ


def test_a_graded_run_takes_it_masks_it_and_keeps_it_nowhere(hosts: Hosts, tmp_path: Path, sudo: PlayedSudo) -> None:
    end = pipe_with({asked_for(name): PASSWORD for name in NAMES})
    reports = tmp_path / "reports"
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "XDG_STATE_HOME": str(tmp_path / "state")}
    call = [sys.executable, "-m", "pytest", "tests", "-p", "no:cacheprovider", "--read-only", "--step=hosts"]
    call += [f"--lab={hosts.file}", f"--reports={reports}", f"--secrets-fd={end}", "--grade-output=plain"]
    with os.fdopen(end):
        done = subprocess.run(
            call, cwd=ROOT, env=environ, pass_fds=(end,), capture_output=True, text=True, check=False, timeout=100
        )
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "bin" not in path.parts)
    assert "as root, host key" in (reports / "grade.json").read_text(), done.stdout + done.stderr
    assert PASSWORD.encode() not in kept
    assert PASSWORD not in done.stdout + done.stderr
