"""The proof that the checks can fail, and fail for what they are there for."""

import argparse
import shutil
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_network, add_profile, add_reports, add_verb
from xenlab.evidence.text import plain

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
    prove.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler, whose workers prove them, each in a lab of its own"
    )
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
    whole = True
    if chosen and arguments.scheduler:
        whole = _add_elsewhere(proof, chosen, arguments)
    elif chosen:
        _add(proof, chosen, arguments)
    print(*summary(proof.matrix), sep="\n")
    return 0 if whole and not proof.matrix.odd else 1


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
    from xenlab.opening import open_lab, refuse_practice
    from xenlab.proving.pages import line
    from xenlab.proving.prover import Prover
    from xenlab.testbed.plan import EMBEDDED

    refuse_practice(EMBEDDED, arguments.working_copy)
    rows = {}
    with open_lab(EMBEDDED, arguments.profile, arguments.working_copy, network=arguments.network):
        prover = Prover(arguments.working_copy, proof.folder)
        for row in prover.prove(scenarios, as_it_is=not arguments.skip_steady):
            proof.keep(row)
            rows[row.scenario] = row
            print(line(row), flush=True)
    return rows


def _add_elsewhere(proof: "Proof", scenarios: "Sequence[Scenario]", arguments: argparse.Namespace) -> bool:
    """Prove them on the workers of a Dask scheduler, each row kept and shown as it comes; whether all are proven."""
    from xenlab.fleet.executors import fleet
    from xenlab.fleet.turns import in_turns
    from xenlab.proving.elsewhere import parts, prove
    from xenlab.proving.pages import line

    words = ["--skip-steady"] if arguments.skip_steady else []
    words += [f"--profile={arguments.profile}"] if arguments.profile else []
    words += [f"--network={arguments.network}"] if arguments.network else []
    whole = True
    with (
        fleet(arguments.scheduler, 1) as workers,
        closing(
            in_turns(
                workers,
                list(parts(scenarios, arguments.working_copy, words)),
                prove,
                shares=lambda _: (),
                begins=lambda _: None,
            )
        ) as turns,
    ):
        for part, made in turns:
            rows = () if isinstance(made, BaseException) else made
            for row in rows:
                proof.keep(row)
                print(line(row), flush=True)
            left = {scenario.name for scenario in part.scenarios} - {row.scenario for row in rows}
            if left:
                why = f": {plain(str(made))}" if isinstance(made, BaseException) else ""
                print(f"not proven: {', '.join(sorted(left))}{why}", flush=True)
                whole = False
    return whole
