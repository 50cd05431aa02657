"""A class that is graded for real, each run a pytest of its own with our plugin, by a lab sheet that plays all faults.

The lab file's name says what its lab does: see `SHEET`.
"""

from collections.abc import Sequence
from pathlib import Path

from gradedrun import LEFT_OUT

from xenlab.classroom.attempt import make
from xenlab.classroom.classroom import Classroom, Terms
from xenlab.classroom.gradebook import Entry
from xenlab.classroom.team import Team, teams
from xenlab.fleet.bounded import Bounds
from xenlab.fleet.executors import fleet
from xenlab.fleet.turns import in_turns
from xenlab.report.folder import ReportsFolder

LAB = """
name = "{name}"
[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"
[[hosts]]
name = "labubuntu"
address = "{first}"
[[hosts]]
name = "baye"
address = "{second}"
[[guests]]
name = "guest1"
address = "192.0.2.85"
home = "labubuntu"
config = "/mnt/private/artem/guest1.cfg"
ping_target = "192.0.2.1"
"""

SHEET = '''
"""Two steps; what they do is in the lab's name."""
import os, signal, sys, threading
from pathlib import Path

from xenlab.errors import CannotObserve
from xenlab.grading.steps import check, step

def kind(request):
    return Path(request.config.getoption("--lab")).read_text().split('"')[1]

@step("hosts", points=10)
def test_hosts(request):
    """Both hosts answer."""
    lab = kind(request)
    (Path(__file__).parents[1] / "seen").open("a").write(lab + "\\n")
    if lab.startswith("hangs"):
        threading.Event().wait(600)
    if lab.startswith("waits"):
        while not (Path(__file__).parents[1] / "go").exists():
            threading.Event().wait(0.05)
    if lab.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if lab.startswith("floods"):
        for _ in range(200):
            os.write(1, b"flood " * 10_000)
    if lab.startswith("unseen"):
        raise CannotObserve("no answer")
    check(not lab.startswith("wrong"), id="xen-runs", expected="Xen", actual="=cmd|' /C calc'!A0 \\x1b[31mno Xen",
          hint="boot Xen")

@step("shared-storage", points=15, needs="hosts")
def test_share(request):
    """One share."""
    check("squash" not in kind(request), id="no-root-squash", actual="rw,root_squash", hint="write no_root_squash")
'''


class ToyClass:
    """Teams by the names of their labs, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.working_copy = folder / "copy"
        self.reports = folder / "class"
        (self.working_copy / "tests").mkdir(parents=True)
        (self.working_copy / "pytest.ini").write_text(
            f"[pytest]\naddopts = -p xenlab.grading.plugin {' '.join(LEFT_OUT)}\n"
        )
        (self.working_copy / "tests" / "test_lab.py").write_text(SHEET)
        self._hosts: dict[str, tuple[str, str]] = {}

    def team(self, folder: str, lab: str = "", hosts: tuple[str, str] | None = None) -> Path:
        """A team's folder, whose lab does what its name says; it has hosts of its own, or those."""
        next_ = 2 * len(self._hosts) + 1
        own = self._hosts.setdefault(folder, (f"198.51.100.{next_}", f"198.51.100.{next_ + 1}"))
        first, second = hosts or own
        path = self.folder / "teams" / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "lab.toml").write_text(LAB.format(name=lab or folder, first=first, second=second))
        return path

    @property
    def seen(self) -> list[str]:
        """The labs whose runs have begun their first step, in order."""
        path = self.working_copy / "seen"
        return path.read_text().splitlines() if path.exists() else []

    def grade(self, *paths: Path, jobs: int = 3, **how: object) -> dict[str, Entry]:
        """Grade them as ./lab grade does; the entries by team."""
        named = teams(paths)
        folder = ReportsFolder(self.reports).hold()
        try:
            classroom = self.classroom(folder, named, **how)
            orders = classroom.left(again=how.get("again"), only=how.get("only", ()))  # type: ignore[arg-type]
            try:
                with fleet(how.get("scheduler"), jobs) as workers:  # type: ignore[arg-type]
                    for order, made in in_turns(
                        workers, orders, make, lambda order: order.team.shares, how.get("begins", lambda _: None)
                    ):
                        classroom.keep(order, made)
            finally:
                classroom.write()
            return {entry.team: entry for entry in classroom.entries()}
        finally:
            folder.release()

    def classroom(self, folder: ReportsFolder, named: Sequence[Team], **how: object) -> Classroom:
        """The class as it is in the folder."""
        bounds = Bounds(float(str(how.get("seconds", 60))), mend_seconds=20, end_seconds=2)
        terms = Terms(bounds, self.working_copy, how.get("rubric"), due=how.get("due"))  # type: ignore[arg-type]
        return Classroom(folder, named, terms)

    @property
    def gradebook(self) -> str:
        """gradebook.csv."""
        return (self.reports / "gradebook.csv").read_text()
