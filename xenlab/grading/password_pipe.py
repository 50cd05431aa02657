"""Passwords that were asked for, handed on to the pytest that grades: by a pipe, which neither ps nor a file shows."""

import json
import os
from collections.abc import Mapping

from xenlab.errors import UsageError
from xenlab.jsontext import parsed


def pipe_with(passwords: Mapping[str, str]) -> int:
    """The end to read of a pipe that holds them, which a child may be given; the caller closes it."""
    end, begin = os.pipe()
    with os.fdopen(begin, "w", encoding="utf-8") as pipe:
        json.dump(passwords, pipe)
    return end


def environ_with(fd: int | None) -> Mapping[str, str]:
    """The environment, and the passwords that the pipe holds, which is closed; None: there is none.

    :raises UsageError: there is no such pipe.
    """
    if fd is None:
        return os.environ
    try:
        with os.fdopen(fd, encoding="utf-8") as pipe:
            passwords = dict(parsed(pipe.read()))
    except (OSError, ValueError, TypeError) as problem:
        raise UsageError(f"--secrets-fd={fd}: there is no such pipe", hint="it is for ./lab to give") from problem
    return {**os.environ, **{str(name): str(password) for name, password in passwords.items()}}
