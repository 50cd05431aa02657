"""A rehearsal of a run: the sheet's own steps, with nouns that type nothing, note what they would, and find all right.

What is noted is what `Acts` and its like really type, as theirs is the code that is run; only the machines below
it are not there. Each act comes out as it should.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from xenlab.errors import CannotObserve
from xenlab.lab.act_plan import RUN, PlannedAct, typed, undo_of
from xenlab.lab.acts import Acts
from xenlab.lab.bringing_home import bring_home
from xenlab.lab.custody import COMMAND, WATCH, WRITE, Act, Custody, LabFound, now, this_process
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.found import GuestFound
from xenlab.lab.guest import Guest
from xenlab.lab.guest_programs import GuestPrograms
from xenlab.lab.lab import Lab
from xenlab.lab.lock import HostLock
from xenlab.lab.looks import DomainsLook, GuestLook, Unknown
from xenlab.lab.outliving import Ended
from xenlab.lab.own_commands import OwnCommands
from xenlab.lab.places import Places
from xenlab.lab.seats import HostSeat, Seat, ThisMachine, seats_for
from xenlab.lab.share import shares_of
from xenlab.lab.tape import Untaped
from xenlab.lab.watch import Watch, note_watch
from xenlab.labfile import RUNNER, GuestSpec, Reachable
from xenlab.labfile_limits import TimeoutSpec
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.host import RemoteHost
from xenlab.remote.login import Login
from xenlab.remote.result import RawResult
from xenlab.xen import peers, xl
from xenlab.xen.messages import MOVED
from xenlab.xen.parsers import DomainRow

T = TypeVar("T")
Note = Callable[[str, Sequence[str]], None]
"""Takes what would be typed, and on which machine."""

_NOTHING = Unknown("it was only rehearsed")
_GUEST = frozenset({"name", "spec", "home", "seats", "machine", "address", "ping_target", "by_console", "nonce"})
_GUESTS_ACTS = frozenset({"start", "cold_migrate", "paused_migrate", "live_migrate", "return_to"})


class Right:
    """Stands for all that is seen and judged in a rehearsal: whatever it is asked for is there, and holds."""

    def __getattr__(self, name: str) -> "Right":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_given: object, **_named: object) -> "Right":
        """Nothing is done."""
        return self

    def __iter__(self) -> Iterator[Finding]:
        yield Finding("rehearsed", True, "", "")


RIGHT = Right()


class Rehearsed:
    """A noun of the sheet: of the `real` one the `facts` are told and the `acts` are done, all else is `RIGHT`."""

    def __init__(self, real: object, *, facts: Collection[str] = (), acts: Collection[str] = ()) -> None:
        self._real = real
        self._facts = facts
        self._acts = acts

    def __getattr__(self, name: str) -> object:
        if name in self._facts:
            return getattr(self._real, name)
        if name not in self._acts:
            return getattr(RIGHT, name)

        def act(*given: object, **named: object) -> Right:
            done = getattr(self._real, name)(*given, **named)
            if isinstance(done, Iterator):
                deque(done, maxlen=0)
            return RIGHT

        return act


class RehearsedMachine(RemoteHost):
    """A machine that nobody logs in on: what would change something there is noted."""

    def __init__(self, spec: Reachable, note: Note) -> None:
        super().__init__(spec.name, Login("", spec.user, Path()), lambda _record: "", read_only=True)
        self._is_root = spec.user == "root" or spec.sudo
        self._note = note

    def runs_as_root(self) -> bool:
        """As the lab file has it; whether sudo works is not asked."""
        return self._is_root

    def wait_until_reachable(self, timeout: float, word: str = "") -> None:
        """It is, at once."""

    def _run(
        self, argv: Sequence[str], timeout: object, stdin: object, *, changes: bool = False, **_: object
    ) -> RawResult:
        del timeout, stdin
        if changes:
            self._note(self.name, argv)
        return RawResult(0, b"", b"", 0.0)


class RehearsedCustody(Custody):
    """Lets through what `Custody` would, and writes nothing; tells `begun` of each act."""

    def __init__(self, found: Mapping[str, GuestFound], begun: Callable[[Act], None]) -> None:
        super().__init__(run=RUN)
        self._tell = begun
        process, began = this_process(), now()
        self.resume(
            LabFound(
                run=RUN,
                process=process,
                began=began,
                lab_name="",
                working_copy="",
                lab_file="",
                guests=dict(found),
            ),
            (),
        )

    def will(self, act: str, **facts: str) -> None:
        """See `Custody`."""
        super().will(act, **facts)
        self._tell(Act(act=act, facts=facts))

    def _write(self, line: str, *, anew: bool = False) -> None:
        pass


class RehearsedActs(Acts):
    """All that would be done to one guest, which was `found` so: each act comes out as it should."""

    def __init__(
        self,
        spec: GuestSpec,
        machine: RehearsedMachine,
        hosts: HostPair,
        timeouts: TimeoutSpec,
        custody: Custody,
        found: GuestFound,
        note: Note,
    ) -> None:
        super().__init__(spec, machine, hosts, timeouts, custody)
        self._found = found
        self._note = note
        self._next = found

    def look(self) -> Places:
        """Where it would be by now."""
        state = "--p---" if self._found.paused else "-b----"
        rows = {self._found.host: DomainRow(self._name, 1, 0, 1, state, 0.0)} if self._found.host else {}
        unclear = (f"it was found {self._found.unclear}",) if self._found.unclear else ()
        self._places = Places(self._name, rows, {}, (), (), unclear, ())
        return self._places

    def may_be_started(self, on: Dom0) -> tuple[DomainsLook, DomainsLook]:
        """Nobody looks."""
        del on
        first, second = (DomainsLook(host.name, (), 0.0, (), (), {}) for host in self._hosts)
        return first, second

    def look_inside(self, nonce: str | None = None) -> GuestLook:
        """Nobody looks."""
        del nonce
        return GuestLook(self._name, (), 0.0, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING)

    def _will(self, act: str, **facts: str) -> None:
        super()._will(act, **facts)
        host = {"shutdown": None, "migrate": facts.get("to")}.get(act, facts["host"])
        self._next = GuestFound(host=host, paused=act == "pause")

    def _xl(self, host: Dom0, argv: xl.Argv) -> None:
        self._note(host.name, argv)
        self._found = self._next

    def _run_to_its_end(self, host: Dom0, argv: xl.Argv, seconds: float) -> Ended:
        del seconds
        self._xl(host, argv)
        return Ended(0, MOVED, ())

    def _await_boot(self, host: Dom0) -> None:
        pass

    def _row_on(self, host: Dom0) -> None:
        pass


class InTurn(HostPair):
    """Both hosts, asked one after the other, so that what is noted has one order."""

    def at_once(self, do: Callable[[Dom0], T]) -> tuple[T, T]:
        """See `HostPair`."""
        first, second = self.both
        return do(first), do(second)


class RehearsedMoves:
    """The moves of a rehearsal: what watches them is typed, too."""

    def __init__(self, watch: Watch, custody: Custody) -> None:
        self._watch = watch
        self._custody = custody

    def __getattr__(self, name: str) -> object:
        return getattr(RIGHT, name)

    @contextmanager
    def watched(self, guest: Guest) -> Iterator[Right]:
        """Type what begins the programs and pings of a watch, and what ends them."""
        note_watch(self._custody, guest)
        probes, seconds = self._watch.probes, self._watch.seconds
        for seat in guest.seats:
            if seat.keeps_files:
                with suppress(CannotObserve):  # nobody answers that it has begun
                    seat.ping(guest.name, guest.address, probes.outside_interval_ms / 1000, seconds).__enter__()
        programs = GuestPrograms(guest.machine, probes, RUN, seconds)
        with suppress(CannotObserve):
            programs.start(guest.ping_target)
        yield RIGHT
        programs.stop_and_read()


class Rehearsal:
    """Goes through the sheet on a lab that was looked at; `acts` is what comes of it, `step` names where it is.

    A context manager: within it both hosts are locked, so to speak, and in the end all guests are at home.
    """

    def __init__(self, lab: Lab, step: Callable[[], str]) -> None:
        self.acts: list[PlannedAct] = []
        self._lab = lab
        self._step = step
        self._begun: list[Act] = []
        spec = lab.spec
        self._custody = RehearsedCustody(lab.found.guests, self._begun.append)
        first, second = (Dom0(host, RehearsedMachine(host, self._note), spec.timeouts) for host in spec.hosts)
        self._hosts = InTurn(first, second)
        self._shares = shares_of(spec, self._hosts, self._custody, Untaped())
        self._lock = HostLock(self._hosts, RUN, "PID")
        self._guests = {guest.name: self._guest(guest) for guest in spec.guests}

    def __enter__(self) -> "Rehearsal":
        self._lock.take()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.go_home()
        for host in self._hosts:
            host.remote.run(*peers.forget(self._custody.folder_on_hosts), changes=True)
        self._lock.release()

    def nouns(self, guest: str | None, graded: Sequence[str]) -> Mapping[str, Callable[[], object]]:
        """What a step may ask for, by name (fixtures/nouns.py), for the guest that it is about; `graded` are all."""
        lab, hosts = self._lab, self._hosts
        nouns: dict[str, Callable[[], object]] = {
            "lab": lambda: Rehearsed(lab, facts={"spec"}),
            "found": lambda: RIGHT,
            "hosts": lambda: hosts,
            "shares": lambda: tuple(Rehearsed(s, facts={"spec"}, acts={"carries_nonces"}) for s in self._shares),
            "own_commands": lambda: Rehearsed(self._own_commands, acts={"on_hosts", "in_guest"}),
            "guests": lambda: tuple(self._noun(name) for name in graded),
            "moves": lambda: RehearsedMoves(self._watch, self._custody),
            "left": self.go_home,
        }
        if guest is not None:
            home = self._guests[guest].home
            nouns |= {"guest": lambda: self._noun(guest), "home": lambda: home, "peer": lambda: hosts.peer_of(home)}
        return nouns

    def go_home(self) -> Right:
        """Bring back every guest that something was done to."""
        for name in sorted(self._custody.touched):
            guest, found = self._guests[name], self._lab.found.guests[name]
            bring_home(guest.spec, guest.acts, self._hosts, found, self._lab.spec.timeouts)
            self._custody.undone(name)
        return RIGHT

    # How it is made

    @property
    def _watch(self) -> Watch:
        spec = self._lab.spec
        return Watch(spec.probes, run=RUN, seconds=spec.timeouts.migrate_seconds)

    @property
    def _own_commands(self) -> OwnCommands:
        return OwnCommands(self._hosts, self._lab.spec.server, self._custody, Untaped())

    def _noun(self, name: str) -> Rehearsed:
        return Rehearsed(self._guests[name], facts=_GUEST, acts=_GUESTS_ACTS)

    def _guest(self, spec: GuestSpec) -> Guest:
        lab, machine = self._lab.spec, RehearsedMachine(spec, self._note)
        seats = tuple(self._seat(name) for name in seats_for(lab, spec))
        parts = (lab.timeouts, self._custody)
        guest = Guest(spec, machine, self._hosts, self._shares, *parts, seats, Untaped())
        found = self._lab.found.guests[spec.name]
        guest.acts = RehearsedActs(spec, machine, self._hosts, *parts, found, self._note)
        return guest

    def _seat(self, name: str) -> Seat:
        if name == RUNNER:
            return ThisMachine()
        jumps = {jump.name: jump for jump in self._lab.spec.jumps}
        machine = RehearsedMachine(jumps[name], self._note) if name in jumps else self._hosts.named(name).remote
        return HostSeat(machine, RUN)

    def _note(self, machine: str, argv: Sequence[str]) -> None:
        """Keep what would be typed, as the act that was begun there, if one was."""
        begun = next((act for act in self._begun if machine == _where(act)), None)
        step, command = self._step(), typed(argv)
        if begun is None:
            self.acts.append(PlannedAct(step=step, machine=machine, command=command))
            return
        self._begun.remove(begun)
        act, facts = begun.act, begun.facts
        self.acts.append(
            PlannedAct(step=step, machine=machine, command=command, act=act, facts=facts, undo=self._undo(begun))
        )

    def _undo(self, act: Act) -> str:
        where = _where(act)
        if act.act == WRITE:
            return f"on {where}: {typed(commands.remove(act.facts['file']))}"
        if act.act == COMMAND:
            return f"on {where}: nothing that xenlab knows of"
        if act.act == WATCH:
            return f"on {where}: nothing, it ends by itself"
        source = self._hosts.named(act.facts["host"]).spec.among_hosts
        return undo_of(act.act, act.facts, self._guests[act.facts["guest"]].spec.config, source)


def _where(act: Act) -> str:
    return act.facts.get("host") or act.facts["guest"]
