"""Where the downtime of a move went: xl's lines, the guest's heartbeat and the ping from outside, laid together. Pure.

Three clocks tell of a move: xl's lines bear the sending host's uptime, the heartbeat the guest's, the ping ours. How
long a stage took is exact, as it is taken on one clock. To say what of it fell into the guest's stand-still, both are
placed on our clock: the act between its command and its answer, the stand-still by the guest's uptime read before and
after. Each is known to within a round trip; what was sure to be while the guest stood still (from "guest has suspended"
to the permission to start) narrows that down. So only the first and the last part can be off, by `Anatomy.doubt`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from xenlab.outcomes import AnatomySummary, StageSummary
from xenlab.probes.trace import PingTrace, Window
from xenlab.xen.stages import Course, Kind, Stage, course
from xenlab.xen.stamps import StampedWords

_CONTRADICTION = 0.5
"""Seconds by which xl and the heartbeat may differ, beyond what is known of their clocks, before one must be wrong."""

_WORTH_A_WORD = 1.0
"""Seconds of the network's part that need a reason."""

_AT_ONCE = 0.1
"""Seconds of the network's part that may as well be of the guest's programs, which its heartbeat tells of."""

_QEMU_SILENT = 4.0
"""Seconds that a device model which does not answer costs at least: libxl tries for 5 s (libxl_qmp.c)."""

_NEIGHBOUR_DEAD = (4.0, 7.0)
"""Seconds after which a kernel that has probed a neighbour in vain finds it: it asks again after 5 s (arp(7))."""


@dataclass(frozen=True, slots=True)
class Still:
    """When the guest stood still, in seconds on our clock.

    It did so for as long as `window` says, or `most`; when, is known to within `doubt` either way.
    """

    window: Window
    most: float
    doubt: float

    @property
    def seconds(self) -> float:
        """For how long."""
        return self.window.end - self.window.start


@dataclass(frozen=True, slots=True)
class Share:
    """A stage, in seconds on our clock, and how much of it the guest stood still."""

    stage: Stage
    stood_still: float


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the downtime went, in seconds.

    The stand-still of `parts` and `untold` make up the blackout, the whole of `still`; up to `doubt` of a part may
    belong to the one beside it. `network` is the brownout: from the guest going on to the first answer outside, None
    where there was none or the former is not known.
    """

    parts: tuple[Share, ...]
    still: Still | None
    untold: float
    doubt: float
    network: float | None
    causes: tuple[str, ...] = ()


def dissect(
    words: StampedWords | None, still: Still | None, outside: PingTrace, own_gap: float | None = None
) -> Anatomy | None:
    """Lay together what there is of it; None where neither xl nor the guest has told anything.

    `own_gap` is the longest time in which the guest's own ping went unanswered while it ran, where that is known.
    """
    stages = course(words) if words else None
    if stages is None and still is None:
        return None
    placed = _placed(stages, words, still) if stages and words else None
    parts: tuple[Share, ...] = ()
    if stages and placed:
        parts = tuple(_parts(stages, placed[0], still))
    network = _network(outside, still) if still else None
    return Anatomy(
        parts=parts,
        still=still,
        untold=max(0.0, still.seconds - sum(part.stood_still for part in parts)) if still else 0.0,
        doubt=placed[1] if placed else 0.0,
        network=network,
        causes=tuple(_causes(stages, network, own_gap)),
    )


def _placed(stages: Course, words: StampedWords, still: Still | None) -> tuple[float, float] | None:
    """By how much our clock is ahead of the sender's, and the doubt of it; None where xl and the guest disagree."""
    ahead, doubt = (words.least + words.most) / 2, (words.most - words.least) / 2
    if still is None:
        return ahead, doubt
    doubt += still.doubt
    if stages.stopped is None or stages.permitted is None:
        return ahead, doubt
    least, most = still.window.start - stages.stopped, still.window.end - stages.permitted
    if least > most:
        least = most = (least + most) / 2
    narrowed = min(max(ahead, least), most)
    surely_still = stages.permitted - stages.stopped
    if surely_still > still.most + _CONTRADICTION or abs(narrowed - ahead) > doubt + _CONTRADICTION:
        return None
    return narrowed, min(doubt, most - least)


def _parts(stages: Course, ahead: float, still: Still | None) -> Iterator[Share]:
    """Each stage on our clock, cut at the edges of the stand-still; the guest's resumption lasts until it went on."""
    for number, stage in enumerate(stages.stages, 1):
        start, end = stage.start + ahead, stage.end + ahead
        if still is not None and number == len(stages.stages):
            end = max(start, still.window.end)
        stood = 0.0 if still is None else max(0.0, min(end, still.window.end) - max(start, still.window.start))
        yield Share(replace(stage, start=start, end=end), stood)


def _network(outside: PingTrace, still: Still) -> float | None:
    """From the guest going on to the first answer; a kernel may answer before its programs run again."""
    middle = (still.window.start + still.window.end) / 2
    answers = [at for packet in outside.packets for at in packet.received if at >= middle]
    return max(0.0, min(answers) - still.window.end) if answers else None


def _causes(stages: Course | None, network: float | None, own_gap: float | None) -> Iterator[str]:
    """Causes of which the signature was seen."""
    if stages and stages.qemu_waits >= _QEMU_SILENT:
        yield (
            f"libxl waited {stages.qemu_waits:.0f} s for the guest's device model, which did not answer "
            "(libxl__qmp_stop in Xen up to 4.11: 10 s)"
        )
    if network is None or network < _WORTH_A_WORD or own_gap is None:
        return
    if own_gap >= network / 2:
        yield (
            f"nor was the guest's own ping answered for {own_gap:.1f} s: its vif was not in the bridge yet, or that "
            "did not forward, and the gratuitous ARP with which the guest says where it is was lost"
        )
    elif _NEIGHBOUR_DEAD[0] <= network <= _NEIGHBOUR_DEAD[1]:
        yield (
            "the guest's own ping was answered meanwhile: whoever pings it took it for a dead neighbour, for which its "
            "kernel asks again after 5 s (delay_first_probe_time)"
        )


def to_summary(anatomy: Anatomy) -> AnatomySummary:
    """The figures for grade.json, in milliseconds."""
    return AnatomySummary(
        stages=tuple(
            StageSummary(
                stage=part.stage.name,
                took_ms=_ms(part.stage.end - part.stage.start),
                stood_still_ms=_ms(part.stood_still),
                scripts=part.stage.scripts,
            )
            for part in anatomy.parts
        ),
        blackout_ms=_ms(anatomy.still.seconds) if anatomy.still else None,
        untold_ms=_ms(anatomy.untold),
        doubt_ms=_ms(anatomy.doubt),
        brownout_ms=None if anatomy.network is None else _ms(anatomy.network),
        causes=anatomy.causes,
        sentence=in_a_sentence(anatomy),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


_NAMES: dict[tuple[Kind, ...], str] = {
    (Kind.CONNECT,): "the connection to the target",
    (Kind.COPY,): "copy of its memory",
    (Kind.SUSPEND,): "its suspension",
    (Kind.LAST_COPY,): "the last copy of its memory",
    (Kind.RESTORE,): "its restoration on the target",
    (Kind.DEVICES,): "other work for its devices",
    (Kind.RESUME,): "permission and its resumption",
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def in_a_sentence(anatomy: Anatomy) -> str:
    """Where the time went, in one sentence; "" where it is not known for how long the guest stood still.

    Parts of less than a twentieth are the rest; the figures add up as they stand there.
    """
    if anatomy.still is None:
        return ""
    whole = anatomy.still.seconds
    places = 1 if whole >= 1 else 2
    large = [part for part in anatomy.parts if part.stood_still >= max(whole / 20, 10.0**-places)]
    large.sort(key=lambda part: -part.stood_still)
    total, shares = round(whole, places), [round(part.stood_still, places) for part in large]
    rest = total - sum(shares)
    shown = f"{total:.{places}f} s"
    if not large:
        words = f"The guest stood still for {shown}"
        words += "" if anatomy.parts else ", and xl does not tell what for"
    else:
        spent = [*zip(shares, map(_what, (part.stage for part in large)), strict=True)]
        spent += [(rest, "the rest")] if rest >= 0.5 * 10.0**-places else []
        (first, what), *others = spent
        words = f"Of {shown} in which the guest stood still, {first:.{places}f} s went to {what}"
        words += "".join(f", {seconds:.{places}f} s to {what}" for seconds, what in others)
    return f"{words}; {_network_in_words(anatomy.network, places)}."


def _network_in_words(network: float | None, places: int) -> str:
    if network is None:
        return "then nothing was heard of it from outside"
    if network < _AT_ONCE:
        return "the first answer outside came at once"
    return f"the network then took {network:.{places}f} s until the first answer outside"


def _what(stage: Stage) -> str:
    if stage.kinds in ((Kind.DISKS,), (Kind.VIFS,)):
        device, count = ("disk" if stage.kinds == (Kind.DISKS,) else "vif"), stage.scripts
        number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
        return f"hotplug scripts of {number} {device}s" if count != 1 else f"the hotplug script of one {device}"
    return _NAMES.get(stage.kinds) or f"{stage.name} (not told apart)"
