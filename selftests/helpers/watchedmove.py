"""A made-up watched move: what all probes would have left of a guest that did so and so while it moved."""

from collections.abc import Callable
from dataclasses import dataclass, field

from xenlab.lab.observed import Neighbours, NotJudged, Observed, ProgramOutput, SeatPing, Unknown, UptimeReading
from xenlab.lab.watch_analysis import Analysis, MoveLimits, analyse
from xenlab.probes.trace import Packet, PingTrace, Window
from xenlab.remote.echoed import Echoed

WINDOW = Window(110.0, 150.0)
LIMITS = MoveLimits(max_gap=3.0, max_lost=2)
BEGUN, ENDED = 100.0, 160.0


def never(at: float) -> bool:
    return False


@dataclass
class Move:
    """Seconds on this machine's clock; the guest moves from 110 to 150, and is watched from 100 to 160.

    It stands still for `stood` seconds from `stopped`. Then its uptime has gone on by `counted` of them (None: all),
    and its wall clock is put ahead by `wall_ahead` more. `booted` is its uptime when the watch begins. From outside
    it is deaf while it stands still, if not `deaf` says so; `unsent` are times at which it cannot send. `stuck` is a
    time, when it runs, from when for how long its disk takes no write. `latency` is what a look takes. Each of `seats`
    pings it from outside, and has these `neighbours`.
    """

    stopped: float = 140.0
    stood: float = 0.8
    counted: float | None = None
    wall_ahead: float = 0.0
    booted: float = 1000.0
    deaf: Callable[[float], bool] | None = None
    unsent: Callable[[float], bool] = never
    doubled: Callable[[float], bool] = never
    stuck: tuple[float, float] = (0.0, 0.0)
    write_every: float = 0.2
    ends: float = ENDED
    ttls: tuple[int, ...] = (64,)
    latency: float = 0.05
    seats: tuple[str, ...] = ("this machine",)
    neighbours: Neighbours | Unknown = ()
    changes: dict[str, object] = field(default_factory=dict)

    def runs(self, at: float) -> bool:
        return not self.stopped <= at < self.stopped + self.stood

    def uptime(self, at: float) -> float:
        """The guest's, at a time at which it runs."""
        jump = 0.0 if self.counted is None or at < self.stopped else self.counted - self.stood
        return self.booted + (at - BEGUN) + jump

    def wall(self, at: float) -> float:
        """Begins at 1700000000."""
        return 1_700_000_000.0 + self.uptime(at) - self.booted + (self.wall_ahead if at >= self.stopped else 0.0)

    def is_deaf(self, at: float) -> bool:
        return self.deaf(at) if self.deaf else not self.runs(at)

    def outside(self) -> PingTrace:
        packets = []
        for n in range(int((ENDED - BEGUN) / 0.05)):
            at = BEGUN + n * 0.05
            twice = self.doubled(at)
            got = () if self.is_deaf(at) else (at + 0.001, at + 0.002) if twice else (at + 0.001,)
            packets.append(Packet(n + 1, at, got, self.ttls if twice else self.ttls[:1]))
        return PingTrace(tuple(packets), 0.05, BEGUN, ENDED)

    def ticks(self, interval: float, until: float = ENDED) -> list[float]:
        """When a program in the guest that waits `interval` seconds each time does something."""
        at, found = BEGUN, []
        while at < min(until, self.ends):
            found.append(at)
            # What waits while the guest stands still goes on for the rest of its time afterwards.
            at += interval + (self.stood if at < self.stopped <= at + interval else 0.0)
        return found

    def inside(self) -> tuple[str, list[tuple[float, int]]]:
        """Its own ping's output, and how many bytes of it were there when."""
        lines, sizes, size, got = ["PING 10.1.1.1 (10.1.1.1) 56(84) bytes of data."], [], 0, 0
        sent = self.ticks(0.2)
        for n, at in enumerate(sent, 1):
            if self.unsent(at):
                lines.append("ping: sendmsg: Network is unreachable")
            elif not self.is_deaf(at) or not self.runs(at):
                got += 1
                lines.append(f"[{self.wall(at):.6f}] 64 bytes from 10.1.1.1: icmp_seq={n} ttl=64 time=0.200 ms")
            size = len("\n".join(lines)) + 1
            sizes.append((at, size))
        lines += ["", "--- 10.1.1.1 ping statistics ---"]
        lines.append(f"{len(sent)} packets transmitted, {got} received, 0% packet loss, time 1ms")
        return "\n".join(lines) + "\n", sizes

    def heartbeat(self) -> str:
        beats = enumerate(self.ticks(0.05), 1)
        return "".join(f"{n} {self.wall(at):.6f} {self.uptime(at):.2f}\n" for n, at in beats)

    def writes(self) -> str:
        since, seconds = self.stuck
        times = self.ticks(self.write_every)
        done = [at for at in times if not since <= at < since + seconds]
        return "".join(f"{n} {self.uptime(at):.2f}\n" for n, at in enumerate(done, 1))

    def reading(self, at: float) -> UptimeReading:
        return UptimeReading(round(self.uptime(at), 2), at - self.latency / 2, at + self.latency / 2)

    def observed(self) -> Observed:
        text, sizes = self.inside()
        before, after = (max((size for at, size in sizes if at <= edge), default=0) for edge in (109.9, 150.2))
        parts: dict[str, object] = {
            "guest": "guest1",
            "address": "10.1.1.85",
            "ping_target": "10.1.1.1",
            "outside": tuple(SeatPing(seat, self.outside(), self.neighbours) for seat in self.seats),
            "inside": ProgramOutput(text),
            "inside_interval": 0.2,
            "inside_started": BEGUN,
            "inside_read": (before, after),
            "heartbeat": ProgramOutput(self.heartbeat()),
            "heartbeat_interval": 0.05,
            "writes": ProgramOutput(self.writes()),
            "echoed": Echoed(100, 100, True),
            "uptime_before": self.reading(109.9),
            "uptime_after": self.reading(150.2),
            "uptime_at_end": self.reading(158.0),
            "evidence": ("cmd-7",),
        }
        return Observed(**(parts | self.changes))  # type: ignore[arg-type]

    def seen(self, limits: MoveLimits = LIMITS) -> Analysis:
        return analyse(self.observed(), WINDOW, limits)


GONE = Unknown("guest1 cannot be reached: no answer")
NO_BASH = NotJudged("the guest has no bash")


def lost_for_good(at: float = 140.0) -> Move:
    """xl says that it moved, and nothing was heard of it any more."""
    gone = ("inside", "heartbeat", "writes", "uptime_after", "uptime_at_end")
    return Move(
        stopped=at,
        deaf=lambda when: when >= at,
        changes={**dict.fromkeys(gone, GONE), "inside_read": (900, None), "echoed": Echoed(100, 60, True)},
    )


def rebooted(booted: float) -> Move:
    """It came up anew, 20 s after it had stopped at 120 s: nothing of its memory is left, its disk is."""
    move = Move(booted=booted, ends=120.0, deaf=lambda when: 120.0 <= when < 140.0)
    up = {name: UptimeReading(at - 121.0, at - 0.02, at + 0.02) for name, at in (("after", 150.2), ("at_end", 158.0))}
    text, _ = move.inside()
    move.changes = {
        "inside": ProgramOutput(text.partition("\n---")[0] + "\n", ended_before=True),
        "heartbeat": Unknown("cat: /dev/shm/.xenlab-7-watch-heartbeat: No such file or directory"),
        "writes": ProgramOutput(move.writes(), ended_before=True),
        "uptime_after": up["after"],
        "uptime_at_end": up["at_end"],
        "echoed": Echoed(100, 60, True, "it was closed from the other side"),
    }
    return move
