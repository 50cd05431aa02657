"""The project's own tests."""

import argparse

from xenlab.cli.grammar import Verbs, add_verb

KINDS = ("unit", "integration", "browser", "fuzz", "embedded")
"""The folders of selftests/, from those that take a minute to the one that takes most of an hour."""


def add_verbs(verbs: Verbs) -> None:
    """Add `test`."""
    test = add_verb(
        verbs, "test", _test, f"run the project's own tests (lint, types, {', '.join(KINDS)})", "--only unit -- -k ping"
    )
    test.add_argument(
        "--only", metavar="KIND", action="append", choices=KINDS, help=f"these alone (repeatable): {', '.join(KINDS)}"
    )
    test.add_argument("--whole", action="store_true", help="also what takes hours: whole runs, Ctrl-C at each step")
    test.add_argument("pytest", nargs="*", help="arguments for pytest (after --)")


def _test(arguments: argparse.Namespace) -> int:
    from xenlab.cli.pytest_child import INTERRUPTED, run_pytest, run_tool

    for tool in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        print(f"$ {' '.join(tool)}", flush=True)
        if run_tool(tool, arguments.working_copy):
            return 1
    whole = ["--whole"] if arguments.whole else []
    kinds = arguments.only or list(KINDS)
    # Those on the one embedded lab do not run side by side; all others do, in a call of their own before them.
    others = [kind for kind in kinds if kind != "embedded"]
    calls = [kinds] if arguments.pytest or others in ([], kinds) else [others, ["embedded"]]
    ended = 0
    for call in calls:
        folders = [f"selftests/{kind}" for kind in call]
        code = run_pytest([*folders, "-v", *whole, *arguments.pytest], arguments.working_copy)
        if code == INTERRUPTED:
            return code
        ended = ended or code
    return ended
