"""The command line: its grammar as a whole, and how a verb is run and ends."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from xenlab import __version__
from xenlab.cli import classes, discovering, embedded, faults, grading, mending, offline, practice, proving, testing
from xenlab.cli.grammar import Run
from xenlab.errors import XenlabError
from xenlab.evidence.text import plain

WORKING_COPY = Path(__file__).resolve().parents[2]

EPILOG = """\
examples:
  ./lab verify                       boot the embedded lab, grade every step, write reports/
  ./lab init root@HOST1 root@HOST2   make the lab.toml of your own two hosts; only reads
  ./lab check --lab lab.toml         look at them, in seconds, and change nothing
  ./lab verify --lab lab.toml        grade them; --plan tells before what is done to them
  ./lab verify --step live-migration grade that step and what it needs
  ./lab explain report.md            what a pasted transcript shows, without a lab
  ./lab grade teams.csv              every team of a class, and a gradebook
  ./lab report --allure              the last run as one page of Allure's
  ./lab up; ./lab ssh baye           look around in the embedded lab
  ./lab start; ./lab check           the lab sheet for practice: unsolved, and what comes next
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
    top.set_defaults(working_copy=WORKING_COPY)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for family in (discovering, grading, classes, offline, testing, embedded, practice, faults, proving, mending):
        family.add_verbs(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # SIGINT too: a shell starts its background jobs with it ignored, and so would every child of ours.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if sign is signal.SIGHUP and signal.getsignal(sign) is signal.SIG_IGN:
            continue  # nohup: it is to outlive its terminal
        signal.signal(sign, _interrupt)
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:
        if end.code == 2:
            grading.forget_results_of(argv, WORKING_COPY)
        raise
    run: Run = arguments.run
    try:
        status = run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads stdout has seen enough, as head(1) has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except XenlabError as problem:
        print(f"xenlab: {plain(str(problem))}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("xenlab: interrupted; nothing of this call is left running", file=sys.stderr)
        return 130


def _interrupt(_sign: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: through every clean-up on the way."""
    raise KeyboardInterrupt
