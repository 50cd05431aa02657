"""The dictionary of words: each entry is whole, found by its own line, safe to follow, and on the docs' page."""

import re
import time
from pathlib import Path

import pytest
from transcripts import STARTED

from xenlab.causes import (
    CAUSES,
    Cause,
    Rank,
    cause_named,
    disk_trouble,
    explain,
    find_causes,
    first_error_line,
    nfs_trouble,
    peer_answer,
)
from xenlab.causes.cause import names_in, template
from xenlab.causes.page import causes_page
from xenlab.causes.peers import ANOTHER_MACHINE, RUNS_NOTHING, TRY_BY_HAND
from xenlab.causes.wording import HOLDERS, Names, meaning, remedy
from xenlab.xen.messages import parse_migration

PAGE = Path(__file__).parents[2] / "docs" / "causes.md"
HARM = re.compile(
    r"\b(destroy|kill|pkill|killall|fuser|umount|unmount|rm|rmdir|unlink|shut.{0,30}down|poweroff|reboot -f"
    r"|mkfs|dd|lvremove|losetup -d|exportfs -u|xenstore-rm|wipefs|truncate)\b",
    re.IGNORECASE,
)
ALL = pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)


def spoken(cause: Cause) -> str:
    """The entry's example, in a move where only one end's words count."""
    return (STARTED if cause.speaker == "target" else "") + cause.example


@ALL
def test_the_entry_is_whole_understood_by_its_example_and_says_only_what_is_known(cause: Cause) -> None:
    is_whole(cause)
    every_pattern_has_words_of_its_own_and_is_found(cause)
    match = find_causes(spoken(cause))[0]
    assert match.cause is cause
    assert match.line == cause.example.strip()
    assert match.offset == len(spoken(cause)) - len(cause.example)
    assert match.side == (cause.speaker or match.side)
    said = set.intersection(*(set(names_in(pattern)) for pattern in cause.patterns))
    assert set(names_in(cause.meaning)) | set(names_in(cause.remedy)) <= said | HOLDERS
    names = Names(source="labubuntu", target="baye", guest="guest1")
    assert "{" not in meaning(match, names) + remedy(match, names).replace("{1", "")


def is_whole(cause: Cause) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cause.id)
    assert cause_named(cause.id) is cause
    assert cause.meaning
    assert cause.remedy
    assert cause.source
    assert len(cause.patterns) == len(set(cause.patterns))
    # A remedy is one or more clauses in a hint, not a sentence of its own.
    assert not cause.remedy.endswith(".")
    assert not cause.meaning.endswith(".")


def every_pattern_has_words_of_its_own_and_is_found(cause: Cause) -> None:
    for pattern in cause.patterns:
        assert len(template(pattern).key.strip()) >= 3, pattern
        words = re.sub(r"\{[a-z_]+(\.\.\.)?\}", "x", pattern.strip("^$"))
        assert template(pattern).match(words) is not None, pattern


def test_ids_are_unique_and_every_side_and_blame_occurs() -> None:
    assert len({cause.id for cause in CAUSES}) == len(CAUSES)
    assert {cause.side for cause in CAUSES} == {"host", "source", "target", "guest", "server", "runner"}
    assert {cause.blame for cause in CAUSES} == {"lab", "unobservable"}
    assert {cause.rank for cause in CAUSES} == set(Rank)
    with pytest.raises(KeyError):
        cause_named("no-such-cause")


def test_no_remedy_ends_removes_or_unmounts_anything() -> None:
    texts = (*(cause.remedy for cause in CAUSES), ANOTHER_MACHINE, RUNS_NOTHING, TRY_BY_HAND)
    assert [text for text in texts if HARM.search(text)] == []


@pytest.mark.parametrize("text", ["xl destroy it", "umount -f /mnt", "rm -rf /", "Kill it", "shut another guest down"])
def test_harm_is_noticed(text: str) -> None:
    assert HARM.search(text)


def test_the_page_is_made_from_the_dictionary() -> None:
    assert PAGE.read_text("utf-8") == causes_page(), "run `python -m xenlab.causes`"
    page = causes_page()
    assert all(f"### {cause.id}\n" in page for cause in CAUSES)
    assert "{" not in re.sub(r"`[^`]*`", "", page)


def test_a_line_belongs_to_the_first_entry_that_knows_it() -> None:
    line = 'libxl: error: x.c:81:f: Domain 7:Domain with name "guest1--incoming" already exists.'
    assert [match.cause.id for match in find_causes(line)] == ["half-moved-guest-in-the-way"]
    assert [m.cause.id for m in find_causes("touch: cannot touch 'x': Read-only file system")] == [
        "read-only-file-system"
    ]
    assert find_causes("all is well") == ()


def test_matches_come_the_gravest_first_with_their_place() -> None:
    words = (
        "Migration failed, resuming at sender.\nx: Permission denied\nCHECK AT BOTH ENDS\nbridge b0 does not exist!\n"
    )
    found = find_causes(words)
    assert [match.cause.id for match in found] == [
        "state-undefined",
        "bridge-missing",
        "access-denied",
        "save-failed",
    ]
    assert [words[match.offset :].split("\n")[0] for match in found] == [match.line for match in found]
    assert found[1].details == {"bridge": "b0"}


def test_what_stands_late_in_a_long_text_or_a_long_line_is_found() -> None:
    end = "bridge xenbr9 does not exist!\n"
    noise = "hello\n" * 200_000
    (found,) = find_causes(noise + end)
    assert noise[found.offset :] == ""
    assert [match.cause.id for match in find_causes("x" * 900 + " " + end)] == ["bridge-missing"]


# Time

# What grows with its square takes minutes for that much already.
LARGE = 1 << 16
PIECES = [re.sub(r"\{[a-z_]+(\.\.\.)?\}", "x", pattern.strip("^$")) for c in CAUSES for pattern in c.patterns]
HOSTILE = [
    "a" * LARGE,
    " " * LARGE,
    "\n" * LARGE,
    "\r" * LARGE,
    "x: " * (LARGE // 3),
    "error\n" * (LARGE // 6),
    "xl: not found\n" * (LARGE // 14),
    "a: Permission denied\n" * (LARGE // 21),
    "Disk vdev= failed to stat: " * (LARGE // 27),
    "Disk vdev=x failed to stat: a: b\n" * (LARGE // 33),
    ("EXT4-fs (x): " + "e" * 400 + "\n") * (LARGE // 415),
    ("BTRFS " * 80 + "\n") * (LARGE // 481),
    ("XFS (" * 90 + "\n") * (LARGE // 451),
    "xvda1 " * (LARGE // 6) + "I/O error",
    " ".join(PIECES) * (LARGE // len(" ".join(PIECES))),
    ("\n".join(PIECES) + "\n") * (LARGE // len("\n".join(PIECES))),
]


@pytest.mark.parametrize("words", HOSTILE, ids=lambda words: repr(words[:20]))
def test_64_kib_of_hostile_words_are_read_at_once(words: str) -> None:
    for read in (
        find_causes,
        first_error_line,
        nfs_trouble,
        parse_migration,
        lambda text: explain("migrate", 1, text),
        lambda text: disk_trouble(text, None),
        lambda text: disk_trouble(text, ["xvda1"]),
        lambda text: peer_answer(text, text, 1, "baye"),
    ):
        begun = time.process_time()
        read(words)
        assert time.process_time() - begun < 0.75
