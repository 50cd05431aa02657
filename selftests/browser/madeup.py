"""Three made-up runs to look at: all passed, a wrong path in a config, a host that does not answer."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from xenlab.outcomes import (
    CheckResult,
    EchoSummary,
    Grade,
    HeartbeatSummary,
    LabInfo,
    Late,
    MigrationRecord,
    Outcome,
    PingSummary,
    Score,
    SideEvidence,
    StepResult,
    Waiver,
)
from xenlab.probes.continuity import analyse
from xenlab.probes.trace import Packet, PingTrace, Window
from xenlab.report.html import View, render
from xenlab.report.timeline import timeline_svg

STARTED = datetime(2026, 11, 24, 18, 6, tzinfo=UTC)
HOSTS = ("labubuntu", "baye")
GUESTS = ("guest1", "guest2")

LAB = LabInfo(
    name="team-7",
    kind="real",
    hosts=HOSTS,
    xen={"labubuntu": "4.14.6", "baye": "4.14.6"},
    host_keys={
        "labubuntu": "SHA256:ACtnJvDMuWBf0RDVM6NJcISzEzVIhFhEO3ZbYVzXaKA",
        "baye": "SHA256:0lJ7Z3WkSN0hV3PwV4mIbZJ9H3uTQ1wuZ1JjKk8mEp0",
    },
)

# id, title, points, needs, seconds, what is checked for each guest (or host) and what holds then
SHEET: tuple[tuple[str, str, float, str, float, tuple[tuple[str, str], ...]], ...] = (
    (
        "hosts",
        "Both hosts run Xen, trust each other, and can take each other's guests.",
        *(10, "", 13.6),
        (
            ("same-xen-version", "Xen 4.14.6 on both hosts"),
            ("ssh-to-peer", "root logs in on the other host without a prompt"),
            ("memory-free", "room for both guests of 128 MiB"),
        ),
    ),
    (
        "shared-storage",
        "One host exports a folder over NFS, and both see it at the same path, with the guests' files in it.",
        *(15, "hosts", 10.3),
        (("mounted-by-nfs", "nfs4 from baye:/srv/private at /mnt/private"), ("root-may-write", "a file of root's")),
    ),
    (
        "path-fixes",
        "Every path in the guest's config leads to a file on the share, from both hosts, and nothing else changed.",
        *(15, "shared-storage", 6.8),
        (
            ("parses", "a config that xl reads"),
            ("path-on-share", "/mnt/private/artem/disk.img on the share"),
            ("only-paths-changed", "the original config but for its paths"),
        ),
    ),
    (
        "boot-from-share",
        "The guest boots on its home host from the share, takes logins, and keeps what is written to its disk.",
        *(15, "path-fixes", 78.4),
        (("runs-only-on", "running on labubuntu alone"), ("keeps-a-nonce", "the nonce read back after a sync")),
    ),
    (
        "cold-migration",
        "Shut down here and started there, the guest boots from the same disk; then it comes back the same way.",
        *(10, "boot-from-share", 130.9),
        (("new-boot", "a boot id of its own on baye"), ("same-disk", "the nonce that was written on labubuntu")),
    ),
    (
        "paused-migration",
        "Paused with `xl pause` and moved with `xl migrate`, as in the report, the guest goes on where it stopped.",
        *(10, "cold-migration", 184.3),
        (("same-boot", "the boot id it left with"),),
    ),
    (
        "live-migration",
        "The guest moves to the other host and back while it runs, and neither ping loses its thread.",
        *(20, "cold-migration", 195.6),
        (
            ("same-boot", "the boot id it left with"),
            ("outside-ping-goes-on", "no silence of more than 3,000 ms"),
            ("inside-ping-goes-on", "first packet there: icmp_seq 24, after 23 here"),
        ),
    ),
    (
        "left-as-found",
        "Every guest is where it was, and nothing half-moved or of ours is left on either host.",
        *(5, "hosts", 21.0),
        (("no-half-moved-guest", "no --incoming and no --migratedaway domain"),),
    ),
)

PATH = CheckResult(
    id="path-on-share",
    outcome=Outcome.FAILED,
    guest="guest1",
    host="baye",
    expected="/mnt/private/artem/disk.img, a file on the share",
    actual="/home/artem/disk.img, which is not there",
    hint="disk= still names the local path: write /mnt/private/artem/disk.img into guest1.cfg, as on the lab sheet",
    evidence=("cmd-3",),
    proof='--- /home/artem/guest1.cfg\n+++ /mnt/private/artem/guest1.cfg\n-kernel="/boot/vmlinuz"\n'
    '+kernel="/mnt/private/artem/vmlinuz"\n',
)
SILENT = CheckResult(
    id="cannot-observe",
    outcome=Outcome.ERROR,
    host="baye",
    actual="baye (192.0.2.143, port 22) did not answer within 10 s",
    hint="is it on, and is its address in lab.toml the right one? This says nothing about whether the lab is right.",
    evidence=("cmd-1",),
)
SIDE = SideEvidence(title="Kernel log of baye", file="side/1-path-fixes-guest1-kernel-log-of-baye.txt", guest="guest1")
SIDE_TEXTS = {
    SIDE.file: "[ 4211.012345] nfs: server 192.0.2.143 not responding, still trying\n"
    "[ 4219.812345] nfs: server 192.0.2.143 OK\n"
}
REMARKS = ("on baye, meanwhile: somebody created the domain payroll, which is no guest of this lab",)
WAIVER = Waiver(who="Ada, who teaches the course", why="the room's switch drops multicast", until=date(2026, 12, 18))


def commands() -> list[dict[str, object]]:
    """A few recorded commands, one of which failed."""
    made = (
        ("labubuntu", "xl info", 0, "xen_version            : 4.14.6\nfree_memory            : 618\n", ""),
        ("baye", "findmnt --json --target /mnt/private", 0, '{"filesystems": [{"fstype": "nfs4"}]}\n', ""),
        ("baye", "stat /home/artem/disk.img", 1, "", "stat: cannot statx '/home/artem/disk.img'\n"),
    )
    return [
        {
            "id": f"cmd-{number}",
            "host": host,
            "command": command,
            "exit_code": code,
            "timed_out": False,
            "started": STARTED.isoformat(),
            "monotonic": float(number),
            "seconds": 0.224,
            "stdout": out,
            "stderr": err,
            "stdout_cut": 0,
            "stderr_cut": 0,
        }
        for number, (host, command, code, out, err) in enumerate(made, 1)
    ]


def sheet(root: str = "", fault: CheckResult | None = None, **changes: dict[str, Any]) -> tuple[StepResult, ...]:
    """The lab sheet's steps, all passed, or the one that is the `root` of what failed by `fault`, the rest blocked
    that need it; `changes` are further ones by step, with _ for -."""
    done: dict[str, StepResult] = {}
    for id_, title, points, need, seconds, checked in SHEET:
        who: Sequence[dict[str, str]] = [{"guest": guest} for guest in GUESTS]
        if id_ in ("hosts", "shared-storage", "left-as-found"):
            who = [{"host": host} for host in HOSTS]
        checks = [
            CheckResult(id=name, outcome=Outcome.PASSED, expected=holds, actual=holds, evidence=("cmd-1",), **one)
            for one in who
            for name, holds in checked
        ]
        outcome, earned, blocked_by = Outcome.PASSED, points, None
        if id_ == root and fault is not None:
            known = [(check.id, check.guest) for check in checks]
            where = known.index((fault.id, fault.guest)) if (fault.id, fault.guest) in known else 0
            checks = [*checks[:where], fault, *checks[where + 1 :]] if fault.outcome is Outcome.FAILED else [fault]
            outcome, earned = fault.outcome, 12.5 if fault.outcome is Outcome.FAILED else 0.0
        elif need and done[need].outcome is not Outcome.PASSED:
            outcome, earned, blocked_by, seconds = Outcome.BLOCKED, 0.0, root, 0.0
            text = f"not run: blocked by {root}"
            checks = [CheckResult(id="not-run", outcome=outcome, actual=text, guest=guest) for guest in GUESTS]
        unseen = done[root].outcome is Outcome.ERROR if blocked_by else outcome is Outcome.ERROR
        done[id_] = StepResult(
            id=id_,
            title=title,
            points=points,
            earned=earned,
            outcome=outcome,
            blocked_by=blocked_by,
            seconds=seconds,
            checks=tuple(checks),
            needs=(need,) if need else (),
            ungradable=points if unseen else 0.0,
        ).model_copy(update=changes.get(id_.replace("-", "_"), {}))
    return tuple(done.values())


def ping(gap_ms: float, first: int) -> tuple[PingTrace, PingSummary]:
    """A ping every 50 ms over 30 s that is silent for about `gap_ms` from 18 s on."""
    packets = []
    for number in range(600):
        at = number * 0.05
        silent = 18.0 < at < 18.0 + gap_ms / 1000 - 0.05
        packets.append(Packet(first + number, at, () if silent else (at + 0.0009,), (64,)))
    trace = PingTrace(tuple(packets), 0.05, 0.0, 30.0)
    found = analyse(trace)
    return trace, PingSummary(
        sent=found.sent,
        received=found.received,
        lost=found.lost,
        duplicated=found.duplicated,
        reordered=found.reordered,
        send_errors=found.send_errors,
        interval_ms=50,
        longest_gap_ms=round(found.longest_gap * 1000, 1),
        gap_resolution_ms=50,
        last_before=first + 360,
        first_after=first + 361 + found.lost,
        gap_in_window=True,
    )


def moves(gap_ms: float = 480.0) -> tuple[tuple[MigrationRecord, ...], dict[str, str]]:
    """Each guest moved cold, paused and live, there and back; the live ones were pinged."""
    records, timelines = [], {}
    begin = 131.0
    for kind, seconds in (("cold", 29.9), ("paused", 37.0), ("live", 24.6)):
        for guest in GUESTS:
            for source, target in (HOSTS, HOSTS[::-1]):
                name = f"{len(records) + 1}-{guest}-{kind}-{source}-to-{target}.svg"
                made: dict[str, Any] = {}
                if kind == "live":
                    trace, seen = ping(gap_ms + 40 * len(records), 1)
                    inside = ping(0, 1)
                    window = Window(3.0, 3.0 + seconds)
                    timelines[name] = timeline_svg(
                        {"this machine": trace}, inside[0], window, f"{guest}: {source} to {target}"
                    )
                    made = {"outside": seen, "inside": inside[1], "timeline": name}
                    made["heartbeat"] = HeartbeatSummary(beats=601, interval_ms=50, stood_still_ms=410, clock_step_ms=0)
                    made["connection"] = EchoSummary(sent_bytes=588, returned_bytes=588, intact=True)
                records.append(
                    MigrationRecord(
                        guest=guest,
                        kind=kind,
                        source=source,
                        target=target,
                        started=STARTED + timedelta(seconds=begin),
                        seconds=seconds,
                        same_boot=kind != "cold",
                        **made,
                    )
                )
                begin += seconds + 11
    return tuple(records), timelines


def grade(
    steps: tuple[StepResult, ...], migrations: tuple[MigrationRecord, ...] = (), late: Late | None = None
) -> Grade:
    """A grade of `steps`, with the sums that scoring would make."""
    wrong = {step.outcome for step in steps if step.required}
    earned = sum(step.earned for step in steps) * (late.factor if late else 1)
    return Grade(
        lab=LAB,
        started=STARTED,
        finished=STARTED + timedelta(seconds=692),
        score=Score(
            earned=earned,
            possible=sum(step.points for step in steps),
            late=late,
            ungradable=sum(step.ungradable for step in steps),
        ),
        verdict="failed" if Outcome.FAILED in wrong else "error" if Outcome.ERROR in wrong else "passed",
        steps=steps,
        migrations=migrations,
        remarks=REMARKS,
        whereabouts=tuple(f"{guest} is on {HOSTS[0]}, as found" for guest in GUESTS),
    )


def earlier(made: Grade) -> Grade:
    """`made` as the attempt of the evening before."""
    return made.model_copy(update={"started": STARTED - timedelta(hours=21)})


def passed() -> tuple[Grade, Grade | None, dict[str, str]]:
    """All passed, one check by a waiver, after an attempt that failed."""
    steps = list(sheet())
    waived = (
        steps[3]
        .checks[0]
        .model_copy(update={"outcome": Outcome.WAIVED, "actual": "running on labubuntu and baye", "waiver": WAIVER})
    )
    steps[3] = steps[3].model_copy(update={"checks": (waived, *steps[3].checks[1:])})
    before = earlier(grade(sheet("path-fixes", PATH), moves(1900)[0]))
    migrations, timelines = moves()
    return grade(tuple(steps), migrations), before, timelines


def failed() -> tuple[Grade, Grade | None, dict[str, str]]:
    """A wrong path in a config blocks what comes after; handed in late, with an optional and a hidden step."""
    changes = {"paused_migration": {"required": False}, "left_as_found": {"hidden": True}}
    steps = sheet("path-fixes", PATH, path_fixes={"side": (SIDE,)}, **changes)
    before = earlier(grade(sheet("hosts", SILENT)))
    return grade(steps, late=Late(hours=26, factor=0.9)), before, {}


def unreachable() -> tuple[Grade, Grade | None, dict[str, str]]:
    """One host does not answer: nothing is known of the lab."""
    return grade(sheet("hosts", SILENT)), None, {}


RUNS = {"passed": passed, "failed": failed, "unreachable": unreachable}


def page(name: str, view: View = "student") -> str:
    """The report of the run `name` of `RUNS`."""
    made, before, timelines = RUNS[name]()
    return render(made, commands(), timelines, SIDE_TEXTS, view=view, previous=before)
