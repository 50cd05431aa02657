"""A lock on both hosts: two runs on one lab would overwrite each other's nonces and move each other's guests.

It names its holder, is renewed while the run goes on, and expires by itself when the run is gone.
"""

import getpass
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread

from xenlab.errors import CannotObserve, UsageError
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.remote import lease

FILE = "/run/xenlab.lock"
SECONDS = 900
_RENEWAL_SECONDS = 300.0


class LabInUse(UsageError):
    """Another run holds the lab's hosts."""


class HostLock:
    """The lock of one run on both hosts; `step` tells what the run is at."""

    def __init__(self, hosts: HostPair, run: str, pid: str, step: Callable[[], str] = lambda: "") -> None:
        self._hosts = sorted(hosts, key=lambda host: host.name)
        self._run = run
        self._pid = pid
        self._step = step
        self._since = datetime.now(UTC)
        self._lost = ""
        self._over = Event()
        self._renewing = Thread(target=self._keep, name="lock renewal", daemon=True)

    def take(self) -> None:
        """Take it on both hosts, in the order of their names, so that two runs cannot hold one each.

        :raises LabInUse: another run has it. :raises CannotObserve: a host does not answer, or cannot be locked.
        """
        taken: list[Dom0] = []
        try:
            for host in self._hosts:
                self._ask(host, lease.take(FILE, self._run, SECONDS, self._words()))
                taken.append(host)
        except (LabInUse, CannotObserve):
            self._give_back(taken)
            raise
        self._renewing.start()

    def check(self) -> None:
        """See that it is still ours.

        :raises CannotObserve: it was lost, so that another run may have begun.
        """
        if self._lost:
            raise CannotObserve(f"the lock on the lab was lost: {self._lost}")

    def release(self) -> None:
        """Give it back; a host that does not answer forgets it by itself."""
        self._over.set()
        if self._renewing.is_alive():
            self._renewing.join()
        self._give_back(self._hosts)

    def _keep(self) -> None:
        while not self._over.wait(_RENEWAL_SECONDS):
            for host in self._hosts:
                try:
                    self._ask(host, lease.renew(FILE, self._run, SECONDS, self._words()))
                except LabInUse as taken:
                    self._lost = taken.message
                except CannotObserve:
                    continue  # it is good for longer than one renewal takes

    def _give_back(self, hosts: list[Dom0]) -> None:
        for host in hosts:
            with suppress(CannotObserve):
                host.remote.run(*lease.give_back(FILE, self._run), changes=True)

    def _ask(self, host: Dom0, argv: lease.Argv) -> None:
        result = host.remote.run(*argv, changes=True)
        if result.exit_code == lease.HELD:
            holder, id_ = _holder(result.stdout)
            raise LabInUse(
                f"{host.name} is in use: {holder}",
                hint=f"wait for it; where that run is gone for good: ./lab unlock {id_}",
            )
        result.check(hint=f"{host.name} cannot be locked ({FILE})")

    def _words(self) -> str:
        words = {
            "id": self._run,
            "who": getpass.getuser(),
            "from": socket.gethostname(),
            "pid": self._pid,
            "step": self._step(),
            "since": self._since.isoformat(timespec="seconds"),
        }
        return json.dumps(words)


def unlock(hosts: HostPair, run: str) -> tuple[str, ...]:
    """Give back the lock of the run `run`, and of no other; returns the hosts that had it.

    :raises CannotObserve: a host does not answer.
    """
    freed = []
    for host in hosts:
        shown = host.remote.run(*lease.show(FILE))
        if shown.ok and f'"id": {json.dumps(run)}' in shown.stdout:
            host.remote.run(*lease.give_back(FILE, run), changes=True).check()
            freed.append(host.name)
    return tuple(freed)


def _holder(line: str) -> tuple[str, str]:
    """Who holds it, in words, and the run's id."""
    try:
        words: dict[str, str] = json.loads(line)
        who = f"run {words['id']} of {words['who']} from {words['from']} (pid {words['pid']})"
        at = f", at {words['step']}" if words.get("step") else ""
        return f"{who} since {words['since']}{at}", words["id"]
    except (ValueError, KeyError, TypeError):
        return f"another run: {line.strip()[:200]}", "ID"
