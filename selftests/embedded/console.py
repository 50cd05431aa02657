"""Grades guest1 of the embedded lab by its console alone: run as a program of its own, in the lab's namespace.

Usage: console.py WORKING_COPY FOLDER PYTEST_ARGUMENT... Writes lab.toml into FOLDER and becomes pytest; the
environment variable that PASSWORD_ENV names must hold the password.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from xenlab.labfile import GuestSpec, load
from xenlab.testbed.joining import join
from xenlab.tomlfile import dump

PASSWORD_ENV = "XENLAB_GUEST_PASSWORD"


def by_console(guest: GuestSpec) -> GuestSpec:
    """The guest without its key, nor any known host key: nothing of it can be had over SSH."""
    update = {"login": "console", "password_env": PASSWORD_ENV, "key_file": None, "known_hosts": Path(os.devnull)}
    return guest.model_copy(update=update)


def main() -> None:
    copy, folder = Path(sys.argv[1]), Path(sys.argv[2])
    spec = join(copy)
    guests = tuple(by_console(guest) if guest.name == "guest1" else guest for guest in spec.guests)
    file = folder / "lab.toml"
    file.write_text(dump(spec.model_copy(update={"guests": guests})))
    assert [guest.login for guest in load(file).guests] == ["console", "ssh"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", f"--lab={file}", *sys.argv[3:]])


if __name__ == "__main__":
    main()
