"""What the families' parsers have in common: a verb with its example, and the options of several verbs."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from xenlab.testbed.network import NETWORKS
from xenlab.testbed.plan import EMBEDDED
from xenlab.testbed.profiles import DEFAULT_PROFILE, PROFILES, other_profile

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a family adds its verbs."""

Run: TypeAlias = Callable[[argparse.Namespace], int]
"""A verb at work: takes the call, in the folder `working_copy`, and returns the exit status."""


def add_verb(verbs: Verbs, name: str, run: Run, what: str, example: str = "") -> argparse.ArgumentParser:
    """A verb that says `what` it does, and shows the words of an `example`."""
    verb = verbs.add_parser(name, help=what, description=what, epilog=f"example: ./lab {name} {example}".rstrip())
    verb.set_defaults(run=run)
    return verb


def add_lab(verb: argparse.ArgumentParser) -> None:
    """--lab: which lab it is about."""
    verb.add_argument("--lab", default=EMBEDDED, metavar="embedded|PATH", help="the lab (default: embedded)")


def add_profile(verb: argparse.ArgumentParser) -> None:
    """--profile: the release of the embedded lab."""
    instead = f"{other_profile(DEFAULT_PROFILE)} where its Debian release can no longer be had"
    verb.add_argument(
        "--profile", choices=PROFILES, help=f"the embedded lab's release (default: {DEFAULT_PROFILE}, or {instead})"
    )


def add_network(verb: argparse.ArgumentParser) -> None:
    """--network: how the embedded lab's hosts are wired."""
    verb.add_argument(
        "--network",
        choices=NETWORKS,
        help="how the embedded lab's hosts are wired (default: namespace where this machine grants it, else user)",
    )


def add_reports(verb: argparse.ArgumentParser, what: str) -> None:
    """--reports: where a run's results lie."""
    verb.add_argument("--reports", type=Path, metavar="DIR", help=f"{what} (default: reports/)")
