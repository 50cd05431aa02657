"""The three ways things go wrong, kept apart because they mean different things to the reader.

A wrong call or file is the caller's to mend (exit 2), a lab that cannot be seen says nothing about
the lab (exit 3), and a fault of the lab is what xenlab is there to find (exit 1).
"""


class XenlabError(Exception):
    """Anything xenlab reports in one line; `hint` says what to do about it.

    `evidence` are the ids of the recorded commands that it rests on ("cmd-17").
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", evidence: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(XenlabError):
    """The call, the lab file or the machine's set-up is wrong: exit 2."""

    exit_code = 2


class CannotObserve(XenlabError):
    """The lab could not be seen (unreachable host, too few replies): outcome `error`, exit 3."""

    exit_code = 3


class WouldChange(XenlabError):
    """To go on takes an act, and the run only reads: neither a fault nor an error. What is not judged is the message.

    `act` is the one that would have been next, where a look has shown all that it needs; else it is empty.
    """

    exit_code = 3

    def __init__(self, message: str, *, act: str = "") -> None:
        super().__init__(message)
        self.act = act


class LabFault(XenlabError):
    """The lab is wrong: outcome `failed`, exit 1.

    `expected` and `actual` are short texts for the report, `host` names where it showed.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        expected: str = "",
        actual: str = "",
        host: str | None = None,
        guest: str | None = None,
        evidence: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.expected = expected
        self.actual = actual or message
        self.host = host
        self.guest = guest
