"""A run that is cut off at any command of its own: what it did is undone all the same, and nobody is left locked out."""

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


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("found", ["off", "labubuntu", "baye"])
def test_wherever_it_is_cut_off_all_is_as_found(found: str, after: bool, sessions: Sessions, xen: PlayedXen) -> None:
    at, came = 1, True
    was = {} if found == "off" else {f"{found}/guest1": RUNS}
    while came:
        if found != "off":
            xen.runs("guest1", found)
        machines = {name: machine.run for name, machine in xen.machines.items()}
        cut_off = CutOff(xen, at, after=after)
        try:
            words = graded(sessions.opened(), sessions, cut_off)
        finally:
            for name, run in machines.items():
                xen.machines[name].run = run  # type: ignore[method-assign]
        came = cut_off.came
        assert xen.where() == was, (at, words)
        assert sessions.locked() == [], at
        assert sessions.noted() == [], at
        assert not list(xen.share.glob(".xenlab*")), at
        for host in HOSTS:
            assert not list((xen.machines[host].folder / "run").glob("xenlab-*")), at
        root = xen.machines["guest1"].folder / "root"
        if found != "off":
            assert not list(root.iterdir()), (at, words)
            xen.goes("guest1", found)
        for file in root.iterdir():
            file.unlink()
        at += 1
    assert at > 20
