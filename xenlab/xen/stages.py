"""The stages of an `xl -vvv migrate`, told by the lines of both ends as they came. Pure.

| line | source in Xen 4.9 to 4.22 | level | whose |
|---|---|---|---|
| migration target: Ready to receive domain | tools/xl/xl_migrate.c | always | target |
| issuing PV suspend request via XenBus control node | libxl_dom_suspend.c | debug | sender |
| guest has suspended | libxl_dom_suspend.c | debug | sender |
| libxl-save-helper: debug: complete r=0 | libxl_save_helper.c | debug | sender, then target |
| calling hotplug script: /etc/xen/scripts/block add | libxl_device.c | debug | target |
| num_exec 1, not running hotplug scripts | libxl_linux.c, once a disk's script has run | debug | target |
| No hotplug script to execute | libxl_device.c, once a device is through | debug | target |
| xc: info: Restore successful | xg_sr_restore.c (xc_sr_restore.c up to 4.14) | info | target |
| migration target: Transfer complete | tools/xl/xl_migrate.c | always | target |
| migration target: Got permission | tools/xl/xl_migrate.c | always | target |
| migration target: Domain started | tools/xl/xl_migrate.c | always | target |

An xl that says less leaves longer stages, which are then of several kinds. xl hides its own progress while it migrates
(XTL_STDIOSTREAM_HIDE_PROGRESS), so that there is none to read at any level.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from xenlab.xen.stamps import Stamped, StampedWords

_READ = 2000
"""Characters of a line that are read: none of these is longer."""


class Kind(StrEnum):
    """What is done in a stage; in this order.

    `devices` is what the target does beside hotplug scripts once it has the guest's memory: a device model, say.
    """

    CONNECT = "connect"
    COPY = "copy"
    SUSPEND = "suspend"
    LAST_COPY = "last copy"
    RESTORE = "restore"
    DISKS = "disks"
    VIFS = "vif"
    DEVICES = "devices"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, in seconds on one clock. It is of several `kinds` where xl does not tell them apart.

    `scripts` is how many hotplug scripts began in it.
    """

    kinds: tuple[Kind, ...]
    start: float
    end: float
    scripts: int = 0

    @property
    def name(self) -> str:
        """Its kinds as words: "suspend", "last copy and restore"."""
        *others, last = self.kinds
        return f"{', '.join(others)} and {last}" if others else last


@dataclass(frozen=True, slots=True)
class Course:
    """The stages one after the other, in seconds on the sending host's clock.

    The guest certainly stands still from `stopped` to `permitted` (None where xl did not say so), and by `started` it
    was let go on. `qemu_waits` is how long the sender waited for the answers of a device model in its last copy.
    """

    stages: tuple[Stage, ...]
    stopped: float | None
    permitted: float | None
    started: float | None
    qemu_waits: float = 0.0


_SCRIPT = re.compile(r"libxl: debug: libxl_device\.c:.*:calling hotplug script: (?P<script>\S+) (?P<action>add|online)")
_BEGINS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.COPY, re.compile("migration target: Ready to receive domain")),
    (Kind.SUSPEND, re.compile(r"libxl: debug: libxl_dom_suspend\.c:.*:issuing .* suspend request via ")),
    (Kind.LAST_COPY, re.compile(r"libxl: debug: libxl_dom_suspend\.c:.*:guest has suspended")),
    (Kind.RESTORE, re.compile("libxl-save-helper: debug: complete r=0")),
    (Kind.DISKS, _SCRIPT),
    (Kind.RESUME, re.compile("migration target: Transfer complete")),
)
"""What begins a stage, in their order. All that devices need is told apart by their scripts."""
_RESTORED = re.compile("xc: info: Restore successful")
_PERMITTED = re.compile("migration target: Got permission")
_STARTED = re.compile("migration target: Domain started")
_DISK_DONE = re.compile(r"libxl: debug: libxl_linux\.c:.*:num_exec \d+, not running hotplug scripts")
_VIF_DONE = re.compile(r"libxl: debug: libxl_device\.c:.*:No hotplug script to execute")
_QMP = re.compile(r"libxl: (debug|error): libxl_qmp\.c:")
_LONG_WAIT = 1.0
"""Seconds that a device model which is well does not need to answer."""
_ORDER = tuple(Kind)


def course(words: StampedWords) -> Course | None:
    """Read the stages of a migration that succeeded; None where xl said nothing that tells of them."""
    lines = [Stamped(line.at, line.text[:_READ]) for line in words.lines]
    marks = _marks(lines)
    if not marks:
        return None
    started = _first(lines, _STARTED)
    last = len(lines) - 1 if started is None else max(started, *marks.values())
    stages = [Stage(_kinds(Kind.CONNECT, next(iter(marks))), words.began, lines[next(iter(marks.values()))].at)]
    firsts, kinds = [*marks.values(), last], [*marks, None]
    for (first, until), (kind, following) in zip(pairwise(firsts), pairwise(kinds), strict=True):
        whole = Stage(_kinds(kind, following), lines[first].at, lines[until].at)
        of_devices = kind is Kind.DISKS and following is Kind.RESUME
        stages += _by_scripts(lines[first : until + 1]) if of_devices else [whole]
    stopped = [lines[marks[kind]].at for kind in (Kind.LAST_COPY, Kind.RESTORE, Kind.DISKS) if kind in marks]
    permitted = _first(lines, _PERMITTED)
    permitted = marks.get(Kind.RESUME) if permitted is None else permitted
    return Course(
        stages=tuple(stages),
        stopped=stopped[0] if stopped else None,
        permitted=None if permitted is None else lines[permitted].at,
        started=None if started is None else lines[started].at,
        qemu_waits=_qemu_waits(lines, marks),
    )


def _marks(lines: Sequence[Stamped]) -> dict[Kind, int]:
    """The number of the line at which each stage begins that xl told of, each after the one before."""
    marks: dict[Kind, int] = {}
    after = 0
    for kind, words in _BEGINS:
        found = _first(lines, words, after)
        if found is None and kind is Kind.DISKS:
            found = _first(lines, _RESTORED, after)
        if found is not None:
            marks[kind], after = found, found + 1
    return marks


def _first(lines: Sequence[Stamped], words: re.Pattern[str], after: int = 0) -> int | None:
    return next((n for n in range(after, len(lines)) if words.match(lines[n].text)), None)


def _kinds(kind: Kind | None, following: Kind | None) -> tuple[Kind, ...]:
    """All that is done from one mark to the next."""
    first, end = (len(_ORDER) if one is None else _ORDER.index(one) for one in (kind, following))
    return _ORDER[first:end]


def _by_scripts(lines: Sequence[Stamped]) -> list[Stage]:
    """What is done for devices from the first hotplug script on: the disks' all at once, then the vifs' all at once.

    One stage where no script was told of. A vif of a guest with a device model has two, the second for its tap.
    """
    end = lines[-1].at
    if not _SCRIPT.match(lines[0].text):
        return [Stage(_kinds(Kind.DISKS, Kind.RESUME), lines[0].at, end)]
    stages: list[Stage] = []
    running, of_vifs = 0, set[str]()
    for line in lines:
        now = stages[-1] if stages else None
        if found := _SCRIPT.match(line.text):
            script, is_tap = found["script"], found["action"] == "add" and found["script"] in of_vifs
            of_vifs |= {script} if found["action"] == "online" else set()
            kind = Kind.VIFS if script in of_vifs else Kind.DISKS
            if now is None or now.kinds != (kind,):
                stages.append(Stage((kind,), line.at, end))
                running = 0
            if not is_tap:
                running += 1
                stages[-1] = replace(stages[-1], scripts=stages[-1].scripts + 1)
        elif now and running and (_VIF_DONE if now.kinds == (Kind.VIFS,) else _DISK_DONE).match(line.text):
            running -= 1
            if not running:
                stages.append(Stage((Kind.DEVICES,), line.at, end))
    ends = [*(stage.start for stage in stages[1:]), end]
    return [replace(stage, end=until) for stage, until in zip(stages, ends, strict=True)]


def _qemu_waits(lines: Sequence[Stamped], marks: Mapping[Kind, int]) -> float:
    """For how long the sender waited for its device model to save its state, while the guest stood still."""
    if Kind.LAST_COPY not in marks:
        return 0.0
    first = marks[Kind.LAST_COPY]
    until = next((marks[kind] for kind in (Kind.RESTORE, Kind.DISKS, Kind.RESUME) if kind in marks), len(lines))
    times = [lines[first].at, *(line.at for line in lines[first:until] if _QMP.match(line.text))]
    return sum(wait for a, b in pairwise(times) if (wait := b - a) >= _LONG_WAIT)
