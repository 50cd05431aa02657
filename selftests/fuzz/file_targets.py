"""The readers of files: lab file, rubric, evidence, proof, and what runs and labs keep on this machine."""

import json
import tempfile
import zipfile
from collections.abc import Callable
from fcntl import LOCK_EX, flock
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path

from rich.console import Console

from selftests.fuzz import seeds
from selftests.fuzz.target import Read, Target, of_text
from selftests.helpers import recorded
from selftests.helpers.paths import RECORDINGS
from xenlab import labfile
from xenlab.errors import XenlabError
from xenlab.evidence import bundle
from xenlab.evidence.recorder import Journal
from xenlab.grading import lateness, rubric
from xenlab.grading.writing import COMMANDS, summary, write_page_again
from xenlab.lab import custody
from xenlab.lab.kinds import kinds
from xenlab.lab.tape import PlayedTape
from xenlab.labfile_limits import ProbeSpec
from xenlab.proving.proof import Proof
from xenlab.report import allure
from xenlab.report.allure_cli import forget_this_run
from xenlab.report.folder import LOCK, ReportsFolder
from xenlab.report.grade_file import read_grade
from xenlab.scenarios.catalogue import SCENARIOS
from xenlab.testbed import cache as images
from xenlab.testbed.progress import Progress
from xenlab.testbed.state import LabState

_FILE_BYTES = 1 << 20
_RUN = "left-a-file"


@cache
def _folder(name: str) -> Path:
    """A folder for the files of one target, which is there as long as this process is."""
    made = tempfile.TemporaryDirectory(prefix="xenlab-fuzz-")
    _KEPT.append(made)
    folder = Path(made.name) / name
    folder.mkdir()
    return folder


_KEPT: "list[tempfile.TemporaryDirectory[str]]" = []


def _of_file(folder: str, name: str, read: Callable[[Path], object]) -> Read:
    """A reader of a file, which is given the file's folder."""

    def fed(data: bytes) -> object:
        path = _folder(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return read(_folder(folder))

    return fed


def _lab(folder: Path) -> None:
    lab = labfile.load(folder / "lab.toml")
    _ = lab.password_variables, lab.without_files(), [host.ssh_host for host in lab.hosts]


def _rubric(folder: Path) -> None:
    rules = rubric.load(folder / "rubric.toml", ("hosts", "live-migration"))
    _ = rules.factor(30.0), rules.thresholds.over(ProbeSpec()), rules.columns
    for check in rules.checks:
        _ = check.step(None), check.step("guest1"), check.typed, check.hosts_of(("baye", "labubuntu"), "baye")
        _ = [check.fits(text) for text in ("", "x\n", "a" * 9999 + "!", "\ud800\x00")]


def _late(folder: Path) -> None:
    lateness.late(folder / "submission_metadata.json", rubric.shipped())


def _archive(folder: Path) -> None:
    with bundle.opened(folder / "evidence.zip") as opened:
        bundle.facts_of(opened)
        bundle.grade_of(opened)
        labfile.load(opened / bundle.LAB)


@cache
def _run() -> Path:
    """The evidence of a recorded run, unpacked."""
    folder = _folder("run")
    with zipfile.ZipFile(RECORDINGS / f"{_RUN}.zip") as archive:
        archive.extractall(folder)
    return folder


def _in_run(name: str, read: Callable[[Path], object]) -> Read:
    """A reader of one file of a bundle, which was changed and sealed again: digests keep nobody from that."""

    def fed(data: bytes) -> object:
        path = _run() / name
        whole = path.read_bytes()
        path.write_bytes(data)
        try:
            return read(_run())
        finally:
            path.write_bytes(whole)

    return fed


def _manifest(folder: Path) -> None:
    with bundle.opened(folder):
        pass


def _tape(text: str) -> None:
    lines = text.splitlines()
    tape = PlayedTape(lines, kinds())
    for name in _TAKEN:
        for _ in range(min(len(lines), 20)):
            try:
                tape.take(name, lambda: None)
            except XenlabError:
                continue


def _state(folder: Path) -> None:
    state = LabState.load(folder)
    _ = state and (state.running, state.lab_file)


def _custody(folder: Path) -> None:
    for found, acts in custody.unfinished(folder):
        custody.is_running(found)
        again = custody.Custody(folder, found.run)
        again.resume(found, acts)
        _ = again.touched, [again.last_act(name) for name in found.guests]


def _proof(folder: Path) -> None:
    proof = Proof(folder, SCENARIOS)
    _ = proof.matrix.checks, proof.matrix.untouched, proof.matrix.counts, proof.left(SCENARIOS)


def _resumed(text: str) -> None:
    Journal().resume(text.splitlines())


def _timings(folder: Path) -> None:
    with Progress(Console(file=StringIO()), folder / "seconds.json").stage("boot", "booting"):
        pass


def _told_again(folder: Path) -> None:
    _ = list(summary(read_grade(folder)))


def _pages(folder: Path) -> None:
    (folder / bundle.GRADE).write_bytes(seeds.kept(bundle.GRADE, "unmounted"))
    write_page_again(ReportsFolder(folder, own=True), read_grade(folder))


def _history(folder: Path) -> None:
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results/1-result.json").write_text('{"start": 1}')
    forget_this_run(folder / "history.jsonl", folder / "results")


def _held(folder: Path) -> None:
    """Reports that another run writes, which says in the lock's file who it is."""
    with (folder / LOCK).open("rb") as lock:
        flock(lock, LOCK_EX)
        ReportsFolder(folder, own=True).hold()


def _allure(text: str) -> None:
    allure.fetched(text)
    allure.without_call_home(text)


def _zip(names: tuple[str, ...]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"{}\n")
    return buffer.getvalue()


_TAKEN = tuple(dict.fromkeys(str(json.loads(line)["what"]) for line in seeds.kept(bundle.TAPE).splitlines()))
_LAB_TOML = seeds.texts(
    """name = "team-7"

[share]
server = "baye"
export = "/srv/private"
mount_point = "/mnt/private"

[[jumps]]
name = "gate"
address = "gate.example.org"

[[hosts]]
name = "labubuntu"
address = "192.0.2.189"
via = "gate"
password_env = "SECRET"

[[hosts]]
name = "baye"
address = "192.0.2.143"
peer_address = "baye.lab"
peer_port = 2222

[[guests]]
name = "guest1"
address = "192.0.2.85"
home = "labubuntu"
config = "/mnt/private/artem/guest1.cfg"
original_config = "/home/artem/guest1.cfg"
ping_target = "192.0.2.1"
swap = true
via = "hosts"

[probes]
outside_interval_ms = 50
settle_seconds = 5.0
outside_from = "hosts"
"""
)
_LAB_WORDS = (
    *labfile.LabFile.model_fields,
    *(key for table in labfile.TABLES.values() for key in table.model_fields),
    *(
        "[[guests]]\n",
        "[probes]\n",
        "key_file = ",
        '"console"',
        "1979-05-27",
        "inf",
        "nan",
        "0x10",
        "= { a = 1 }",
        '"""',
        "a.b",
    ),
)
_RUBRIC = (
    rubric.SHIPPED.read_bytes(),
    *seeds.texts(
        "late = [[0, 0.9], [24, 0.5], [72, 0]]\n[thresholds]\nmax_outside_gap_ms = 1500\n"
        "[steps.live-migration]\npoints = 30\n"
        '[[waivers]]\nstep = "hosts"\ncheck = "swap"\nguest = "guest2"\nwho = "T"\nwhy = "x"\nuntil = 2026-12-31\n',
        '[[checks]]\nid = "a-b"\nwhat = "A."\non = "client"\ncommand = "a=1 grep x /y | rm \'>\' 2>&1 >z; $(dd)"\n'
        'exit_code = 1\ncontains = "x"\nmatches = "(?m)^(a+)+$"\nseconds = 5\npoints = 2.5\nhint = "h"\nhidden = true\n'
        'changes = true\nneeds = "hosts"\n[[checks]]\nid = "c"\nwhat = "C."\ncommand = ["xl", "list"]\npoints = 1\n',
    ),
)
_METADATA = seeds.texts(
    '{"created_at": "2026-11-02T10:00:00.000000-08:00", "assignment": {"due_date": "2026-11-01T10:00:00.000000-08:00"}}'
)
_STATE = seeds.texts(
    '{"profile": "classic", "accelerator": "tcg", "ways_in": {"guest1": {"address": "127.0.0.1", "port": 40001}}, '
    '"keeper": {"pid": 1, "started": 1}, "hosts": {"baye": {"pid": 2, "started": 3}}, '
    '"ready": true, "planted": [], "since": 1.0}'
)
_CUSTODY = seeds.texts(
    '{"version":1,"run":"0d7ff038","process":[1,2],"began":"2026-11-02T10:00:00Z","lab_name":"embedded",'
    '"working_copy":"/x","lab_file":"name = 1","guests":{"guest1":{"host":"baye","paused":false,"unclear":""}}}\n'
    '{"act":"create","facts":{"guest":"guest1","host":"baye"}}\n{"act":"write","facts":{"file":"/root/x"}}\n'
)
_PROOF = seeds.texts(
    '[{"scenario": "unmounted", "what": "x", "step": "shared-storage", "red": "shared-storage/mounted", '
    '"ended": "killed", "digest": "0", "checks": {"shared-storage/mounted": "failed"}, "not_held": [{"step": '
    '"shared-storage", "check": "mounted", "outcome": "failed", "words": "x"}], "why": "", "seconds": 1.5}]'
)
_PAGE = seeds.texts(
    '<html><head><script async src="https://x/gtag?id=1"></script><script>window.dataLayer = []</script></head>'
    '<body><img src="data:x"><a href="https://z">z</a></body></html>',
    '<body><img src="//x/y.png"><style>@import url("http://x")</style></body>',
)
_ZIPS = (
    *((RECORDINGS / f"{name}.zip").read_bytes() for name in ("bridge-renamed", "no-key-to-peer")),
    _zip(("tape.jsonl", "commands.jsonl", "lab.toml", "run.json", "grade.json", "manifest.json")),
    _zip(("../x", "/y", "a/b", "a", "a/")),
)
_JSON = ('": ', "null", "[]", "{}", "1e400", '"\\ud800"', "true", "-0.0", "NaN")

FILES = (
    Target("lab.toml", _of_file("lab", "lab.toml", _lab), _LAB_TOML, words=_LAB_WORDS, most=_FILE_BYTES),
    Target("rubric.toml", _of_file("rubric", "rubric.toml", _rubric), _RUBRIC, words=_LAB_WORDS, most=_FILE_BYTES),
    Target(
        "submission_metadata.json",
        _of_file("late", "submission_metadata.json", _late),
        _METADATA,
        words=_JSON,
        most=_FILE_BYTES,
    ),
    Target("evidence.zip", _of_file("zip", "evidence.zip", _archive), _ZIPS),
    Target("evidence: manifest.json", _in_run(bundle.MANIFEST, _manifest), (seeds.kept(bundle.MANIFEST),), words=_JSON),
    Target("evidence: run.json", _in_run(bundle.RUN, bundle.facts_of), (seeds.kept(bundle.RUN),), words=_JSON),
    Target("evidence: grade.json", _in_run(bundle.GRADE, bundle.grade_of), (seeds.kept(bundle.GRADE),), words=_JSON),
    Target(
        "evidence: tape.jsonl",
        of_text(_tape),
        (seeds.kept(bundle.TAPE), seeds.kept(bundle.TAPE, "no-getty")),
        words=_JSON,
    ),
    Target("evidence: commands.jsonl", of_text(_resumed), (seeds.kept(bundle.COMMANDS, "unmounted"),), words=_JSON),
    Target(
        "evidence: tape.jsonl, judged",
        _in_run(bundle.TAPE, recorded.judged),
        (seeds.kept(bundle.TAPE), seeds.kept(bundle.TAPE, "target-without-memory")),
        words=_JSON,
    ),
    Target("grade.json", _of_file("reports", "grade.json", _told_again), (seeds.kept(bundle.GRADE),), words=_JSON),
    Target(
        "commands of a report",
        _of_file("pages", str(COMMANDS), _pages),
        (seeds.kept(bundle.COMMANDS, "unmounted"),),
        words=_JSON,
    ),
    Target(
        "holder of reports", _of_file("held", LOCK, _held), seeds.texts('{"pid": 7, "since": "now"}'), most=_FILE_BYTES
    ),
    Target(
        "history of Allure",
        _of_file("history", "history.jsonl", _history),
        seeds.texts('{"testResults": {"a": {"start": 1}}}\n{"testResults": {"b": {"start": 2}}}\n'),
        words=_JSON,
        most=_FILE_BYTES,
    ),
    Target("state.json", _of_file("state", "state.json", _state), _STATE, words=_JSON, most=_FILE_BYTES),
    Target("custody", _of_file("custody", "0d7ff038.jsonl", _custody), _CUSTODY, words=_JSON, most=_FILE_BYTES // 4),
    Target("proof.json", _of_file("proof", "proof.json", _proof), _PROOF, words=_JSON, most=_FILE_BYTES),
    Target(
        "manifest of images",
        _of_file("images", "complete.json", images.is_complete),
        seeds.texts('{"x.img": [1, "0"]}'),
        words=_JSON,
        most=_FILE_BYTES,
    ),
    Target(
        "seconds.json",
        _of_file("seconds", "seconds.json", _timings),
        seeds.texts('{"boot": 61.9}'),
        words=_JSON,
        most=_FILE_BYTES,
    ),
    Target(
        "page of Allure",
        of_text(_allure),
        _PAGE,
        most=2 * _FILE_BYTES,
        words=("<script", "src=", "https://", "dataLayer", "</script>", "url("),
    ),
)
