"""Every entry of the dictionary, and the failures of moves and commands made of them: cause and side are told."""

import pytest
from test_causes_explain import OTHERS
from test_causes_moves import MOVES
from transcripts import BRIDGE, DISK, NO_XEN, STARTED, TRANSFERRED, not_created, target_failed

from xenlab.causes import CAUSES, Cause, Names, Rank, cause_named, find_causes, meaning, remedy
from xenlab.transcripts import Note, Weight, examine

HOME, PEER = "labubuntu", "baye"
LOUD = [cause for cause in CAUSES if cause.rank is not Rank.NOISE]


def only(text: str) -> Note:
    """The one note on a text."""
    (note,) = examine(text).notes
    return note


@pytest.mark.parametrize("cause", LOUD, ids=lambda cause: cause.id)
def test_a_line_alone_is_told_in_the_words_of_the_dictionary(cause: Cause) -> None:
    words = (STARTED if cause.speaker == "target" else "") + cause.example
    note = next(note for note in examine(words).notes if note.cause == cause.id)
    match = find_causes(words)[0]
    assert note.side == cause.side
    assert note.weight is (Weight.UNPROVEN if cause.blame == "unobservable" else Weight.WRONG)
    assert meaning(match, Names()) in note.what
    assert remedy(match, Names()) in note.remedy
    assert cause.example.strip() in note.why


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause.rank is Rank.NOISE], ids=lambda cause: cause.id)
def test_noise_is_nothing_wrong(cause: Cause) -> None:
    assert examine(cause.example).is_sound


# Each as it looks on another kind of terminal.
PROMPTS = (
    "root@labubuntu:~# xl migrate guest1 baye\n",
    "[root@labubuntu ~]# xl migrate guest1 root@baye\n",
    "labubuntu:~ # xl -v migrate guest1 baye\n",
    "artem@labubuntu:/mnt/Документы$ sudo xl migrate guest1 10.1.1.143\n",
    "root@labubuntu ~> time xl migrate guest1 baye.lab.example 2>&1 | tee log\n",
    "[12:03:55] root@labubuntu:/# /usr/sbin/xl migrate --debug guest1 baye\n",
    "labubuntu# xl migrate -s '' guest1 baye\n",
)


@pytest.mark.parametrize(("number", "words", "cause", "host"), [(n, *case[1:]) for n, case in enumerate(MOVES)])
def test_a_move_that_failed_has_its_cause_and_its_side(number: int, words: str, cause: str, host: str) -> None:
    prompt = PROMPTS[number % len(PROMPTS)]
    note = only(f"root@baye:~# xl list\n{prompt}{words}")
    assert (note.cause, note.host, note.side) == (cause, host, cause_named(cause).side)
    assert note.stage == "live-migration"
    assert note.what.startswith("xl migrate failed: ")
    assert note.line > 1


@pytest.mark.parametrize(("words", "cause"), [case[1:3] for case in MOVES])
def test_a_move_without_its_command_has_its_cause(words: str, cause: str) -> None:
    assert cause in {note.cause for note in examine(words).notes}


@pytest.mark.parametrize(("verb", "_code", "words", "cause"), OTHERS)
def test_other_verbs_speak_for_their_own_host(verb: str, _code: int, words: str, cause: str) -> None:
    note = only(f"root@labubuntu:~# xl {verb} guest1\n{words}")
    assert (note.cause, note.host, note.side) == (cause, HOME, cause_named(cause).side)


PROGRAMS = [
    (
        "# mount -t nfs baye:/x /mnt",
        "mount.nfs: access denied by server while mounting baye:/x",
        "mount-denied",
        "shared-storage",
    ),
    (
        "$ sudo mount baye:/x /mnt/private",
        "mount: /mnt/private: mount point does not exist.",
        "mount-point-missing",
        "shared-storage",
    ),
    (
        "root@baye:~# exportfs -ra",
        'exportfs: /etc/exports:1: unknown keyword "no_root_sqash"',
        "exports-syntax",
        "shared-storage",
    ),
    (
        "root@labubuntu:~# showmount -e baye",
        "clnt_create: RPC: Program not registered",
        "nfs-server-refuses",
        "shared-storage",
    ),
    (
        "root@labubuntu:~# ssh root@baye",
        "root@baye: Permission denied (publickey,password).",
        "login-refused",
        "hosts",
    ),
    (
        "root@baye:~# ls /mnt/private",
        "ls: cannot access '/mnt/private': Stale file handle",
        "stale-file-handle",
        "",
    ),
    (
        "root@baye:~# cp a /mnt/private",
        "cp: cannot create regular file '/mnt/private/a': Permission denied",
        "access-denied",
        "",
    ),
    ("root@baye:~# xl create g.cfg", not_created(DISK), "disk-missing", "boot-from-share"),
    ("root@baye:~# xl create -c g.cfg", not_created(*BRIDGE), "bridge-missing", "boot-from-share"),
    ("root@baye:~# xl list", "\n".join(NO_XEN), "xen-not-running", "hosts"),
]


@pytest.mark.parametrize(("typed", "words", "cause", "stage"), PROGRAMS)
def test_other_programs_are_told_in_their_stage(typed: str, words: str, cause: str, stage: str) -> None:
    note = only(f"{typed}\n{words}\n")
    assert (note.cause, note.stage, note.side) == (cause, stage, cause_named(cause).side)


def test_how_far_a_move_came_and_where_its_guest_is_is_told() -> None:
    note = only("root@labubuntu:~# xl migrate guest1 10.1.1.143\n" + target_failed(DISK))
    assert note.why.endswith("the move got as far as “sending”; the guest stayed where it was")
    assert note.host == "10.1.1.143"
    assert "is the share mounted on 10.1.1.143 at the same path" in note.remedy


def test_words_that_nobody_knows_are_said_to_be_unknown() -> None:
    note = only("root@baye:~# xl create g.cfg\n" + not_created("libxl: error: libxl_x.c:1:f: the sky fell"))
    assert (note.kind, note.cause, note.weight) == ("unknown-words", None, Weight.WRONG)
    assert "no entry of the dictionary knows" in note.what
    assert "the sky fell" in note.why


def test_a_move_whose_words_break_off_proves_nothing() -> None:
    note = only("root@labubuntu:~# xl migrate guest1 baye\n" + STARTED + TRANSFERRED)
    assert (note.kind, note.weight) == ("move-without-an-end", Weight.UNPROVEN)
    assert "acknowledged" in note.what


def test_what_was_got_over_is_a_remark_and_what_was_not_is_not() -> None:
    refused = "$ sudo mount baye:/x /mnt\nmount.nfs: Connection refused\n"
    assert only(refused + "$ sudo mount baye:/x /mnt\n").weight is Weight.REMARK
    assert {note.weight for note in examine(refused + refused).notes} == {Weight.WRONG}
    assert only(refused + "$ sudo mount baye:/y /mnt\n").weight is Weight.WRONG
    assert only(refused + "root@baye:~# mount baye:/x /mnt\n").weight is Weight.WRONG
