"""What the end of a console's screen asks for. Pure.

Programs that ask for a login speak the guest's language: agetty says "guest1 login:", login(1) after a wrong password
"guest1 Anmeldung:", PAM "Mot de passe :". So little is taken from words: a login prompt is what ends in a colon and
comes again on Enter, and what ends in a colon after a user name asks for the password.
"""

import re

SHELL = re.compile(r"[#$%>] ?\Z")
"""The prompt of a shell."""

# "Last login: ..." is no prompt, though the screen may end there for a moment.
_LINE = r"(?:\A|\n){}(?P<line>(?![^\n]*\b(?:last|failed) login:){})\Z"
_QUESTION = r"[^\n]*[^\s:\N{FULLWIDTH COLON}][^\S\n]?[:\N{FULLWIDTH COLON}][^\S\n]*"

LOGIN = re.compile(_LINE.format("", r"[^\n]*\blogin: *"), re.IGNORECASE)
"""getty's own prompt."""

QUESTION = re.compile(_LINE.format("", _QUESTION), re.IGNORECASE)
"""Anything that ends in a colon."""

REFUSED = re.compile(r"Login incorrect|Permission denied|Authentication failure")
"""What login(1) says of a wrong password, where it speaks English; in any language, it asks again."""

# ECMA-48 sequences, such as those that set a window's title in front of a prompt.
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[^\[\]])")
# The kernel writes to the console as well, in the middle of a line too.
_KERNEL = re.compile(r"\[ *\d+\.\d+\] .*")


def shown_on_screen(data: bytes | bytearray) -> str:
    """What was received, as read on a screen: without escape sequences and carriage returns."""
    return _ESCAPES.sub("", data.decode("utf-8", errors="replace")).replace("\r", "")


def question_other_than(line: str) -> re.Pattern[str]:
    """Anything that ends in a colon, but not this line."""
    return re.compile(_LINE.format(rf"(?!{re.escape(line)}\Z)", _QUESTION), re.IGNORECASE)


def shows_login_prompt(text: str) -> bool:
    """Whether a console on which Enter was pressed ends in a login prompt; `text` is what it showed since.

    One in other words than "login:" must be there twice: it comes again on Enter, as boot messages do not. Neither a
    shell nor what asks for a password counts, be it in a maintenance mode ("(or press Control-D to continue):").
    """
    lines = [line for row in text.splitlines() if (line := _KERNEL.sub("", row).strip())]
    if not lines or QUESTION.search(lines[-1]) is None:
        return False
    return LOGIN.search(lines[-1]) is not None or (lines[-1] in lines[:-1] and is_login(lines[-1]))


def is_login(line: str) -> bool:
    """Whether a line that ends in a colon and comes again on Enter may ask for a user name."""
    return "(" not in line and re.search(r"pass|unlock", line, re.IGNORECASE) is None
