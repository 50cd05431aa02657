"""Running pytest and the linters, as children of their own in the working copy."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xenlab.grading.password_pipe import pipe_with
from xenlab.testbed import tools

INTERRUPTED = 130
"""The exit status of a child that was interrupted."""


def run_tool(words: Sequence[str], working_copy: Path) -> int:
    """Run a module of this Python's; returns its exit status."""
    return subprocess.run([sys.executable, "-m", *words], cwd=working_copy, check=False).returncode


def run_pytest(
    arguments: Sequence[str], working_copy: Path, *, silent: bool = False, secrets: Mapping[str, str] | None = None
) -> int:
    """Run pytest as a child; what it says about its call (4, 5) is exit 2 here, an interruption is INTERRUPTED.

    One that is `silent` says nothing but what is wrong. `secrets` are handed on to it; see `pipe_with`.

    In a session of its own a terminal's Ctrl-C reaches us alone: told once, it cleans up undisturbed.
    """
    command = [sys.executable, "-m", "pytest", *arguments]
    child: subprocess.Popen[bytes] | None = None
    out = subprocess.DEVNULL if silent else None
    interrupted = False
    pipe = pipe_with(secrets) if secrets else None
    if pipe is not None:
        command.append(f"--secrets-fd={pipe}")

    def pass_on(_sign: int) -> None:
        nonlocal interrupted
        interrupted = True
        if child is not None:
            child.send_signal(signal.SIGINT)

    with tools.interruptions_told(pass_on):
        passed = () if pipe is None else (pipe,)
        try:
            child = subprocess.Popen(command, cwd=working_copy, start_new_session=True, stdout=out, pass_fds=passed)
        finally:
            for fd in passed:
                os.close(fd)
        if interrupted:  # before there was anybody to pass it on to
            child.send_signal(signal.SIGINT)
        code = child.wait()
    return INTERRUPTED if interrupted else {4: 2, 5: 2}.get(code, code)
