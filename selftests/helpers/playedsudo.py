"""A sudo that asks for a password, as sudo(8) does: played by a script, since few machines that run tests have one.

It knows -n, -k, -S and -p, says its lecture once, remembers a password where -k does not forbid it, and asks three
times. `id -u` says what it would under it. What it lets through runs by `$PLAYED_ROOTS_SHELL`, where that is set.
"""

import os
from pathlib import Path

import pytest

PASSWORD = "it's; $HOME \\n 100% Füße"

_SUDO = r"""#!/bin/sh
state=$(dirname "$0")/state
printf '%s\n' "$*" >>"$state/calls"
say() { printf 'sudo: %s\n' "$1" >&2; exit 1; }
never= forget= stdin= prompt='[sudo] password for student: '
while :; do
    case $1 in
    -n) never=1 ;;
    -k) forget=1 ;;
    -S) stdin=1 ;;
    -p) prompt=$2 && shift ;;
    *) break ;;
    esac
    shift
done
if [ -e "$state/needs-terminal" ] && ! [ -t 0 ]; then say 'sorry, you must have a tty to run sudo'; fi
if ! [ -e "$state/asks-nothing" ] && { [ "$forget" ] || ! [ -e "$state/remembered" ]; }; then
    [ -z "$never" ] || say 'a password is required'
    [ "$stdin" ] || [ -t 0 ] || say 'a terminal is required to read the password; either use the -S option'
    if ! [ -e "$state/lectured" ]; then
        printf '\nWe trust you have received the usual lecture from the local System\nAdministrator.\n\n' >&2
        : >"$state/lectured"
    fi
    [ -e "$state/own-prompt" ] && prompt='Password for student@LAB: '
    [ -t 0 ] && stty -echo
    tries=0 entered=
    while [ $tries -lt 3 ]; do
        printf '%s' "$prompt" | sed 's/%%/%/g' >&2
        if ! IFS= read -r entered; then
            [ $tries -gt 0 ] && say "$tries incorrect password attempt"
            say 'no password was provided'
        fi
        [ -t 0 ] && echo >&2
        [ "$entered" = "$(cat "$state/password")" ] && break
        tries=$((tries + 1))
        echo failed >>"$state/failures"
        [ $tries -lt 3 ] && echo 'Sorry, try again.' >&2
    done
    [ -t 0 ] && stty echo
    [ $tries -lt 3 ] || say '3 incorrect password attempts'
    [ -e "$state/unlisted" ] && { echo 'student is not in the sudoers file.' >&2; exit 1; }
    [ "$forget" ] || : >"$state/remembered"
fi
[ $# -gt 0 ] || exit 0
PLAYED_ROOT=1 ${PLAYED_ROOTS_SHELL:-} "$@"
"""
_ID = r"""#!/bin/sh
[ "$1" = -un ] && exec /usr/bin/id -un
[ "${PLAYED_ROOT:-}" ] && echo 0 || echo 1000
"""


class PlayedSudo:
    """A folder for PATH that holds it, and what it has been told and has seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state"
        self._state.mkdir(parents=True)
        (self._state / "password").write_text(PASSWORD)
        for name, text in {"sudo": _SUDO, "id": _ID}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def set(self, *words: str) -> None:
        """What is so there: asks-nothing, remembered, needs-terminal, own-prompt, unlisted."""
        for word in words:
            (self._state / word).touch()

    def put_in_front(self, patch: pytest.MonkeyPatch) -> None:
        """Have all programs that are started find it first."""
        patch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")

    @property
    def calls(self) -> list[str]:
        """The arguments of each call."""
        file = self._state / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def failures(self) -> int:
        """How often a wrong password was tried."""
        file = self._state / "failures"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def is_so(self, word: str) -> bool:
        """Whether it has been told so, or has come to it."""
        return (self._state / word).exists()
