"""A lab of two shares, graded on played hosts: guest1's files on one, guest2's on another folder of the same server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playedsessions import Sessions
from playedxen import HOSTS, PlayedXen
from recorded import sheet, step_tests, steps

from xenlab.errors import WouldChange
from xenlab.grading.planning import plan
from xenlab.grading.run import Run
from xenlab.lab.kinds import kinds
from xenlab.lab.lab import Lab
from xenlab.lab.left import LabLeft
from xenlab.lab.seen import seen_of
from xenlab.lab.tape import PlayedTape, RecordingTape
from xenlab.labfile_change import LabFileChange
from xenlab.outcomes import CheckResult, Grade, Outcome, StepResult
from xenlab.report.folder import ReportsFolder

GRADED = ("shared-storage", "path-fixes", "cold-migration")
OF_EACH = ["nfs-serves", "one-server", *["mounted-by-nfs"] * 2, "no-root-squash", *["nonce-shared"] * 2]
Graded = Callable[..., Grade]
SOUND, SQUASHED = "rw,no_root_squash", "rw,root_squash"


class TwoShares:
    """The played hosts with a second share, on which guest2 lives; each host shows what a right one would.

    The second is mounted beside the first one, or `within` it.
    """

    def __init__(self, xen: PlayedXen, *, within: bool) -> None:
        self.xen = xen
        self.first, self.second = str(xen.share), f"{xen.share if within else xen.folder}/second"
        self.exports = {self.first: f"{xen.folder}/srv", self.second: f"{xen.folder}/srv2"}
        Path(xen.folder, "guest2.swap").write_text("swap")
        for folder in (*self.exports, *self.exports.values()):
            Path(folder).mkdir(exist_ok=True)
        self.disk = Path(self.second, "guest2.img")
        xen.disk("guest2").rename(self.disk)
        self.configured("guest1", xen.config("guest1"), xen.disk("guest1"))
        xen.config("guest2").unlink()
        self.configured("guest2", Path(self.second, "guest2.cfg"), self.disk)
        share = (("server", "baye"), ("export", self.exports[self.second]))
        changes = [LabFileChange(self.second, key, value) for key, value in share]
        xen.spec = xen.spec.changed([*changes, LabFileChange("guest2", "config", f"{self.second}/guest2.cfg")])
        self.exported()
        self.mounted()

    def configured(self, guest: str, config: Path, *disks: Path) -> None:
        kernel = config.with_name("vmlinuz")
        kernel.write_text("a kernel")
        rows = ", ".join(f"'{disk},raw,xvda{number},w'" for number, disk in enumerate(disks, 1))
        config.write_text(f'name="{guest}"\nmemory=128\nkernel="{kernel}"\ndisk = [{rows}]\n')

    def exported(self, first: str = SOUND, second: str = SOUND) -> None:
        """The server exports both with these options; with none it does not."""
        options = {self.first: first, self.second: second}
        lines = [f"{self.exports[point]} \t10.1.1.0/24({how},sec=sys)" for point, how in options.items() if how]
        for host, text, threads in (("baye", "\n".join(lines), "8"), ("labubuntu", "", "0")):
            self._prints(host, "exportfs", f"{text}\n")
            self._puts(host, "/proc/fs/nfsd/threads", f"{threads}\n")

    def mounted(self, *points: str) -> None:
        """The client has these mounted, or both."""
        root = "25 1 254:0 / / rw - ext4 /dev/vda rw"
        lines = {host: [root] for host in HOSTS}
        for number, (point, export) in enumerate(self.exports.items(), 60):
            parent = 60 if Path(self.first) in Path(point).parents else 25
            lines["baye"].append(f"{number} {parent} 254:0 {export} {point} rw - ext4 /dev/vda rw")
            if point in (points or self.exports):
                lines["labubuntu"].append(
                    f"{number} {parent} 0:45 / {point} rw - nfs4 10.1.1.143:{export} "
                    "rw,vers=4.2,sec=sys,clientaddr=10.1.1.189,addr=10.1.1.143"
                )
        for host in HOSTS:
            self._puts(host, "/proc/self/mountinfo", "\n".join([*lines[host], ""]))

    def _prints(self, host: str, program: str, text: str) -> None:
        file = self._puts(host, program, f"#!/bin/sh\ncat <<'END'\n{text}END\n")
        file.chmod(0o755)

    def _puts(self, host: str, fixed: str, text: str) -> Path:
        file = self.xen.machines[host].folder / "etc" / fixed.replace("/", "-")
        file.write_text(text)
        self.xen.machines[host].puts(fixed, file)
        return file


@pytest.fixture
def shares(
    xen: PlayedXen, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> TwoShares:
    """Two shares; no console is played."""

    def no_console(*_argv: str, **_: object) -> None:
        raise WouldChange("what a console shows")

    for machine in xen.machines.values():
        monkeypatch.setattr(machine, "read_screen", no_console, raising=False)
    return TwoShares(xen, within=getattr(request, "param", False))


@pytest.fixture
def graded(shares: TwoShares, sessions: Sessions, tmp_path: Path) -> Graded:
    """Grades these steps of the sheet, or all that these hosts can play."""

    def grade(*ids: str, tape: RecordingTape | None = None) -> Grade:
        lab = sessions.begin(tape=tape)
        try:
            return sheet(lab, Run("lab.toml", None, (), ReportsFolder(tmp_path)), ids or GRADED, alone=True)
        finally:
            sessions.end(lab)

    return grade


def of(grade: Grade, step: str) -> StepResult:
    return next(one for one in grade.steps if one.id == step)


def red(step: StepResult) -> list[CheckResult]:
    return [check for check in step.checks if check.outcome is not Outcome.PASSED]


within = pytest.mark.parametrize("shares", [True], indirect=True)


# Graded


@pytest.mark.parametrize("shares", [False, True], indirect=True, ids=["beside", "within"])
def test_all_is_well_on_two_shares(graded: Graded, shares: TwoShares) -> None:
    grade = graded()
    assert {step.id: (step.outcome, red(step)) for step in grade.steps} == {id_: (Outcome.PASSED, []) for id_ in GRADED}
    checks = of(grade, "shared-storage").checks
    for point, guest in ((shares.first, "guest1"), (shares.second, "guest2")):
        own = [check for check in checks if check.expected.startswith(f"{point}: ")]
        assert [check.id for check in own if check.id != "same-file"] == OF_EACH
        files = [check.expected.split(": ")[1] for check in own if check.id == "same-file"]
        assert files == [f"{point}/{name}" for name in (f"{guest}.cfg", "vmlinuz", f"{guest}.img")]
        assert {check.guest for check in own} == {None, guest}
    to_and_fro = [(host, act) for host in HOSTS for act in ("create", "shutdown")]
    assert {f"{host} {act} guest2" for host, act in to_and_fro} <= {*shares.xen.acted}


def test_of_two_shares_the_one_that_squashes_root_is_named(graded: Graded, shares: TwoShares) -> None:
    shares.exported(second=SQUASHED)
    grade = graded("shared-storage", "path-fixes")
    (check,) = red(of(grade, "shared-storage"))
    assert (check.id, check.outcome, check.host) == ("no-root-squash", Outcome.FAILED, "baye")
    assert check.expected == f"{shares.second}: rw,no_root_squash for labubuntu"
    assert check.actual.startswith(f"{shares.second}: 10.1.1.0/24(")
    assert [step.blocked_by for step in grade.steps] == [None, "shared-storage"]
    passed = [check.id for check in of(grade, "shared-storage").checks if check.expected.startswith(shares.first)]
    assert passed == [*OF_EACH, *["same-file"] * 3]


def test_what_is_wrong_with_one_share_hides_nothing_of_another(graded: Graded, shares: TwoShares) -> None:
    shares.exported(first="", second=SQUASHED)
    shares.mounted(shares.first)
    wrong = red(of(graded("shared-storage"), "shared-storage"))
    assert [(check.id, check.expected.partition(":")[0]) for check in wrong] == [
        ("one-server", shares.first),
        ("mounted-by-nfs", shares.second),
        ("no-root-squash", shares.second),
    ]


@within
def test_a_share_that_is_not_mounted_within_another_is_told(graded: Graded, shares: TwoShares) -> None:
    """What is at its mount point is the other share, by NFS as well."""
    shares.mounted(shares.first)
    (check,) = (one for one in red(of(graded("shared-storage"), "shared-storage")) if one.id == "mounted-by-nfs")
    assert (check.host, check.outcome) == ("labubuntu", Outcome.FAILED)
    around = f"10.1.1.143:{shares.exports[shares.first]} (nfs4) on {shares.first}"
    assert check.actual == f"{shares.second}: nothing is mounted there: {shares.second} lies on {around}"
    assert f"mount -t nfs 10.1.1.143:{shares.exports[shares.second]} {shares.second}" in check.hint


@within
def test_a_folder_of_a_share_may_be_named_as_one_within_it(graded: Graded, shares: TwoShares) -> None:
    """The client has the outer one alone mounted, in which the inner one is seen by itself."""
    inner = f"{shares.exports[shares.first]}/second"
    Path(inner).mkdir()
    shares.exports[shares.second] = inner
    shares.xen.spec = shares.xen.spec.changed([LabFileChange(shares.second, "export", inner)])
    shares.exported()
    shares.mounted(shares.first)
    assert red(of(graded("shared-storage"), "shared-storage")) == []


def test_the_other_host_may_export_a_folder_of_the_same_name_as_its_own_share(
    graded: Graded, shares: TwoShares
) -> None:
    """guest2 lives on labubuntu's /srv, guest1 on baye's."""
    export = shares.exports[shares.first]
    changes = (("server", "labubuntu"), ("export", export))
    shares.xen.spec = shares.xen.spec.changed([LabFileChange(shares.second, key, value) for key, value in changes])
    line = f"{export} \t10.1.1.0/24({SOUND},sec=sys)\n"
    for host in HOSTS:
        shares._prints(host, "exportfs", line)
        shares._puts(host, "/proc/fs/nfsd/threads", "8\n")
    checks = of(graded("shared-storage"), "shared-storage").checks
    served = [check for check in checks if check.id in ("nfs-serves", "one-server")]
    assert [(check.outcome, check.actual) for check in served if check.id == "one-server"] == [
        (Outcome.PASSED, f"{shares.first}: exported by baye"),
        (Outcome.PASSED, f"{shares.second}: exported by labubuntu"),
    ]
    assert [check.host for check in served if check.id == "nfs-serves"] == ["baye", "labubuntu"]


def test_a_disk_may_lie_on_another_share_than_its_config_but_on_no_other_place(
    graded: Graded, shares: TwoShares
) -> None:
    more, astray = Path(shares.second, "guest1.swap"), shares.xen.folder / "astray.img"
    for file in (more, astray):
        file.write_text("swap")
    shares.configured("guest1", shares.xen.config("guest1"), shares.xen.disk("guest1"), more)
    grade = graded("shared-storage", "path-fixes")
    assert red(of(grade, "shared-storage")) == red(of(grade, "path-fixes")) == []
    assert f"{shares.second}: {more}: one file" in "\n".join(
        check.expected for check in of(grade, "shared-storage").checks if check.guest == "guest1"
    )
    shares.configured("guest1", shares.xen.config("guest1"), shares.xen.disk("guest1"), astray)
    wrong = red(of(graded("path-fixes"), "path-fixes"))
    assert {(check.id, check.guest, check.host) for check in wrong} == {
        ("path-on-share", "guest1", host) for host in HOSTS
    }
    assert all(check.actual.endswith("which is none of the shares") for check in wrong)


def test_a_guest_that_runs_from_the_second_share_does_so_from_a_share(graded: Graded, shares: TwoShares) -> None:
    shares.xen.runs(
        "guest2", "labubuntu", "-b----", f"{shares.disk} xvda1 w", f"{shares.xen.folder}/guest2.swap xvda2 w"
    )
    devices = [check for check in of(graded("path-fixes"), "path-fixes").checks if check.id == "device-on-share"]
    assert [(check.expected, check.outcome) for check in devices] == [
        ("disk xvda1 on the share", Outcome.PASSED),
        ("disk xvda2 on the share", Outcome.FAILED),
    ]


def test_what_was_seen_of_two_shares_is_judged_again_as_it_was(
    graded: Graded, shares: TwoShares, tmp_path: Path
) -> None:
    shares.exported(second=SQUASHED)
    lines: list[str] = []
    then = graded("shared-storage", tape=RecordingTape(lines.append))
    played = PlayedTape([line for line in lines if '"homecomings"' not in line], kinds())
    lab = Lab(shares.xen.spec, lambda _: "", {}, tape=played, read_only=True)
    lab.begin("", "")
    again = sheet(lab, Run("", None, (), ReportsFolder(tmp_path)), ("shared-storage",), alone=True)
    assert of(again, "shared-storage").checks == of(then, "shared-storage").checks


# Planned, left, and gone on from


def test_a_plan_writes_on_both_shares(shares: TwoShares, sessions: Sessions, tmp_path: Path) -> None:
    with Lab(shares.xen.spec, lambda _: "", {}, read_only=True) as lab:
        lab.begin("lab.toml", str(tmp_path))
        run = Run(str(tmp_path / "lab.toml"), None, (), ReportsFolder(tmp_path))
        told = plan(lab, run, step_tests(lab, run, tuple(steps())))
    written = {act.facts["file"] for act in told.acts if act.act == "write" and "host" in act.facts}
    assert written == {f"{point}/.xenlab-RUN-{host}" for point in shares.exports for host in HOSTS}
    assert told.unforeseen == ()


def test_what_is_left_on_either_share_is_found(shares: TwoShares, sessions: Sessions) -> None:
    lab = sessions.begin()
    lost = Path(shares.second, f".xenlab-{lab.custody.run}-baye")
    lost.write_text("a nonce")
    wrong = [finding for finding in LabLeft.of(lab).nothing_of_ours_is_there() if not finding]
    sessions.end(lab)
    assert [(finding.id, finding.actual) for finding in wrong] == [("no-stray-files", str(lost))] * 2


def test_results_rest_on_the_mounts_of_both(shares: TwoShares, sessions: Sessions) -> None:
    seen = []
    for points in ((), (shares.first,)):
        shares.mounted(*points)
        lab = sessions.begin()
        seen.append(seen_of(lab))
        sessions.end(lab)
    assert {subject for subject, digest in seen[0].items() if seen[1][subject] != digest} == {"the set-up of labubuntu"}
