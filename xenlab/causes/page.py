"""docs/causes.md, made from the dictionary: pure."""

import re
from collections.abc import Iterator

from xenlab.causes.cause import Cause, Rank
from xenlab.causes.dictionary import CAUSES, CHAPTERS
from xenlab.causes.packages import PACKAGES, package

_INTRODUCTION = f"""\
# What words mean

{len(CAUSES)} entries: the words that xl, libxl, libxc, hotplug scripts, pygrub, ssh, login shells, NFS and kernels
write, and what xenlab makes of them. Made by `python -m xenlab.causes` from `xenlab/causes/words/`; a test says when it
is out of date.

Words in capitals stand for any text; HOST is the host that spoke, PEER the target of a move, GUEST the guest. Of
several entries that know a line the first has it. Of several lines of a command that failed, one that is *grave* is
reported first, then the earliest that names a cause, then what the operating system refused (*general*); what only
*followed* from something else counts where nothing else is said, *aftermath* is added to the hint, and *noise* is
passed over. A failure without any known line is reported with its first line that complains.

A move's words come from both hosts. What came through ssh from the target lies between "migration target: Ready to
receive domain" and its "Domain creation failed", or between the permission to start and the report of it; what only one
end can say (libxl's and libxc's save or restore side, ssh) is that end's wherever it stands. `unobservable` entries end
as outcome error: they say nothing about the lab.
"""
_RANKS = {
    Rank.GRAVE: "grave",
    Rank.GENERAL: "general",
    Rank.CONSEQUENCE: "followed",
    Rank.AFTERMATH: "aftermath",
    Rank.NOISE: "noise",
}
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?:\.\.\.)?\}")


def causes_page() -> str:
    """The whole page, in Markdown."""
    chapters = ("\n".join([f"\n## {title}\n", *map(_entry, causes)]) for title, causes in CHAPTERS)
    return _INTRODUCTION + "\n".join(chapters)


def _entry(cause: Cause) -> str:
    return "\n".join([f"### {cause.id}\n", *_facts(cause), ""])


def _facts(cause: Cause) -> Iterator[str]:
    marks = [_RANKS.get(cause.rank, ""), "unobservable" if cause.blame == "unobservable" else ""]
    shown = "".join(f", *{mark}*" for mark in marks if mark)
    yield f"- means: {_capitals(cause.meaning)} (side: {cause.side}{shown})"
    if cause.rank is not Rank.NOISE:
        yield f"- do: {_capitals(cause.remedy)}"
    only = f" (only when the {cause.speaker} says so)" if cause.speaker else ""
    yield f"- words{only}: {', '.join(_code(_capitals(pattern.strip('^$'))) for pattern in cause.patterns)}"
    yield f"- as in: {_code(cause.example)}"
    if cause.versions:
        yield f"- versions: {cause.versions}"
    yield f"- from: {cause.source}"


def _capitals(text: str) -> str:
    names = {"source": "HOST", "target": "PEER", **{needed: package(needed) for needed in PACKAGES}}
    return _PLACEHOLDER.sub(lambda place: names.get(place[1], place[1].upper()), text)


def _code(text: str) -> str:
    # A text that has a backtick of its own stands between two of them (CommonMark, code spans).
    text = text.strip()
    return f"`` {text} ``" if "`" in text else f"`{text}`"
