"""Teams whose hosts are SSH servers that hang, flood or are hostile, graded by the lab sheet: none holds another."""

import csv
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paths import RECORDINGS, ROOT
from sshd import Sshd
from toyclass import LAB

# What each host's login shell does with whatever it is asked for; nothing of it is run.
SHELLS = {
    "hangs": "sleep 300",
    "floods": "yes flood | head -c 30000000",
    "hostile": "printf '\\033]0;owned\\007=cmd|calc\\n\\033[2J<script>alert(1)</script>\\342\\200\\256\\n'; exit 1",
    "silent": "exit 0",
}
WAY = """
[timeouts]
command_seconds = 5
boot_seconds = 5
"""


@pytest.fixture
def servers() -> Iterator[Callable[[], Sshd]]:
    """SSH servers in this process."""
    started = []

    def start() -> Sshd:
        started.append(Sshd())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def lab(folder: Path, name: str, servers: Callable[[], Sshd], shell: str) -> Path:
    """A lab file whose two hosts are such servers."""
    path = folder / name
    path.mkdir()
    text = LAB.format(name=name, first="192.0.2.1", second="192.0.2.2") + WAY
    for address in ("192.0.2.1", "192.0.2.2"):
        server = servers()
        server.login_shell = ["sh", "-c", shell, "--"]
        login = server.login(path, address)
        way = f'ssh_address = "127.0.0.1"\nport = {server.port}\nkey_file = "{login.key_file}"\n'
        way += f'known_hosts = "{login.known_hosts}"'
        text = text.replace(f'address = "{address}"', f'address = "{address}"\n{way}')
    (path / "lab.toml").write_text(text)
    return path


def test_hosts_that_hang_flood_or_are_hostile_hold_none(tmp_path: Path, servers: Callable[[], Sshd]) -> None:
    teams = [lab(tmp_path, name, servers, shell) for name, shell in SHELLS.items()]
    gone = lab(tmp_path, "gone", servers, "exit 0")
    closed = servers()
    closed.stop()
    text = (gone / "lab.toml").read_text()
    ports = [line for line in text.splitlines() if line.startswith("port = ")]
    (gone / "lab.toml").write_text(text.replace(ports[0], f"port = {closed.port}"))
    replayed = tmp_path / "replayed"
    replayed.mkdir()
    (replayed / "evidence.zip").write_bytes((RECORDINGS / "root-squashed.zip").read_bytes())
    reports = tmp_path / "class"
    words = [sys.executable, "-m", "xenlab", "grade", *map(str, [*teams, gone, replayed]), "--reports", str(reports)]
    done = subprocess.run(
        [*words, "--limit", "0.5", "--jobs", "6", "--step", "shared-storage"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    rows = {row["team"]: row for row in csv.DictReader((reports / "gradebook.csv").read_text().splitlines())}
    assert list(rows) == [*SHELLS, "gone", "replayed"]
    assert {row["total"] for name, row in rows.items() if name != "replayed"} == {"not gradable"}, done.stderr
    assert (rows["replayed"]["total"], rows["replayed"]["hosts"]) == ("10", "10")
    assert done.returncode == 1
    page = (reports / "index.html").read_text()
    for said in (done.stdout, done.stderr, page, (reports / "gradebook.csv").read_text()):
        assert "\x1b" not in said
    assert "<script>alert" not in page
    for name in ("floods", "hostile", "silent"):
        assert "the login of root on labubuntu runs no commands" in rows[name]["fix first"]
    assert "cannot be reached: Connection refused" in rows["gone"]["fix first"]
    for path in reports.rglob("*"):
        assert path.stat().st_size < 10_000_000
