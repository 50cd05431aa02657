"""The lab report that xenlab was made for: the seven things that are wrong with it, and no other."""

import html
import re
import textwrap
from collections.abc import Callable

import pytest
from paths import DATA
from soundlabs import SOUND
from test_causes_moves import MOVES

from xenlab.transcripts import Note, Weight, examine

REPORT = (DATA / "lab-report.md").read_text("utf-8")
SEVEN = (
    "mount-type",
    "server-is-neither-host",
    "path-misses-its-folder",
    "cold-move-was-paused",
    "paused-after-a-move",
    "same-domain-as-before",
    "inside-ping-bounds-little",
)


def found(text: str) -> dict[str, Note]:
    return {note.kind: note for note in examine(text).notes}


def line_of(words: str, nth: int = 0) -> int:
    """The number of the nth line of the report that holds these words."""
    return [number for number, line in enumerate(REPORT.split("\n"), 1) if words in line][nth]


def test_the_seven_are_found_and_nothing_else() -> None:
    explanation = examine(REPORT)
    assert tuple(note.kind for note in explanation.notes) == SEVEN
    assert not explanation.is_sound
    assert explanation.unread == ()


def test_each_is_told_at_its_line_with_what_it_rests_on() -> None:
    notes = found(REPORT)
    mount, paused = line_of("mount -t"), line_of("xl pause")
    first_listing, live_listing = line_of("Name   "), line_of("Name   ", 2)
    cold, live = line_of("xl migrate guest1 10.1.1.189"), line_of("xl migrate guest1 10.1.1.143")
    assert {kind: (note.line, set(note.others)) for kind, note in notes.items()} == {
        "mount-type": (mount, set()),
        "server-is-neither-host": (mount, {line_of("one of the two machines")}),
        "path-misses-its-folder": (line_of('kernel="/mnt/private/'), {line_of("total 1048312")}),
        "cold-move-was-paused": (cold, {paused, line_of("(cold-migration)")}),
        "paused-after-a-move": (live_listing, {live}),
        "same-domain-as-before": (live_listing, {first_listing, live}),
        "inside-ping-bounds-little": (line_of("icmp_seq=23"), {live, line_of("PING 10.1.1.85", 1)}),
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("mount-type", ["-t", "10.1.1.163:/private", "`mount -t nfs 10.1.1.163:/private /mnt/private`"]),
        ("server-is-neither-host", ["10.1.1.163", "baye is 10.1.1.143", "labubuntu is 10.1.1.189"]),
        (
            "path-misses-its-folder",
            ["kernel /mnt/private/vmlinuz", "ramdisk /mnt/private/initrd", "/mnt/private/artem"],
        ),
        ("cold-move-was-paused", ["called cold", "paused", "xl shutdown guest1"]),
        ("paused-after-a-move", ["--p---", "xl unpause guest1"]),
        ("same-domain-as-before", ["id 28", "22.6 s later", "56475.2", "56497.8", "28.0 s"]),
        ("inside-ping-bounds-little", ["icmp_seq 23 → 24", "stands still with its guest", "icmp_seq=4", "-D"]),
    ],
)
def test_each_says_what_and_why_and_what_to_do(kind: str, words: list[str]) -> None:
    note = found(REPORT)[kind]
    said = f"{note.what}\n{note.why}\n{note.remedy}"
    assert all(word in said for word in words), said
    assert note.remedy
    assert note.weight is not Weight.REMARK


AFTER_LIVE = "56497.8\nguest1                                      28  1024     1     --p---      28.0"
ARRIVED = "56441.8\nguest1                                      27  1024     1     -b----       0.3"
REPLY = "64 bytes from lt-in-f113.1e100.net (108.177.14.113): icmp_seq=2"


def mended(*changes: tuple[str, str]) -> set[str]:
    text = REPORT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return set(SEVEN) - set(found(text))


@pytest.mark.parametrize(
    ("gone", "changes"),
    [
        ({"mount-type"}, [("mount -t 10", "mount -t nfs 10")]),
        ({"server-is-neither-host"}, [("10.1.1.163", "10.1.1.143")]),
        (
            {"path-misses-its-folder"},
            [("private/vmlinuz", "private/artem/vmlinuz"), ('="/mnt/private/initrd', '="/mnt/private/artem/initrd')],
        ),
        ({"cold-move-was-paused"}, [("(cold-migration)", "(paused migration)"), ("show the cold", "show the paused")]),
        ({"paused-after-a-move", "same-domain-as-before"}, [(AFTER_LIVE, ARRIVED)]),
        ({"same-domain-as-before"}, [(AFTER_LIVE, AFTER_LIVE.replace(" 28  ", " 29  "))]),
        ({"inside-ping-bounds-little"}, [(REPLY, f"[1581192000.5] {REPLY}")]),
    ],
)
def test_what_is_mended_is_no_longer_found(gone: set[str], changes: list[tuple[str, str]]) -> None:
    assert mended(*changes) == gone


# However it is pasted

Form = Callable[[str], str]


def as_html(text: str) -> str:
    rows, inside = [], False
    for line in text.split("\n"):
        if line.startswith("```"):
            rows.append("</pre>" if inside else "<pre>")
            inside = not inside
        else:
            rows.append(html.escape(line) if inside else f"<p>{html.escape(line)}</p>")
    return "\n".join(("<html><body>", *rows))


def coloured(text: str) -> str:
    green = text.replace("root@", "\x1b]0;t\x07\x1b[01;32mroot@").replace(":~#", "\x1b[00m:\x1b[01;34m~\x1b[00m#")
    return green.replace("error", "\x1b[31merror\x1b[0m")


def wrapped_at_80(text: str) -> str:
    return "\n".join(line[at : at + 80] for line in text.split("\n") for at in range(0, max(len(line), 1), 80))


def wrapped_by_words(text: str) -> str:
    lines = (textwrap.wrap(line, 72, break_long_words=False, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join("\n".join(line) for line in lines)


def typographic(text: str) -> str:
    return re.sub(r'"([^"\n]*)"', "“\\1”", text).replace("'", "’").replace("--", "–")


FORMS: dict[str, Form] = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "quoted mail": lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    "no-break spaces": lambda text: text.replace("  ", " \u00a0"),
    "without code blocks": lambda text: text.replace("```\n", ""),
    "typographic": typographic,
    "coloured": coloured,
    "HTML": as_html,
    "wrapped by a terminal": wrapped_at_80,
    "wrapped by a mail": wrapped_by_words,
}
EACH = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.mark.parametrize("name", [name for name in FORMS if name != "wrapped by a mail"])
def test_the_seven_are_found_however_it_is_pasted(name: str) -> None:
    assert set(found(FORMS[name](REPORT))) - {"typographic-characters"} == set(SEVEN)


@EACH
def test_moves_are_explained_however_they_are_pasted(form: Form) -> None:
    for name, words, cause, host in MOVES:
        notes = examine(form(f"root@baye:~# xl list\nroot@labubuntu:~# xl migrate guest1 baye\n{words}")).notes
        assert [(note.cause, note.host) for note in notes] == [(cause, host)], name


@pytest.mark.parametrize("name", FORMS)
def test_sound_labs_are_sound_however_they_are_pasted(name: str) -> None:
    for lab, text in SOUND.items():
        # In a file that is a config and nothing else these characters are wrong.
        harmed = lab == "config" and name in ("typographic", "no-break spaces")
        assert examine(FORMS[name](text)).is_sound is not harmed, lab
