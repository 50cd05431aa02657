"""The commands of the rubric's own checks, run on the machines that these name."""

import time
from collections.abc import Iterator

from xenlab.errors import CannotObserve
from xenlab.lab.custody import COMMAND, Custody
from xenlab.lab.dom0 import HostPair
from xenlab.lab.guest import Guest
from xenlab.lab.judging.own import answers_as_it_should
from xenlab.lab.looks import OwnLook, Unknown
from xenlab.lab.own_check import OwnCheck
from xenlab.lab.tape import Tape
from xenlab.outcomes import Finding
from xenlab.remote.machine import Machine
from xenlab.remote.result import CommandResult
from xenlab.remote.sections import Answer

MOST_WRITTEN = 64 * 1024
"""Bytes that a command may write to stdout: of what wrote more it cannot be told what the rest would have been."""

_COMPLAINT = 4096


class OwnCommands:
    """Runs each command once on a machine, and judges its answer; `server` is the one of the first share."""

    def __init__(self, hosts: HostPair, server: str, custody: Custody, tape: Tape) -> None:
        self._hosts = hosts
        self._server = server
        self._custody = custody
        self._tape = tape
        self._looks: dict[str, OwnLook] = {}

    def on_hosts(self, check: OwnCheck) -> Iterator[Finding]:
        """What each host says that it is run on."""
        for name in check.hosts_of([host.name for host in self._hosts], self._server):
            yield answers_as_it_should(check, self._ask(self._hosts.named(name).remote, check, "host"))

    def in_guest(self, check: OwnCheck, guest: Guest) -> Finding:
        """What a guest says that it is run in."""
        return answers_as_it_should(check, self._ask(guest.machine, check, "guest"), guest.name)

    def _ask(self, machine: Machine, check: OwnCheck, kind: str) -> OwnLook:
        # By machine and command: whatever else a rubric asks for by now, it is judged by what was answered then.
        what = f"own check on {machine.name}: {check.typed}"

        def look() -> OwnLook:
            if check.changes:
                self._custody.will(COMMAND, command=check.typed, **{kind: machine.name})
            return _look(machine, check)

        if what not in self._looks or check.changes:
            self._looks[what] = self._tape.take(what, look)
        return self._looks[what]


def _look(machine: Machine, check: OwnCheck) -> OwnLook:
    at = time.monotonic()
    try:
        result = machine.run(*check.argv, timeout=check.seconds, changes=check.changes)
    except CannotObserve as unseen:
        return OwnLook(machine.name, unseen.evidence, at, Unknown(unseen.message, unseen.hint))
    return OwnLook(machine.name, result.evidence, at, _answer(result))


def _answer(result: CommandResult) -> Answer | Unknown:
    written = len(result.stdout.encode("utf-8", "replace")) + result.stdout_cut
    if written > MOST_WRITTEN:
        return Unknown(f"it wrote {written} bytes, of which no more than {MOST_WRITTEN} are read")
    if result.exit_code < 0:
        return Unknown("it was ended by a signal")
    return Answer(result.exit_code, result.stdout, result.stderr[:_COMPLAINT])
