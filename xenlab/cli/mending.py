"""What runs that were killed or cut off have left: their guests brought home, their lock given back."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from xenlab.cli.grammar import Verbs, add_lab, add_verb
from xenlab.errors import XenlabError
from xenlab.evidence.text import plain

if TYPE_CHECKING:
    from xenlab.lab.custody import Act, LabFound


def add_verbs(verbs: Verbs) -> None:
    """Add `mend` and `unlock`."""
    add_verb(verbs, "mend", _mend, "bring home the guests of runs that were killed or cut off, from what they noted")
    unlock = add_verb(
        verbs, "unlock", _unlock, "give back the lock of a run that is gone for good", "--lab lab.toml 1a2b3c4d"
    )
    add_lab(unlock)
    unlock.add_argument("id", metavar="ID", help="the run's id, as the refused run was told")


def _mend(_arguments: argparse.Namespace) -> int:
    from xenlab.lab import custody
    from xenlab.opening import NothingToMend

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


def _mended(found: "LabFound", acts: "tuple[Act, ...]") -> bool:
    from xenlab.cli.asking import passwords_for
    from xenlab.lab.custody import Custody
    from xenlab.lab.lab import Lab
    from xenlab.opening import open_found
    from xenlab.testbed.provision import no_record

    done = True
    with open_found(found) as spec:
        environ = {**os.environ, **passwords_for(spec)}
        with Lab(spec, no_record, environ, custody=Custody(run=found.run)) as lab:
            for home in lab.mend(found, acts):
                print(plain(str(home)))
                done &= home.is_done
    return done


def _unlock(arguments: argparse.Namespace) -> int:
    from xenlab.cli.asking import passwords_for
    from xenlab.lab.lab import Lab
    from xenlab.lab.lock import unlock
    from xenlab.opening import lab_as_it_is
    from xenlab.testbed.provision import no_record

    spec = lab_as_it_is(arguments.lab, arguments.working_copy)
    with Lab(spec, no_record, {**os.environ, **passwords_for(spec)}) as lab:
        freed = unlock(lab.hosts, arguments.id)
    print(
        f"run {arguments.id} no longer holds {' and '.join(freed)}" if freed else f"no host is held by {arguments.id}"
    )
    return 0
