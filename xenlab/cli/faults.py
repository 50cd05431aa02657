"""Faults to plant in the running embedded lab."""

import argparse

from xenlab.cli.grammar import Verbs, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Add `break` and `faults`."""
    break_ = add_verb(
        verbs, "break", _break, "plant a fault in the running embedded lab (down and up undo it)", "config-path"
    )
    break_.add_argument("fault", metavar="FAULT")
    add_verb(verbs, "faults", _faults, "the faults that can be planted, and which check each turns red")


def _break(arguments: argparse.Namespace) -> int:
    from xenlab.lab.lab import Lab
    from xenlab.testbed.faults import fault_named
    from xenlab.testbed.joining import join
    from xenlab.testbed.provision import no_record

    fault = fault_named(arguments.fault)
    with Lab(join(arguments.working_copy), sink=no_record) as lab:
        fault.plant(lab)
    print(f"planted: {fault.what}; step {fault.step} should now fail at {fault.check}")
    return 0


def _faults(_arguments: argparse.Namespace) -> int:
    from xenlab.testbed.faults import faults

    for fault in faults():
        print(f"{fault.name:<15} {fault.what} (turns red: {fault.step}, {fault.check})")
    return 0
