"""The project's own tests."""

import argparse

from xenlab.cli.grammar import Verbs, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Add `test`."""
    test = add_verb(
        verbs, "test", _test, "run the project's own tests (lint, types, unit, embedded)", "-- -m 'not embedded'"
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
    call = ["selftests", "-v", *whole]
    if arguments.pytest:
        return run_pytest([*call, *arguments.pytest], arguments.working_copy)
    # Two calls: the quick tests run side by side, those on the one embedded lab must not.
    quick = run_pytest([*call, "-m", "not embedded"], arguments.working_copy)
    if quick == INTERRUPTED:
        return quick
    return run_pytest([*call, "-m", "embedded"], arguments.working_copy) or quick
