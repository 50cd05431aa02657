"""The proof that the checks can fail, and fail for what they are there for."""

import argparse

from xenlab.cli.grammar import Verbs, add_network, add_profile, add_reports, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Add `prove`."""
    prove = add_verb(
        verbs,
        "prove",
        _prove,
        "plant every fault in the embedded lab in turn, and see that the check that is there for it turns red",
        "root-squashed nfs-3",
    )
    prove.add_argument("scenario", metavar="NAME", nargs="*", help="only these of ./lab faults (and --right)")
    prove.add_argument("--resume", action="store_true", help="only what has no good row yet, or was changed since")
    prove.add_argument("--show", action="store_true", help="prove nothing: show what was proven last")
    add_profile(prove)
    add_network(prove)
    add_reports(prove, "the proof is written to proof/ in it")


def _prove(arguments: argparse.Namespace) -> int:
    from xenlab.opening import open_lab
    from xenlab.proving.pages import line, summary
    from xenlab.proving.proof import Proof
    from xenlab.proving.prover import Prover
    from xenlab.scenarios.catalogue import SCENARIOS, scenario_named
    from xenlab.testbed.plan import EMBEDDED

    proof = Proof((arguments.reports or arguments.working_copy / "reports") / "proof", SCENARIOS)
    chosen = [scenario_named(name) for name in arguments.scenario] or list(SCENARIOS)
    if arguments.show:
        print(*map(line, proof.matrix.rows), sep="\n")
        chosen = []
    elif arguments.resume:
        chosen = proof.left(chosen)
    if chosen:
        with open_lab(EMBEDDED, arguments.profile, arguments.working_copy, network=arguments.network):
            for row in Prover(arguments.working_copy, proof.folder).prove(chosen):
                proof.keep(row)
                print(line(row), flush=True)
    print(*summary(proof.matrix), sep="\n")
    return 1 if proof.matrix.odd else 0
