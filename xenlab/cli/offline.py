"""What needs no lab: texts explained, and configs led to the share."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_verb
from xenlab.errors import UsageError
from xenlab.evidence.text import plain

if TYPE_CHECKING:
    from xenlab.xen.onto_share import OntoShare


_LONGEST, _MOST_LINES = 2 << 20, 50_000
"""Bytes and lines of a transcript: one of days, and whatever is in them, they are read within seconds."""


def add_verbs(verbs: Verbs) -> None:
    """Add `explain` and `fix-paths`."""
    explain = add_verb(
        verbs,
        "explain",
        _explain,
        "what a pasted transcript, log, report or config shows, what is wrong with it and what it does not prove",
        "report.md",
    )
    explain.add_argument("file", metavar="FILE|-", help="the text; - reads it from stdin")
    explain.add_argument("--json", action="store_true", help="as JSON, for programs")
    fix = add_verb(
        verbs,
        "fix-paths",
        _fix_paths,
        "lead a guest's config to the share: shows what would change and what is to be copied",
        "guest1.cfg --share /mnt/private/artem",
    )
    fix.add_argument("config", type=Path, metavar="CONFIG", help="an xl.cfg on this machine")
    fix.add_argument(
        "--share", required=True, metavar="DIR", help="the guest's folder on the share, as the hosts see it"
    )
    fix.add_argument("--type", action="store_true", help="also write builder= as type=, which Xen knows since 4.10")
    fix.add_argument("--write", action="store_true", help="write the config anew; what it was is kept beside it")


def _explain(arguments: argparse.Namespace) -> int:
    import shutil

    from xenlab.cli.inplace import read_own
    from xenlab.transcripts import examine
    from xenlab.transcripts.showing import as_json, shown

    given = sys.stdin.buffer.read(_LONGEST + 1) if arguments.file == "-" else read_own(Path(arguments.file), _LONGEST)
    name = "what stdin gave" if arguments.file == "-" else arguments.file
    explanation = examine(_text_of(given, name))
    if not explanation.understood:
        raise UsageError(
            f"nothing in {name} is of a known shape",
            hint="it reads what xl, ping, mount, exportfs and ssh print, and guests' configs",
        )
    if arguments.json:
        print(as_json(explanation))
    else:
        for line in shown(explanation, min(shutil.get_terminal_size((100, 24)).columns, 120)):
            print(line)
    return 0 if explanation.is_sound else 1


def _text_of(data: bytes, name: str) -> str:
    """The text, which is UTF-8 or UTF-16 with its mark; what is neither is read as far as it can be."""
    if len(data) > _LONGEST:
        raise UsageError(f"{name} has more than {_LONGEST} bytes", hint="cut out what it is about")
    if data.count(b"\n") > _MOST_LINES:
        raise UsageError(f"{name} has more than {_MOST_LINES} lines", hint="cut out what it is about")
    if not data.strip():
        raise UsageError(f"{name} is empty")
    import codecs

    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        raise UsageError(f"{name} holds NUL bytes: it is no text", hint="paste the words, no archive and no picture")
    return data.decode("utf-8-sig", errors="replace")


def _fix_paths(arguments: argparse.Namespace) -> int:
    from difflib import unified_diff

    from xenlab.cli.inplace import read_own, replace_own
    from xenlab.xen.onto_share import onto_share

    path: Path = arguments.config
    given = read_own(path)
    text = given.decode("utf-8", errors="surrogateescape")
    fixed = onto_share(text, arguments.share, str(path), with_type=arguments.type)
    after = fixed.text.encode("utf-8", errors="surrogateescape")
    diff = unified_diff(
        fixed.before.split("\n"), fixed.text.split("\n"), str(path), f"{path} (led to the share)", lineterm=""
    )
    for line in (*diff, *(f"note: {note}" for note in (*fixed.notes, *fixed.left))):
        print(plain(line))
    if arguments.write and after != given:
        kept = replace_own(path, given, after)
        print(f"written: {path}; as it was: {kept} (lab.toml may name it as original_config)")
    print(*_next(fixed, path, arguments.share), sep="\n")
    if after == given:
        print("the config is as it is to be" if not fixed.left else "nothing else of the config can be led there")
    elif not arguments.write:
        print("nothing was written: --write does it")
    return 1 if fixed.left else 0


def _next(fixed: "OntoShare", path: Path, share: str) -> Iterator[str]:
    """What is to be copied, the config itself among it unless it is there."""
    from xenlab.xen.onto_share import Copy

    copies = list(fixed.copies)
    if path.absolute().parent != Path(share):
        copies.append(Copy(("the config itself",), str(path), f"{share.rstrip('/')}/{path.name}", "file"))
    if copies:
        yield "to copy as root on the host that has them, with the guest shut down:"
    for copy in copies:
        yield f"    {plain(copy.command)}  # {plain(', '.join(copy.keys))}"
