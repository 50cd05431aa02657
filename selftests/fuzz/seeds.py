"""Real inputs that lie in this repository: what hosts and guests of recorded runs wrote, and the unit tests' data."""

import json
import re
import zipfile
from collections.abc import Iterator
from functools import cache

from selftests.helpers.paths import DATA, RECORDINGS
from xenlab.causes.dictionary import CAUSES

_MARK = re.compile(r"\n=[0-9a-f]{16} ([a-z0-9-]+)(?:=[0-9]+)?\n")
_LONGEST = 6000


@cache
def answers() -> dict[str, tuple[bytes, ...]]:
    """What sections of looks were answered, by their names; "act" is what acts that outlive their session told."""
    found: dict[str, dict[bytes, None]] = {}
    for entry in _commands():
        text = str(entry["stdout"])
        _, *parts = _MARK.split(text)
        for name, answer in zip(parts[::2], parts[1::2], strict=True):
            found.setdefault(name, {})[answer[:_LONGEST].encode()] = None
        if "setsid nohup" in str(entry["command"]):
            found.setdefault("act", {})[text[:_LONGEST].encode()] = None
        if parts:
            found.setdefault("sections", {})[text[:_LONGEST].encode()] = None
    return {name: _different(texts) for name, texts in found.items()}


def answered(*names: str) -> tuple[bytes, ...]:
    """What the sections of those names were answered."""
    return tuple(answer for name in names for answer in answers()[name])


def kept(name: str, of: str = "left-a-file") -> bytes:
    """A file of a recorded run's evidence."""
    with zipfile.ZipFile(RECORDINGS / f"{of}.zip") as archive:
        return archive.read(name)


def data(pattern: str) -> tuple[bytes, ...]:
    """The unit tests' files of that name."""
    return tuple(path.read_bytes() for path in sorted(DATA.rglob(pattern)))


def texts(*lines: str) -> tuple[bytes, ...]:
    """Inputs that no recording has."""
    return tuple(line.encode() for line in lines)


@cache
def complaints() -> tuple[bytes, ...]:
    """What xl, ssh, NFS and shells say when something fails: the dictionary's own examples, a chapter of words each."""
    return tuple(
        "\n".join(cause.example for cause in CAUSES[at : at + 12]).encode() for at in range(0, len(CAUSES), 12)
    )


def _commands() -> Iterator[dict[str, object]]:
    for path in sorted(RECORDINGS.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for line in archive.read("commands.jsonl").splitlines():
                yield json.loads(line)


def _different(found: dict[bytes, None]) -> tuple[bytes, ...]:
    """A few that differ most: by their lengths."""
    ordered = sorted((text for text in found if text.strip()), key=len)
    step = max(1, len(ordered) // 4)
    return tuple(dict.fromkeys((*ordered[::step][:4], *ordered[-1:]))) or (b"",)
