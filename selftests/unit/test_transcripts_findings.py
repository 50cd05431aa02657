"""Each kind of finding beside those by words: what it needs to be found, and what takes it away."""

import time

import pytest
from paths import DATA
from soundlabs import COLD, CONFIG, FOLDER, LIVE, MOVED, OUTSIDE, PAUSED, PING, SHARE, SOUND, listing, pings, summary

from xenlab.transcripts import Weight, examine
from xenlab.transcripts.typed import prompt_of


def kinds(text: str) -> dict[str, Weight]:
    return {note.kind: note.weight for note in examine(text).notes}


def wrong(text: str) -> set[str]:
    return {kind for kind, weight in kinds(text).items() if weight is not Weight.REMARK}


# Sound labs


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_a_sound_lab_is_sound(text: str) -> None:
    explanation = examine(text)
    assert [note for note in explanation.notes if note.weight is not Weight.REMARK] == []
    assert explanation.events
    assert explanation.is_sound


@pytest.mark.parametrize("name", [name for name in SOUND if name != "a boot on the console"])
def test_all_of_a_sound_lab_is_understood(name: str) -> None:
    assert examine(SOUND[name]).unread == ()


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("report_*")))
def test_the_report_s_pieces_alone_are_sound(name: str) -> None:
    assert wrong((DATA / name).read_text("utf-8")) == set()


# Listings

BACK = "root@labubuntu:~# xl list\n"
ARRIVED = listing(56475.2, ("guest1", 28, "-b----", 0.3))
PAUSED_THERE = LIVE.replace(ARRIVED, ARRIVED.replace("-b----", "--p---"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LIVE + BACK + listing(1999.0, ("guest1", 2, "-b----", 31.0)), set()),  # the second of two listings
        (LIVE.replace(listing(1930.0), listing(1930.0, ("guest1", 2, "-b----", 31.0))), {"still-at-the-sender"}),
        (PAUSED_THERE, {"paused-after-a-move"}),
        (LIVE.replace(listing(56475.2, ("guest1", 28, "-b----", 0.3)), listing(56475.2)), {"not-arrived"}),
        (LIVE.replace(listing(1930.0), listing(1900.0)), {"listings-out-of-order"}),
        (LIVE.replace("xl list\n" + listing(1930.0), "reboot\nroot@labubuntu:~# xl list\n" + listing(1.0)), set()),
        (BACK + listing(1.0, ("guest1--incoming", 4, "--p---", 0.0)), {"half-moved"}),
        (BACK + listing(1.0, ("guest1--incoming", 4, "--p---", 0.0)) + BACK + listing(2.0), set()),
        (BACK + listing(1.0, ("guest1", 4, "---sc-", 9.0)), {"crashed"}),
        (BACK + listing(1.0, ("guest1", 4, "--ps--", 9.0)), set()),
    ],
)  # fmt: skip
def test_listings(text: str, found: set[str]) -> None:
    assert wrong(text) == found


def test_a_paused_guest_that_nobody_paused_is_a_remark() -> None:
    assert kinds(BACK + listing(1.0, ("guest1", 4, "--p---", 9.0))) == {"paused": Weight.REMARK}
    assert kinds("root@labubuntu:~# xl pause guest1\n" + BACK + listing(1.0, ("guest1", 4, "--p---", 9.0))) == {}
    assert kinds("root@labubuntu:~# xl pause 4\n" + BACK + listing(1.0, ("guest1", 4, "--p---", 9.0))) == {}


# Moves


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PAUSED.replace("# paused", "# cold"), {"cold-move-was-paused"}),
        (PAUSED.replace("# paused", "# live"), {"live-move-was-paused"}),
        (PAUSED.replace("# paused migration", "# Холодная миграция"), {"cold-move-was-paused"}),
        ("## Cold migration\n" + LIVE, {"cold-move-was-live"}),
        ("## Cold migration\nroot@labubuntu:~# xl shutdown guest1\n" + LIVE, {"cold-move-was-live"}),
        ("This is the cold migration of it:\n" + LIVE, {"cold-move-was-live"}),
        ("## Cold, paused and live migration\n" + LIVE, set()),
        ("## Cold migration\n" + COLD + "## Live migration\n" + LIVE, set()),
    ],
)
def test_what_a_move_is_called(text: str, found: set[str]) -> None:
    assert wrong(text) == found


# The share

FROM_A_THIRD = SHARE.replace("10.1.1.143:/srv", "10.1.1.9:/srv")
ON_A_THIRD = f"{LIVE}root@baye:~# xl migrate guest1 10.1.1.189\n{MOVED.format(domid=28)}{FROM_A_THIRD}"
MOUNTED = "root@labubuntu:~# mount {}\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MOUNTED.format("-t 10.1.1.143:/private /mnt/private"), {"mount-type"}),
        (MOUNTED.format("-t nfs,nfs4 10.1.1.143:/private /mnt/private"), set()),
        ("mount -t 10.1.1.143:/private /mnt/private\n", {"mount-type"}),
        ("We mount -t the share first, then go on.\n" + SHARE, set()),
        (SHARE.replace("type nfs4 (rw,", "type nfs4 (ro,"), {"mounted-read-only"}),
        (SHARE.replace("secure,no_root_squash", "secure,root_squash"), {"export-keeps-root-out"}),
        (SHARE.replace("sec=sys,rw", "sec=sys,ro"), {"export-keeps-root-out"}),
        (
            SHARE.replace("10.1.1.143:/srv", "[2001:db8::143]:/srv").replace("secure,no_root_squash", "root_squash"),
            {"export-keeps-root-out"},
        ),
        (SHARE + "root@baye:~# exportfs -v\n/srv/other  \t10.1.1.0/24(sync,ro,root_squash)\n", set()),
        (LIVE + SHARE.replace("10.1.1.143:/srv", "10.1.1.9:/srv").replace("addr=10.1.1.143", "addr=10.1.1.9"), set()),
        (ON_A_THIRD, {"server-is-neither-host"}),
    ],
)  # fmt: skip
def test_shares(text: str, found: set[str]) -> None:
    assert wrong(text) == found


# Configs

SHOWN = f"$ cat c\n{CONFIG}"
ASTRAY = SHOWN.replace("artem/vmlinuz", "vmlinuz")
BEFORE = CONFIG.replace("/mnt/private/artem", "/home/artem")
BOTH = "root@labubuntu:~# mount -t nfs baye:/srv/private /mnt/private\n$ cat old.cfg\n" + BEFORE + "$ cat new.cfg\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (BOTH + CONFIG, set()),
        (BOTH + CONFIG.replace("1024", "2048"), {"more-than-paths-changed"}),
        (BOTH + CONFIG.replace('kernel="/mnt/private/artem', 'kernel="/boot'), {"path-off-the-share"}),
        (SHARE + ASTRAY, {"path-misses-its-folder"}),
        (SHARE + SHOWN.replace("artem/guest1.img", "artem/disks/guest1.img"), {"path-misses-its-folder"}),
        (SHARE + SHOWN.replace("/mnt/private/artem/vm", "/boot/vm"), set()),
        (CONFIG.replace('"guest1"', "guest1"), {"config-syntax"}),
        (CONFIG.replace("]\n", "\n", 1), {"config-syntax"}),
        (CONFIG.replace('"guest1"', "“guest1”"), {"typographic-characters"}),
        ("$ cat c\n" + CONFIG.replace('"guest1"', "“guest1”"), set()),
        (f"root@labubuntu:/mnt/private/artem# ls -l\n{FOLDER}{ASTRAY}", {"path-misses-its-folder"}),
    ],
)  # fmt: skip
def test_configs(text: str, found: set[str]) -> None:
    assert wrong(text) == found


def test_a_fault_of_a_config_is_told_at_its_own_line() -> None:
    (note,) = examine("\n\n$ cat c\n" + CONFIG.replace("vcpus=1", "vcpus=one")).notes
    assert (note.kind, note.line) == ("config-syntax", 6)


# Pings

INSIDE = "root@guest1:~# ping 10.1.1.1\nPING 10.1.1.1 (10.1.1.1) 56(84) bytes of data.\n" + pings(1, 9, "10.1.1.1")
BEGUN = "me@desk:~$ ping 10.1.1.85\n" + PING + pings(1, 5)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LIVE + INSIDE, {"inside-ping-bounds-little"}),
        (LIVE + OUTSIDE + INSIDE, set()),
        (BEGUN + summary(5, 5) + LIVE + INSIDE, set()),
        (PAUSED + INSIDE, set()),
        (BEGUN + LIVE, {"outside-ping-ends-before-the-move"}),
        (BEGUN + LIVE + INSIDE, {"inside-ping-bounds-little"}),
        (BEGUN + pings(20, 30) + summary(30, 16), {"replies-lost"}),
        (BEGUN + pings(7, 30) + summary(30, 29), set()),
        (BEGUN + pings(20, 30), set()),  # somebody left lines out
        (BEGUN + "".join(f"no answer yet for icmp_seq={n}\n" for n in range(6, 20)) + pings(20, 30), {"replies-lost"}),
        ("me@desk:~$ ping -i 0.1 10.1.1.85\n" + PING + pings(1, 5) + pings(20, 30) + summary(30, 16), set()),
        ("me@desk:~$ ping 10.1.1.85\n" + PING + summary(9, 0), {"no-reply"}),
        ("me@desk:~$\n" + "".join(f"From 10.1.1.2 icmp_seq={n} Unreachable\n" for n in range(7, 9)), set()),
        ("me@desk:~$ ping 10.1.1.85\n" + PING + pings(1, 9).replace(" ms", " ms (DUP!)"), {"replies-twice"}),
    ],
)
def test_pings(text: str, found: set[str]) -> None:
    assert wrong(text) == found


# What was typed


@pytest.mark.parametrize(
    ("line", "host", "words"),
    [
        ("root@baye:~# xl list", "baye", "xl list"),
        ("oot@baye:~# sudo xl migrate guest1 10.1.1.189", "baye", "xl migrate guest1 10.1.1.189"),
        ("[root@baye ~]# xl list -l | less", "baye", "xl list -l"),
        ("baye:~ # xl list", "baye", "xl list"),
        ("baye# xl list", "baye", "xl list"),
        ("bash-5.1# xl list", None, "xl list"),
        ("$ sudo -u root xl list", None, "xl list"),
        ("# LC_ALL=C /usr/sbin/xl list", None, "/usr/sbin/xl list"),
        ("➜  ~ xl list", None, "xl list"),
        ("(venv) me@desk:~/Téléchargements$ ping 10.1.1.85", "desk", "ping 10.1.1.85"),
        ("12:03:55 root@baye:/# xl list", "baye", "xl list"),
        ("root@baye ~> xl list; xl info", "baye", "xl list"),
        ("root@baye:~#", "baye", ""),
        ("mount -t nfs baye:/x /mnt", None, "mount -t nfs baye:/x /mnt"),
        ("xl migrate guest1 baye", None, "xl migrate guest1 baye"),
    ],
)
def test_prompts(line: str, host: str | None, words: str) -> None:
    prompt = prompt_of(line)
    assert prompt is not None
    assert (prompt.host, " ".join(prompt.words)) == (host, words)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "root@10.1.1.189's password: ",
            "# the disks of the guest",
            "xl list shows that it is there.",
            "# name = 'x'",
        ),
        *("mount the share on both hosts", "ping works from outside", "Domain-0  0 4096 4 r----- 1.0", "", "> quoted"),
        "ssh as root to the other machine",
    ],
)
def test_what_is_no_prompt(line: str) -> None:
    assert prompt_of(line) is None


# What cannot be read, and time


def test_what_nothing_can_be_made_of_is_named() -> None:
    explanation = examine(f"{BACK}{listing(1.0)}gibberish one\ngibberish two\n\n{BACK}{listing(2.0)}and a third\n")
    assert [(unread.first, unread.last, unread.text) for unread in explanation.unread] == [
        (4, 5, "gibberish one"),
        (10, 10, "and a third"),
    ]
    assert examine("nothing\nof the kind\n").understood == 0


LARGE = 1 << 18
HOSTILE = [
    *("a" * LARGE, "\n" * LARGE, "root@baye:~# xl list\n", "vcpus = 1\n", "total 0\n", "/x a(b)a(b)a(b)\n"),
    "--- x ---\n",
    *(LIVE, COLD, SHARE, CONFIG, OUTSIDE, "disk = [\n", "# cold migration\n", "a@b:" + "x" * 1900 + "\n", "<p><br "),
    *("libxl: error: " + "x" * 60 + "\n" + "y" * 60 + "\n", "root@a:~# mount a:/b /c\nmount.nfs: Connection refused\n"),
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=lambda piece: repr(piece[:20]))
def test_hostile_texts_are_read_within_seconds(piece: str) -> None:
    whole = piece * min(LARGE // len(piece), 8000 // (piece.count("\n") or 8000))
    begun = time.process_time()
    examine(whole or piece[:LARGE])
    assert time.process_time() - begun < 4
