"""Step 7: what the rubric checks beside the sheet. Each of its checks is a step of its own, and says what must hold."""

from xenlab.grading.steps import check
from xenlab.lab.dom0 import Dom0
from xenlab.lab.guest import Guest
from xenlab.lab.own_check import OwnCheck
from xenlab.lab.own_commands import OwnCommands


def test_hosts_answer_as_the_rubric_says(own_check: OwnCheck, own_commands: OwnCommands) -> None:
    """The command of the check, run on each host that it names, ends and writes as it should."""
    check(own_commands.on_hosts(own_check))


def test_guest_answers_as_the_rubric_says(
    own_check: OwnCheck, own_commands: OwnCommands, guest: Guest, home: Dom0
) -> None:
    """The command of the check, run in the guest, ends and writes as it should."""
    guest.start(on=home)
    check(own_commands.in_guest(own_check, guest))
