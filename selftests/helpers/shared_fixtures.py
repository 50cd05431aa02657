"""Fixtures that many modules use: played hosts, sessions graded on them, an SSH server of our own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from foundlab import FoundLab
from gradedrun import HEAD, LEFT_OUT, Graded, Ran
from initcalls import CALL, Init
from paths import ROOT
from playedsessions import Sessions, Verify
from playedxen import PlayedXen, played, shorten
from sshd import LIMITS, Sshd

from xenlab.cli.main import main
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.record import CommandRecord
from xenlab.tomlfile import dump


@pytest.fixture
def xen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedXen]:
    """Two played Xen hosts and two guests that are off; whatever is waited for comes about soon."""
    shorten(monkeypatch)
    with played(tmp_path) as hosts:
        yield hosts


@pytest.fixture
def sessions(xen: PlayedXen, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """Sessions on the played hosts."""
    monkeypatch.setattr("xenlab.lab.lab.RemoteHost", lambda name, *_, **__: xen.machines[name])
    return Sessions(xen)


@pytest.fixture
def verify(xen: PlayedXen, sessions: Sessions, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Calls pytest on the sheet as ./lab does, for guest1, which is at home and runs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("HOME", str(xen.folder))
    (xen.folder / ".ssh").mkdir()
    (xen.folder / ".ssh" / "known_hosts").touch()
    (xen.folder / "lab.toml").write_text(dump(xen.spec))
    xen.runs("guest1", "labubuntu")

    def run(*options: str) -> pytest.RunResult:
        given = [f"--lab={xen.folder / 'lab.toml'}", "--guest=guest1", f"--reports={xen.folder / 'reports'}"]
        # Whether what is opened is closed is not to be told from a session within another one.
        quiet = ["-p", "no:cacheprovider", "-p", "no:unraisableexception", "--grade-output=plain"]
        where = [f"--rootdir={ROOT}", "-c", str(ROOT / "pytest.ini"), str(ROOT / "tests")]
        return pytester.runpytest_inprocess(*where, *quiet, *given, *options)

    return run


@pytest.fixture
def found_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FoundLab]:
    """Two hosts for `./lab init`, met without SSH; keys of guests are known. In the end nothing has changed them."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIM4PFFf1GhqsQSj/lhZG0tqmo+h1tFuHGwd0lKl+6Fg"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text("".join(f"10.1.1.{number} {key}\n" for number in range(70, 100)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = FoundLab(tmp_path / "hosts")
    monkeypatch.setattr("xenlab.discovery.session.RemoteHost", found.remote())
    yield found
    assert not [argv for argv, changes in found.ran() if changes]


@pytest.fixture
def init(found_lab: FoundLab, capsys: pytest.CaptureFixture[str]) -> Init:
    """Call ./lab init on these hosts."""

    def call(*words: str, ends: int = 0, hosts: tuple[str, ...] = CALL) -> str:
        capsys.readouterr()
        assert main(["init", *hosts, *words]) == ends, capsys.readouterr()
        said = capsys.readouterr()
        assert said.out.splitlines()[-1].startswith("next: ./lab ")
        assert Path("lab.toml").exists() == (ends == 0 or "--update" in words)
        return said.out

    return call


@pytest.fixture(scope="session")
def _state_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each test: a mktemp() of each would look through all before it."""
    folder = tmp_path_factory.mktemp("states")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def _state_of_its_own(
    request: pytest.FixtureRequest, _state_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run notes of itself is not to be found by a real one; what is done to the embedded lab is."""
    if request.node.get_closest_marker("embedded") is None:
        monkeypatch.setenv("XDG_STATE_HOME", str(next(_state_folders)))


@pytest.fixture
def graded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Graded:
    """Run these steps as a graded session of their own; `conftest` is that session's conftest.py.

    It shows pytest's own words unless `args` choose otherwise (test_grading_terminal.py does).
    """
    # Only what the test names is loaded, which also keeps these sessions short.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # What is made up here is nothing for the summary of a real job.
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(body: str, *args: str, conftest: str = "") -> Ran:
        pytester.makepyfile(test_lab=HEAD + body)
        if conftest:
            pytester.makeconftest(conftest)
        shown = [] if any(arg.startswith("--grade-output") for arg in args) else ["--grade-output=pytest"]
        options = ["-p", "xenlab.grading.plugin", *LEFT_OUT, *shown, *args]
        return Ran(pytester, pytester.runpytest_inprocess(*options, no_reraise_ctrlc=True))

    return run


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    """An SSH server in this process."""
    server = Sshd()
    yield server
    server.stop()


@pytest.fixture
def login(sshd: Sshd, tmp_path: Path) -> Login:
    """The login that it takes."""
    return sshd.login(tmp_path, "baye")


@pytest.fixture
def records() -> list[CommandRecord]:
    """What was recorded of `host`."""
    return []


@pytest.fixture
def host(login: Login, records: list[CommandRecord]) -> Iterator[RemoteHost]:
    """A remote host behind that server; its records have the ids "cmd-1", "cmd-2", ..."""

    def sink(record: CommandRecord) -> str:
        records.append(record)
        return f"cmd-{len(records)}"

    remote = RemoteHost("baye", login, sink, limits=LIMITS)
    yield remote
    remote.close()
