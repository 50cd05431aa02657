"""The proof that the checks can fail, and fail for what they are there for."""

import argparse
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_network, add_profile, add_reports, add_verb

if TYPE_CHECKING:
    from xenlab.proving.proof import Proof
    from xenlab.proving.row import Row
    from xenlab.scenarios.scenario import Scenario


def add_verbs(verbs: Verbs) -> None:
    """Add `prove` and `record`."""
    prove = add_verb(
        verbs,
        "prove",
        _prove,
        "plant every fault in the embedded lab in turn, and see that the check that is there for it turns red",
        "root-squashed nfs-3",
    )
    prove.add_argument("scenario", metavar="NAME", nargs="*", help="only these of ./lab faults (and its options)")
    prove.add_argument("--resume", action="store_true", help="only what has no good row yet, or was changed since")
    prove.add_argument("--skip-steady", action="store_true", help="do not grade the lab as it is before and after")
    prove.add_argument("--show", action="store_true", help="prove nothing: show what was proven last")
    add_profile(prove)
    add_network(prove)
    add_reports(prove, "the proof is written to proof/ in it")

    record = add_verb(
        verbs, "record", _record, "prove scenarios, and keep the evidence for the project's own tests", "unmounted"
    )
    record.add_argument("scenario", metavar="NAME", nargs="+", help="those of ./lab faults (and its options)")
    record.set_defaults(skip_steady=False)
    add_profile(record)
    add_network(record)
    add_reports(record, "the proof is written to proof/ in it")


def _prove(arguments: argparse.Namespace) -> int:
    from xenlab.proving.pages import line, summary
    from xenlab.scenarios.catalogue import SCENARIOS, scenario_named

    proof = _proof(arguments)
    chosen = [scenario_named(name) for name in arguments.scenario] or list(SCENARIOS)
    if arguments.show:
        print(*map(line, proof.matrix.rows), sep="\n")
        chosen = []
    elif arguments.resume:
        chosen = proof.left(chosen)
    if chosen:
        _add(proof, chosen, arguments)
    print(*summary(proof.matrix), sep="\n")
    return 1 if proof.matrix.odd else 0


def _record(arguments: argparse.Namespace) -> int:
    from xenlab.scenarios.catalogue import scenario_named

    proof = _proof(arguments)
    rows = _add(proof, [scenario_named(name) for name in arguments.scenario], arguments)
    recordings = arguments.working_copy / "selftests" / "recordings"
    recordings.mkdir(exist_ok=True)
    for name in arguments.scenario:
        if rows[name].is_good:
            shutil.copyfile(proof.folder / name / "evidence.zip", recordings / f"{name}.zip")
    return 0 if all(row.is_good for row in rows.values()) else 1


def _proof(arguments: argparse.Namespace) -> "Proof":
    from xenlab.proving.proof import Proof
    from xenlab.scenarios.catalogue import SCENARIOS

    return Proof((arguments.reports or arguments.working_copy / "reports") / "proof", SCENARIOS)


def _add(proof: "Proof", scenarios: "Sequence[Scenario]", arguments: argparse.Namespace) -> "dict[str, Row]":
    """Prove them on the embedded lab, each row kept and shown as it comes."""
    from xenlab.opening import open_lab
    from xenlab.proving.pages import line
    from xenlab.proving.prover import Prover
    from xenlab.testbed.plan import EMBEDDED

    rows = {}
    with open_lab(EMBEDDED, arguments.profile, arguments.working_copy, network=arguments.network):
        prover = Prover(arguments.working_copy, proof.folder)
        for row in prover.prove(scenarios, as_it_is=not arguments.skip_steady):
            proof.keep(row)
            rows[row.scenario] = row
            print(line(row), flush=True)
    return rows
