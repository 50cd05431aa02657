"""The embedded lab as if it were someone's: two hosts that ssh reaches, and nothing else that is known of them."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_embedded_lab import ROOT, failed_checks, lab

from xenlab.labfile import load
from xenlab.outcomes import Grade, Outcome

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(2700)]

FILES = "find / /run /boot /srv -xdev -path /var/log -prune -o ! -type d -printf '%p %s %m %C@\\n' | sort"
STATE = (
    "xl list | awk '{ print $1, $2, $3, $4 }'; losetup -a; cat /proc/self/mountinfo /etc/exports; exportfs -v; "
    "xenstore-ls -f | grep -v /memory/; pgrep -a 'xl|ping|xenlab|nfsd'"
)
"""What a host is in: its files but the logs by name, size, mode and last change (ctime, which nobody can set back), its
domains, loops, mounts, exports, xenstore, and programs such as a run starts."""


def state_of_hosts() -> dict[str, list[str]]:
    """What both hosts are in, line by line."""
    return {host: lab("ssh", host, f"{FILES}; {STATE}").stdout.splitlines() for host in ("labubuntu", "baye")}


def from_there(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A call of the command line by somebody on the lab's network, at no terminal."""
    inside = [sys.executable, str(Path(__file__).with_name("inside.py")), str(ROOT)]
    argv = [*inside, sys.executable, "-m", "xenlab", *arguments]
    return subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def grade_in(reports: Path) -> Grade:
    return Grade.model_validate_json((reports / "grade.json").read_text())


@pytest.fixture
def own_lab(tmp_path: Path) -> Path:
    """A lab file that `init` has made of the hosts' addresses alone."""
    lab("down")
    up = lab("up")
    assert up.returncode == 0, up.stderr
    login = load(ROOT / ".lab" / "lab.toml").hosts
    path = tmp_path / "own" / "lab.toml"
    path.parent.mkdir()
    made = from_there(
        *("init", *(f"root@{host.address}" for host in login), "--lab", str(path)),
        *("--identity", str(login[0].key_file), "--known-hosts", str(login[0].known_hosts)),
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "./lab check" in made.stdout.splitlines()[-1]
    return path


def test_what_only_reads_changes_nothing(own_lab: Path, tmp_path: Path) -> None:
    """`init`, `check` and `verify --plan` leave both hosts as they are, and check is content with what init made."""
    before = state_of_hosts()
    assert all(len(lines) > 1000 for lines in before.values())
    checked = from_there("check", "--lab", str(own_lab), "--reports", str(tmp_path / "checked"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    grade = grade_in(tmp_path / "checked")
    assert {step.outcome for step in grade.steps if step.id in ("hosts", "shared-storage", "path-fixes")} == {
        Outcome.PASSED
    }
    plan = tmp_path / "plan.json"
    planned = from_there("verify", "--lab", str(own_lab), "--plan", "-o", str(plan), "--reports", str(tmp_path))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "xl create /mnt/private/artem/guest1.cfg" in planned.stdout
    again = from_there("init", *("root@10.1.1.189", "root@10.1.1.143"), "--lab", str(own_lab))
    assert again.returncode == 2
    after = state_of_hosts()
    assert after == before


def test_a_plan_is_done_as_it_says_and_refused_once_the_lab_has_changed(own_lab: Path, tmp_path: Path) -> None:
    """A graded step by a plan; then what it rests on changes, and the same plan is refused."""
    plan = tmp_path / "plan.json"
    chosen = ("--lab", str(own_lab), "--guest=guest1", "--step=boot-from-share", "--reports", str(tmp_path))
    planned = from_there("verify", *chosen, "--plan", "-o", str(plan))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    as_planned = ("verify", "--as-planned", str(plan), "--reports", str(tmp_path))
    done = from_there(*as_planned)
    assert done.returncode == 0, done.stdout + done.stderr
    assert failed_checks(grade_in(tmp_path)) == []
    again = from_there("verify", *chosen, "--again", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert {step.outcome for step in grade_in(tmp_path).steps} == {Outcome.PASSED}
    lab("ssh", "baye", "echo '# theirs' >>/srv/private/artem/guest1.cfg")
    refused = from_there(*as_planned)
    assert refused.returncode == 2
    assert "guest1.cfg" in refused.stderr


@pytest.mark.whole
def test_a_whole_run_grades_it_as_verify_does(own_lab: Path, tmp_path: Path) -> None:
    whole = from_there("verify", "--lab", str(own_lab), "--yes", "--reports", str(tmp_path))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    score = grade_in(tmp_path).score
    assert score.earned == score.possible == 100
