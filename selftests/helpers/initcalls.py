"""What tests of `./lab init` read of its words and of the lab.toml that it wrote."""

import re
from collections.abc import Callable
from pathlib import Path

from foundlab import BAYE, LABUBUNTU

from xenlab.labfile import LabFile, load

CALL = (f"root@{LABUBUNTU}", BAYE)
Init = Callable[..., str]
"""The fixture `init`: calls it with these words (and CALL, or other `hosts`), sees it end so, returns its words."""


def made() -> LabFile:
    return load(Path("lab.toml"))


def behind(key: str, number: int = 0) -> str:
    """The comment behind the n-th value of that key."""
    return re.findall(rf"^{key} = .*?  # (.*)$", Path("lab.toml").read_text(), re.MULTILINE)[number]


def missing(said: str) -> dict[str, str]:
    """Why each value is missing, by its key."""
    return dict(re.findall(r"^missing: (\S+): (.*)$", said, re.MULTILINE))


def perhaps(said: str) -> list[str]:
    return re.findall(r"^    perhaps (.*?) \(", said, re.MULTILINE)
