"""Sessions on played hosts: begun, ended, killed, and mended by another process."""

from collections.abc import Callable

import pytest
from playedxen import HOSTS, PlayedXen

from xenlab.lab import custody
from xenlab.lab.custody import Act, Custody, LabFound
from xenlab.lab.lab import Lab
from xenlab.lab.tape import Tape

Verify = Callable[..., pytest.RunResult]
"""Calls pytest on the sheet, with these options."""


class Sessions:
    """What graded runs do around their steps; the `xen` fixture's hosts stand for RemoteHost."""

    def __init__(self, xen: PlayedXen) -> None:
        self.xen = xen

    def begin(self, step: str = "live-migration", tape: Tape | None = None) -> Lab:
        """A run of its own, with its own id."""
        opened = self.opened(tape)
        opened.begin("lab.toml", str(self.xen.folder), lambda: step)
        return opened

    def opened(self, tape: Tape | None = None) -> Lab:
        """One that has not begun."""
        return Lab(self.xen.spec, lambda _: "", {}, Custody(self.xen.folder / "custody"), tape)

    def end(self, session: Lab) -> list[str]:
        """Guests home, and the lab left; where each guest is."""
        homecomings = session.bring_home()
        session.leave()
        return [str(home) for home in homecomings]

    def kill(self, session: Lab) -> None:
        """Nothing of it goes on, and nothing was tidied: only what it noted is left."""
        assert session._lock is not None
        session._lock._over.set()
        session._lock._renewing.join()

    def mend(self) -> list[str]:
        """What ./lab mend does with the first run that was cut off."""
        (found, acts) = self.noted()[0]
        again = Lab(self.xen.spec, lambda _: "", {}, Custody(self.xen.folder / "custody", found.run))
        return [str(home) for home in again.mend(found, acts)]

    def noted(self) -> list[tuple[LabFound, tuple[Act, ...]]]:
        """What runs have noted that are not done."""
        return list(custody.unfinished(self.xen.folder / "custody"))

    def locked(self) -> list[str]:
        """The hosts that are locked."""
        return [name for name in HOSTS if (self.xen.machines[name].folder / "run/xenlab.lock").exists()]
