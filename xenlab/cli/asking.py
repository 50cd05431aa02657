"""Passwords that are asked for on the terminal, where there is one."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xenlab.evidence.text import plain

if TYPE_CHECKING:
    from xenlab.lab.sudo_passwords import AskPassword
    from xenlab.labfile import LabFile


def passwords_for(spec: "LabFile") -> dict[str, str]:
    """The passwords that sudo wants on the lab's hosts and no variable has; see `sudo_passwords`."""
    from xenlab.lab.sudo_passwords import sudo_passwords

    return sudo_passwords(spec, os.environ, asker())


def asker() -> "AskPassword | None":
    """What asks for a password; None where nobody sits there."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask(accounts: Sequence[str]) -> str:
    from getpass import getpass

    try:
        return getpass(plain(f"The password that sudo wants of {' and '.join(accounts)}: "))
    except EOFError:
        return ""
