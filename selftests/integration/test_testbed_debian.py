"""Where a release's packages come from, tried with the real mmdebstrap on mirrors of a web server of our own."""

import hashlib
import io
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from mirrors import Answer, answering
from rich.console import Console

from xenlab.errors import CannotObserve
from xenlab.testbed import debian
from xenlab.testbed.debian import Installation, SuiteGone, archive_of_releases, install, lacks_suite
from xenlab.testbed.privileges import choose, look
from xenlab.testbed.progress import Progress

ARCHIVE = "http://archive.example.org/debian"

with_mmdebstrap = pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")


@pytest.fixture(autouse=True)
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """debootstrap's scripts, which know another archive."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "etch").write_text(f"mirror_style release\n  default_mirror {ARCHIVE}\nkeyring /some.gpg\n")
    monkeypatch.setattr(debian, "DEBOOTSTRAP_SCRIPTS", folder)
    return folder


def refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[str], Answer],
    trees: Sequence[str] = ("guest",),
) -> tuple[CannotObserve, str]:
    """How installing bullseye into each of the trees ends where the mirrors answer so, and what was said meanwhile."""
    said = io.StringIO()
    progress = Progress(Console(file=said, width=1000), tmp_path / "durations.json")
    wanted = [Installation(name, ("login",), tmp_path / f"{name}.tar") for name in trees]
    making = choose(look())
    with answering(answer) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(CannotObserve) as failed:
            install("bullseye", wanted, making, lambda name: tmp_path / f"{name}.log", progress)
    return failed.value, said.getvalue()


@with_mmdebstrap
def test_where_mirrors_and_archive_lack_the_release_both_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, said = refused(tmp_path, monkeypatch, lambda _url: 404, ("dom0", "guest"))
    assert isinstance(problem, SuiteGone)
    mirrors, _, archive = problem.message.partition(", and the archive cannot give it ")
    assert mirrors.startswith("the mirrors no longer have Debian bullseye (E: The repository 'http://")
    assert archive == f"(E: The repository '{ARCHIVE} bullseye Release' does not have a Release file.)"
    assert said.endswith("trying the archive of old releases\n")
    assert said.count("\n") == 1


@with_mmdebstrap
def test_an_archive_that_cannot_be_reached_cannot_give_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, _ = refused(tmp_path, monkeypatch, lambda url: 503 if url.startswith(ARCHIVE) else 404)
    assert isinstance(problem, SuiteGone)
    assert "503  Service Unavailable" in problem.message


@with_mmdebstrap
def test_where_debootstrap_knows_no_archive_the_release_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripts: Path
) -> None:
    (scripts / "etch").unlink()
    problem, said = refused(tmp_path, monkeypatch, lambda _url: 404)
    assert isinstance(problem, SuiteGone)
    assert problem.message.endswith("and no debootstrap is here that knows the archive")
    assert said == ""


@with_mmdebstrap
@pytest.mark.parametrize("status", [403, 503])
def test_mirrors_out_of_order_are_not_taken_to_lack_the_release(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, said = refused(tmp_path, monkeypatch, lambda _url: status)
    assert not isinstance(problem, SuiteGone)
    assert "is the network up" in problem.hint
    assert said == ""


def no_network(_url: str) -> Answer:
    raise ConnectionAbortedError


@with_mmdebstrap
def test_no_network_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, said = refused(tmp_path, monkeypatch, no_network)
    assert not isinstance(problem, SuiteGone)
    assert "Connection failed" in problem.message
    assert "is the network up" in problem.hint
    assert said == ""


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("E: The repository 'http://mirror.example.org/debian bullseye Release' does not have a Release file.", True),
        (
            "E: The repository 'http://mirror.example.org/s bullseye-security Release' does not have a Release file.",
            True,
        ),
        ("E: The repository 'http://mirror.example.org/debian trixie Release' does not have a Release file.", False),
        ("E: The repository 'http://mirror.example.org/debian bullseye InRelease' is not signed.", False),
        ("W: The repository 'http://mirror.example.org/debian bullseye Release' does not have a Release file.", False),
        ("E: Failed to fetch http://mirror.example.org/debian/dists/bullseye/InRelease  Could not resolve 'x'", False),
    ],
)
def test_only_apts_word_for_it_says_that_a_release_is_missing(line: str, lacks: bool) -> None:
    assert lacks_suite(line, "bullseye") is lacks


def test_debian_ships_where_its_archive_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path("/usr/share/debootstrap/scripts")
    if not real.exists():
        pytest.skip("debootstrap is not installed")
    monkeypatch.setattr(debian, "DEBOOTSTRAP_SCRIPTS", real)
    archive = archive_of_releases()
    assert archive is not None
    assert archive.mirrors[0].startswith("http://archive.")


# The archive: a signature is verified, a date that nobody renews is not held against it.


class SignedRepository:
    """A repository of one release without packages, its Release file signed by a key of its own, and long expired."""

    def __init__(self, folder: Path) -> None:
        self.keyring = folder / "key.gpg"
        self._home = folder / "gnupg"
        self._home.mkdir(0o700)
        self._gpg("--quick-gen-key", "test", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export"))
        packages = hashlib.sha256(b"").hexdigest()
        release = (
            "Origin: test\nSuite: bullseye\nCodename: bullseye\nDate: Sat, 05 Mar 2022 10:00:00 UTC\n"
            "Valid-Until: Sat, 12 Mar 2022 10:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
            f"SHA256:\n {packages} 0 main/binary-amd64/Packages\n"
        )
        self.release = self._gpg("--clearsign", stdin=release.encode())

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        argv = ["gpg", "--homedir", str(self._home), "--batch", "--passphrase", "", "--pinentry-mode", "loopback"]
        return subprocess.run([*argv, *arguments], input=stdin, capture_output=True, check=True).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True)

    def answer(self, url: str) -> Answer:
        return {"InRelease": self.release, "Packages": b""}.get(url.rpartition("/")[2], 404)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[SignedRepository]:
    """Served by whoever answers with it; gpg's agent is ended."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    made = SignedRepository(tmp_path)
    yield made
    made.close()


def apt_update(tmp_path: Path, repository: SignedRepository, options: tuple[str, ...]) -> str:
    """What `apt-get update` complains of with these options of mmdebstrap's."""
    root = tmp_path / "root"
    for folder in (
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt",
        "var/lib/dpkg",
    ):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text(f"deb [signed-by={repository.keyring}] {ARCHIVE} bullseye main\n")
    lines = [f'Dir "{root}/";', 'APT::Architecture "amd64";', 'APT::Sandbox::User "";', 'Acquire::Languages "none";']
    # As mmdebstrap does: each option is a line of apt's own configuration (apt.conf(5)).
    lines += [f"{option.removeprefix('--aptopt=')};" for option in options]
    (tmp_path / "apt.conf").write_text("\n".join(lines))
    with answering(repository.answer) as proxy:
        environment = {"PATH": "/usr/bin:/bin", "APT_CONFIG": str(tmp_path / "apt.conf"), "http_proxy": proxy}
        argv = ["apt-get", "update", "--error-on=any"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.stderr


def archive_options() -> tuple[str, ...]:
    archive = archive_of_releases()
    assert archive is not None
    return archive.options


def test_the_archives_date_is_not_held_against_it(tmp_path: Path, repository: SignedRepository) -> None:
    assert apt_update(tmp_path, repository, archive_options()) == ""


def test_without_the_archives_options_it_is(tmp_path: Path, repository: SignedRepository) -> None:
    assert "is expired" in apt_update(tmp_path, repository, ())


def test_the_archives_signature_is_verified(tmp_path: Path, repository: SignedRepository) -> None:
    repository.release = repository.release.replace(b"Origin: test", b"Origin: best")
    assert "BADSIG" in apt_update(tmp_path, repository, archive_options())


@with_mmdebstrap
def test_an_archive_signed_by_another_key_cannot_give_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: SignedRepository
) -> None:
    problem, _ = refused(tmp_path, monkeypatch, lambda url: repository.answer(url) if url.startswith(ARCHIVE) else 404)
    assert isinstance(problem, SuiteGone)
    assert "NO_PUBKEY" in problem.message or "is not signed" in problem.message
