"""A run that is cut off at any command of its own: what it did is undone all the same, and nobody stays locked out."""

from collections.abc import Callable

import pytest
from playedsessions import Sessions
from playedxen import HOSTS, RUNS, PlayedXen

from xenlab.lab.lab import Lab
from xenlab.remote.result import CommandResult

Run = Callable[..., CommandResult]


class CutOff:
    """Ctrl-C at the `at`th command on any host or guest: before it is run, or once it has been."""

    def __init__(self, xen: PlayedXen, at: int, *, after: bool) -> None:
        self.count = 0
        self.came = False
        self.over = False
        self._at, self._after = at, after
        for machine in xen.machines.values():
            machine.run = self._counted(machine.run)  # type: ignore[method-assign]

    def _counted(self, run: Run) -> Run:
        def counted(*argv: str, **options: object) -> CommandResult:
            self.count += not self.over
            if self.over or self.count != self._at:
                return run(*argv, **options)
            self.came = True
            if self._after:
                run(*argv, **options)
            raise KeyboardInterrupt

        return counted


def graded(session: Lab, sessions: Sessions, cut_off: CutOff) -> list[str]:
    """What a run does: its steps, and then, however they ended, what brings all home."""
    try:
        session.begin("lab.toml", str(sessions.xen.folder))
        guest, (home, peer) = session.guest("guest1"), session.hosts
        guest.start(home)
        with guest.nonce() as nonce:
            guest.live_migrate(peer, nonce)
            guest.cold_migrate(home, nonce)
    except KeyboardInterrupt:
        pass
    cut_off.over = True
    return sessions.end(session)


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize(("found", "after"), [("off", False), ("labubuntu", True)])
def test_wherever_it_is_cut_off_all_is_as_found(
    found: str, after: bool, first: int, sessions: Sessions, xen: PlayedXen
) -> None:
    """Each third command from `first` on, until a run comes to its end."""
    at, came = first, True
    while came:
        if found != "off":
            xen.runs("guest1", found)
        came, words = cut_off_at(at, after, sessions)
        assert xen.where() == ({} if found == "off" else {f"{found}/guest1": RUNS}), (at, words)
        assert (sessions.locked(), sessions.noted()) == ([], []), at
        assert not list(xen.share.glob(".xenlab*")), at
        for host in HOSTS:
            assert not list((xen.machines[host].folder / "run").glob("xenlab-*")), at
        nonces = list((xen.machines["guest1"].folder / "root").iterdir())
        if found != "off":  # in one that is off nothing can be removed
            assert nonces == [], (at, words)
            xen.goes("guest1", found)
        for file in nonces:
            file.unlink()
        at += 3
    assert at > 20


def cut_off_at(at: int, after: bool, sessions: Sessions) -> tuple[bool, list[str]]:
    """Whether a run came so far, and its last words."""
    machines = {name: machine.run for name, machine in sessions.xen.machines.items()}
    cut_off = CutOff(sessions.xen, at, after=after)
    try:
        words = graded(sessions.opened(), sessions, cut_off)
    finally:
        for name, run in machines.items():
            sessions.xen.machines[name].run = run  # type: ignore[method-assign]
    return cut_off.came, words
