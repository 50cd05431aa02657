"""The verbs of ./lab."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from xenlab import __version__
from xenlab.errors import CannotObserve, UsageError, XenlabError
from xenlab.evidence.text import plain
from xenlab.grading.writing import read_grade, write_page_again
from xenlab.lab import custody
from xenlab.lab.custody import Act, Custody, LabFound
from xenlab.lab.lab import Lab
from xenlab.lab.lock import unlock
from xenlab.labfile import load
from xenlab.opening import EMBEDDED, NothingToMend, forget_embedded, guest_names, open_found
from xenlab.report.allure_cli import write_allure_page
from xenlab.report.folder import ReportsFolder, forget_results
from xenlab.testbed import provision, shell, tools
from xenlab.testbed.embedded import EmbeddedLab
from xenlab.testbed.faults import fault_named, faults
from xenlab.testbed.plan import HOSTS
from xenlab.testbed.profiles import DEFAULT_PROFILE, PROFILES, other_profile

WORKING_COPY = Path(__file__).resolve().parent.parent

EPILOG = """\
examples:
  ./lab verify                       boot the embedded lab, grade every step, write reports/
  ./lab verify --lab my-lab.toml     grade your own two hosts
  ./lab verify --step live-migration grade that step and what it needs
  ./lab report --allure              the last run as one page of Allure's
  ./lab up; ./lab ssh baye           look around in the embedded lab
  ./lab down                         and leave nothing of it
  ./lab mend                         after a run was killed: its guests go home

exit status: 0 all passed, 1 something failed, 2 the call or a file is wrong, 3 the lab could not be observed
"""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="./lab",
        description="Says whether a two-host Xen lab really works, grades it, and shows the proof.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"xenlab {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    verify = _verb(verbs, "verify", _verify, "grade every step of the lab and write reports/", "--step live-migration")
    verify.add_argument("--lab", default=EMBEDDED, metavar="embedded|PATH", help="the lab (default: embedded)")
    _profile(verify)
    verify.add_argument("--rubric", metavar="PATH", help="a rubric.toml: points, thresholds, late work, waivers")
    shown = verify.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_const", dest="output", const="quiet", help="say only how it ended")
    shown.add_argument(
        "--json", action="store_const", dest="output", const="json", help="grade.json on stdout, all else on stderr"
    )
    verify.add_argument("--guest", action="append", default=[], metavar="NAME", help="only this guest (repeatable)")
    verify.add_argument("--step", action="append", default=[], metavar="ID", help="this step and what it needs")
    _reports(verify, "where the reports go")

    report = _verb(verbs, "report", _report, "make the pages of the last run anew, without the lab", "--allure")
    report.add_argument("--allure", action="store_true", help="make allure.html, too (needs Node.js and npm)")
    _reports(report, "the run's reports")

    test = _verb(
        verbs, "test", _test, "run the project's own tests (lint, types, unit, embedded)", "-- -m 'not embedded'"
    )
    test.add_argument("--whole", action="store_true", help="also what takes hours: whole runs, Ctrl-C at each step")
    test.add_argument("pytest", nargs="*", help="arguments for pytest (after --)")

    up = _verb(verbs, "up", _up, "bring the embedded lab up and leave it running", "--profile classic")
    _profile(up)
    up.add_argument("--cold", action="store_true", help="boot anew instead of restoring the snapshot")

    _verb(verbs, "status", _status, "what is running, and how to reach it")
    ssh = _verb(
        verbs, "ssh", _ssh, "a root shell on a host (or guest) of the running lab, or one command", "baye xl list"
    )
    ssh.add_argument("machine", metavar="HOST")
    ssh.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    console = _verb(verbs, "console", _console, "a guest's console (leave with Ctrl-])", "guest1")
    console.add_argument("guest", metavar="GUEST")
    break_ = _verb(
        verbs, "break", _break, "plant a fault in the running embedded lab (down and up undo it)", "config-path"
    )
    break_.add_argument("fault", metavar="FAULT")
    _verb(verbs, "faults", _faults, "the faults that can be planted, and which check each turns red")
    _verb(verbs, "down", _down, "end the lab and leave nothing of it")
    _verb(verbs, "mend", _mend, "bring home the guests of runs that were killed or cut off, from what they noted")
    unlock = _verb(
        verbs, "unlock", _unlock, "give back the lock of a run that is gone for good", "--lab lab.toml 1a2b3c4d"
    )
    unlock.add_argument("--lab", default=EMBEDDED, metavar="embedded|PATH", help="the lab (default: embedded)")
    unlock.add_argument("id", metavar="ID", help="the run's id, as the refused run was told")
    return top


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    what: str,
    example: str = "",
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=what, description=what, epilog=f"example: ./lab {name} {example}".rstrip())
    verb.set_defaults(run=run)
    return verb


def _profile(verb: argparse.ArgumentParser) -> None:
    instead = f"{other_profile(DEFAULT_PROFILE)} where its Debian release can no longer be had"
    verb.add_argument(
        "--profile", choices=PROFILES, help=f"the embedded lab's release (default: {DEFAULT_PROFILE}, or {instead})"
    )


def _reports(verb: argparse.ArgumentParser, what: str) -> None:
    verb.add_argument("--reports", type=Path, metavar="DIR", help=f"{what} (default: reports/)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # SIGINT too: a shell starts its background jobs with it ignored, and so would every child of ours.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _interrupt)
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:
        if end.code == 2 and "verify" in argv[:1]:
            _forget(_reports_in(argv))
        raise
    verb: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return verb(arguments)
    except XenlabError as problem:
        print(f"xenlab: {plain(str(problem))}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("xenlab: interrupted; nothing of this call is left running", file=sys.stderr)
        return 130


def _interrupt(_sign: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: through every clean-up on the way."""
    raise KeyboardInterrupt


def _verify(arguments: argparse.Namespace) -> int:
    try:
        names = guest_names(arguments.lab)
        for guest in arguments.guest:
            if guest not in names:
                raise UsageError(f"--guest {guest}: this lab has {', '.join(names)}")
    except UsageError:
        _forget(arguments.reports)
        raise
    options = [f"--lab={arguments.lab}"]
    options += [f"--reports={arguments.reports.absolute()}"] if arguments.reports else []
    options += [f"--grade-output={arguments.output}"] if arguments.output else []
    options += [f"--profile={arguments.profile}"] if arguments.profile else []
    options += [f"--guest={guest}" for guest in arguments.guest]
    options += [f"--step={step}" for step in arguments.step]
    options += [f"--rubric={Path(arguments.rubric).absolute()}"] if arguments.rubric else []
    return _pytest(["tests", *options])


def _forget(reports: Path | None) -> None:
    """Leave nothing of an earlier run where a wrong call's results would be looked for."""
    forget_results(reports or WORKING_COPY / "reports", own=reports is None)


def _reports_in(argv: Sequence[str]) -> Path | None:
    """The --reports of a call that makes no sense otherwise."""
    lenient = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    _reports(lenient, "")
    try:
        found: Path | None = lenient.parse_known_args(argv)[0].reports
    except argparse.ArgumentError:
        return None
    return found


def _report(arguments: argparse.Namespace) -> int:
    reports: Path = arguments.reports or WORKING_COPY / "reports"
    folder = ReportsFolder(reports)
    grade = read_grade(reports)
    page = write_page_again(folder, grade)
    if folder.problem:
        raise CannotObserve(folder.problem)
    print(page)
    if arguments.allure:
        try:
            print(write_allure_page(reports, grade, WORKING_COPY / "allurerc.yaml"))
        except OSError as problem:
            raise CannotObserve(f"not written: {problem.filename or reports}: {problem.strerror}") from problem
    return 0


def _test(arguments: argparse.Namespace) -> int:
    for tool in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        print(f"$ {' '.join(tool)}", flush=True)
        if subprocess.run([sys.executable, "-m", *tool], cwd=WORKING_COPY, check=False).returncode:
            return 1
    return _pytest(["selftests", "-v", *(["--whole"] if arguments.whole else []), *arguments.pytest])


def _pytest(arguments: list[str]) -> int:
    """Run pytest as a child; what it says about its call (4, 5) is exit 2 here, an interruption is 130.

    In a session of its own a terminal's Ctrl-C reaches us alone: told once, it cleans up undisturbed.
    """
    command = [sys.executable, "-m", "pytest", *arguments]
    child: subprocess.Popen[bytes] | None = None
    interrupted = False
    while True:
        try:
            if child is None:
                with tools.uninterrupted():
                    child = subprocess.Popen(command, cwd=WORKING_COPY, start_new_session=True)
            code = child.wait()
            break
        except KeyboardInterrupt:
            if child is None:
                raise
            interrupted = True
            child.send_signal(signal.SIGINT)
    return 130 if interrupted else {4: 2, 5: 2}.get(code, code)


def _lab() -> EmbeddedLab:
    return EmbeddedLab(WORKING_COPY, Console(stderr=True))


def _up(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    state = _lab().up(arguments.profile, cold=arguments.cold)
    print(f"the {state.profile} lab is up after {time.monotonic() - started:.1f} s: ./lab status, ./lab ssh HOST")
    return 0


def _status(_arguments: argparse.Namespace) -> int:
    lab = _lab()
    state = lab.state()
    if state is None:
        print("no lab is up in this working copy")
        return 0
    minutes = (time.time() - state.since) / 60
    word = "up" if state.running else "broken (./lab down clears it)"
    print(f"{state.profile} lab: {word}, since {minutes:.0f} min, on {state.accelerator} ({state.reason})")
    for host in HOSTS:
        process = state.hosts.get(host.name)
        alive = f"pid {process.pid}" if process and process.alive else "gone"
        print(f"  {host.name:<10} {host.address:<12} {alive}, console log {lab.folder / f'{host.name}.console.log'}")
    print(f"  lab file   {lab.lab_file}")
    return 0 if state.running else 3


def _ssh(arguments: argparse.Namespace) -> int:
    return _become(shell.ssh(_lab().join(), arguments.machine, arguments.command))


def _console(arguments: argparse.Namespace) -> int:
    return _become(shell.console(_lab().join(), arguments.guest))


def _become(argv: list[str]) -> int:
    """Hand the terminal over to another program, which inherits the lab's namespace."""
    os.execvp(argv[0], argv)


def _break(arguments: argparse.Namespace) -> int:
    fault = fault_named(arguments.fault)
    with Lab(_lab().join(), sink=provision.no_record) as lab:
        fault.plant(lab)
    print(f"planted: {fault.what}; step {fault.step} should now fail at {fault.check}")
    return 0


def _faults(_arguments: argparse.Namespace) -> int:
    for fault in faults():
        print(f"{fault.name:<15} {fault.what} (turns red: {fault.step}, {fault.check})")
    return 0


def _down(_arguments: argparse.Namespace) -> int:
    print("the lab is down" if _lab().down() else "no lab was up")
    forget_embedded(WORKING_COPY)
    return 0


def _mend(_arguments: argparse.Namespace) -> int:
    status = 0
    for found, acts in custody.unfinished():
        if custody.is_running(found):
            print(f"run {found.run} is still going on (pid {found.process[0]}): it brings its guests home itself")
            continue
        try:
            status = max(status, 0 if _mended(found, acts) else 1)
        except NothingToMend as nothing:
            print(nothing.message)
        except XenlabError as problem:  # the guests of other runs are not to wait for this one's
            print(f"xenlab: run {found.run}: {plain(str(problem))}", file=sys.stderr)
            status = max(status, problem.exit_code)
    return status


def _mended(found: LabFound, acts: tuple[Act, ...]) -> bool:
    done = True
    with open_found(found) as spec, Lab(spec, provision.no_record, custody=Custody(run=found.run)) as lab:
        for home in lab.mend(found, acts):
            print(plain(str(home)))
            done &= home.is_done
    return done


def _unlock(arguments: argparse.Namespace) -> int:
    spec = _lab().join() if arguments.lab == EMBEDDED else load(Path(arguments.lab))
    with Lab(spec, provision.no_record) as lab:
        freed = unlock(lab.hosts, arguments.id)
    print(
        f"run {arguments.id} no longer holds {' and '.join(freed)}" if freed else f"no host is held by {arguments.id}"
    )
    return 0
