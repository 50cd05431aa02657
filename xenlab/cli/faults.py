"""Wrong labs, unusual right ones, and what goes wrong underneath, to be had in the running embedded lab."""

import argparse

from xenlab.cli.grammar import Verbs, add_verb
from xenlab.errors import UsageError


def add_verbs(verbs: Verbs) -> None:
    """Add `break` and `faults`."""
    break_ = add_verb(verbs, "break", _break, "plant a fault in the running embedded lab, or undo it", "unmounted")
    break_.add_argument("scenario", metavar="NAME", nargs="?", help="one of those that ./lab faults lists")
    break_.add_argument("--undo", action="store_true", help="have the lab as it was before the first of them")
    faults = add_verb(verbs, "faults", _faults, "the faults that can be planted, and which check each turns red")
    others = faults.add_mutually_exclusive_group()
    others.add_argument("--right", action="store_true", help="the right labs instead: unusual, and no check may be red")
    others.add_argument(
        "--underneath", action="store_true", help="what goes wrong under a run instead, and how the run must end"
    )


def _break(arguments: argparse.Namespace) -> int:
    from xenlab.scenarios.catalogue import scenario_named
    from xenlab.scenarios.planting import break_lab, mend_lab
    from xenlab.scenarios.scenario import Underneath

    if arguments.undo == bool(arguments.scenario):
        raise UsageError("break takes the name of a fault, or --undo", hint="./lab faults lists them")
    if arguments.undo:
        undone = mend_lab(arguments.working_copy)
        print(f"the lab is as it was before {', '.join(undone)}" if undone else "nothing is planted")
        return 0
    scenario = scenario_named(arguments.scenario)
    break_lab(arguments.working_copy, scenario)
    shown = "no check may turn red"
    if isinstance(scenario, Underneath):
        shown = f"a run of step {scenario.step} must now end: {scenario.must_end}"
    elif scenario.red:
        shown = f"step {scenario.red.step} should now fail at {scenario.red.check}"
    print(f"planted: {scenario.what}; {shown}")
    return 0


def _faults(arguments: argparse.Namespace) -> int:
    from xenlab.scenarios.catalogue import RIGHT, UNDERNEATH, WRONG

    if arguments.underneath:
        for one in UNDERNEATH:
            print(f"{one.name:<38} {one.what} (must end: {one.must_end})")
        return 0
    for scenario in RIGHT if arguments.right else WRONG:
        shown = f" (turns red: {scenario.red.step}, {scenario.red.check})" if scenario.red else ""
        print(f"{scenario.name:<35} {scenario.what}{shown}")
    return 0
