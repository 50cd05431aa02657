"""A lock on both hosts: two runs on one lab would overwrite each other's nonces and move each other's guests.

It names its holder, is renewed while the run goes on, and expires by itself when the run is gone.
"""

import getpass
import json
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread

from xenlab.errors import CannotObserve, UsageError
from xenlab.jsontext import parsed
from xenlab.lab.dom0 import Dom0, HostPair
from xenlab.lab.looking import ask
from xenlab.lab.looks import Unknown
from xenlab.remote import commands, facts, lease
from xenlab.remote.sections import Section
from xenlab.remote.side_by_side import side_by_side
from xenlab.remote.waiting import since_boot

FILE = "/run/xenlab.lock"
SECONDS = 900
_RENEWAL_SECONDS = 300.0


class LabInUse(UsageError):
    """Another run holds the lab's hosts."""


class LockLost(CannotObserve):
    """The lock is no longer ours: another run may have begun."""


class HostLock:
    """The lock of one run on both hosts; `step` tells what the run is at.

    A run is known by its id and the machine that it was started on: only there can be told whether it goes on.
    """

    def __init__(self, hosts: HostPair, run: str, pid: str, step: Callable[[], str] = lambda: "") -> None:
        # One order for every run, so that two cannot hold one host each.
        self._hosts = sorted(hosts, key=lambda host: host.name)
        self._pid = pid
        self._step = step
        self._since = datetime.now(UTC)
        self._mark = _mark(run, socket.gethostname())
        self._good_until: dict[str, float] = {}
        self._lost = ""
        self._over = Event()
        self._renewing = Thread(target=self._keep, name="lock renewal", daemon=True)

    def take(self) -> None:
        """Take it on both hosts.

        :raises LabInUse: another run has it. :raises CannotObserve: a host does not answer, or cannot be locked.
        """
        asked: list[Dom0] = []
        try:
            for host in self._hosts:
                asked.append(host)  # the lock may be ours even where the answer was lost
                self._hold(host, lease.take)
        except BaseException:
            self._give_back(asked)
            raise
        self._renewing.start()

    def check(self) -> None:
        """See that it is still ours; after this machine has slept it is renewed at once.

        :raises CannotObserve: it was lost, so that another run may have begun, or a host cannot be asked.
        """
        for host in self._hosts:
            if not self._lost and since_boot() >= self._good_until[host.name]:
                self._renew(host)
        if self._lost:
            raise LockLost(f"the lock on the lab was lost: {self._lost}")

    def release(self) -> None:
        """Give it back; a host that does not answer forgets it by itself."""
        self._over.set()
        if self._renewing.is_alive():
            self._renewing.join()
        self._give_back(self._hosts)

    def _keep(self) -> None:
        while not self._over.wait(_RENEWAL_SECONDS):
            for host in self._hosts:
                with suppress(CannotObserve):  # it is good for longer than one renewal takes
                    self._renew(host)

    def _renew(self, host: Dom0) -> None:
        try:
            self._hold(host, lease.renew)
        except (LabInUse, LockLost) as other:
            self._lost = other.message

    def _hold(self, host: Dom0, how: Callable[[str, str, int, str], lease.Argv]) -> None:
        asked = since_boot()
        result = host.remote.run(*how(FILE, self._mark, SECONDS, self._words()), changes=True)
        if result.exit_code == lease.HELD:
            holder, run = _holder(result.stdout)
            raise LabInUse(
                f"{host.name} is in use: {holder}",
                hint=f"wait for it; where that run is gone for good: ./lab unlock {run}",
            )
        if result.exit_code == lease.GONE and how is lease.renew:
            raise LockLost(f"{host.name} has none any more: it was rebooted, or given back by ./lab unlock")
        result.check(hint=f"{host.name} cannot be locked ({FILE})")
        self._good_until[host.name] = asked + SECONDS

    def _give_back(self, hosts: Iterable[Dom0]) -> None:
        for host in hosts:
            with suppress(CannotObserve):
                host.remote.run(*lease.give_back(FILE, self._mark), changes=True)

    def _words(self) -> str:
        words = {
            "who": _user(),
            "pid": self._pid,
            "step": self._step(),
            "since": self._since.isoformat(timespec="seconds"),
        }
        return f"{{{self._mark}, {json.dumps(words)[1:]}"


def unlock(hosts: HostPair, run: str) -> tuple[str, ...]:
    """Give back the lock of the run `run`, and of no other; returns the hosts that had it.

    :raises CannotObserve: a host does not answer.
    """
    freed = []
    for host in hosts:
        shown = host.remote.run(*lease.show(FILE))
        if shown.ok and _mark(run) in shown.stdout:
            host.remote.run(*lease.give_back(FILE, _mark(run)), changes=True).check()
            freed.append(host.name)
    return tuple(freed)


def holders(hosts: Sequence[Dom0]) -> tuple[str, ...]:
    """Who holds a lock that has not expired, a sentence each host; nothing of a host that does not answer."""
    return tuple(words for words in side_by_side(_held, hosts) if words)


def _held(host: Dom0) -> str:
    found = ask(host.remote, Section("lock", lease.show(FILE)), Section("clock", commands.wall_clock()))
    lines, clock = found.read("lock", str.splitlines), found.read("clock", facts.wall_clock)
    if isinstance(lines, Unknown) or isinstance(clock, Unknown) or len(lines) < 2:
        return ""
    expires, words = lines[:2]
    return f"{host.name} is in use: {_holder(words)[0]}" if expires.isdecimal() and int(expires) >= clock else ""


def _mark(run: str, machine: str = "") -> str:
    """What only this run's words have in them; without a machine, wherever it was started."""
    return f'"id": {json.dumps(run)}' + (f', "from": {json.dumps(machine)}' if machine else "")


def _holder(line: str) -> tuple[str, str]:
    """Who holds it, for people, and the id of the run."""
    try:
        words: dict[str, str] = parsed(line)
        who = f"run {words['id']} of {words['who']} from {words['from']} (pid {words['pid']})"
        at = f", at {words['step']}" if words.get("step") else ""
        return f"{who} since {words['since']}{at}", words["id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"by another run: {line.strip()[:200]}", "ID"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"
