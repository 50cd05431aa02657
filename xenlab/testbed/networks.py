"""Which of the two networks a lab gets: by what the machine grants, unless it is asked for."""

from pathlib import Path

from xenlab.errors import UsageError
from xenlab.testbed import namespace
from xenlab.testbed.namespace import Namespace
from xenlab.testbed.network import NETWORKS, Network, NetworkChoice
from xenlab.testbed.usernet import UserNetwork


def choose(asked: str | None) -> NetworkChoice:
    """The network that was asked for, or else the namespace where this machine grants it.

    :raises UsageError: the namespace was asked for and is refused, with the remedy; or there is no such network.
    """
    match asked:
        case "user":
            return NetworkChoice("user", "as asked for")
        case "namespace":
            namespace.require()
            return NetworkChoice("namespace", "as asked for")
        case None:
            try:
                namespace.require()
            except UsageError as refused:
                return NetworkChoice("user", refused.message)
            return NetworkChoice("namespace", "this machine grants it")
    raise UsageError(f"--network {asked}: no such network", hint=f"one of {', '.join(NETWORKS)}")


def network_named(name: str, *, sockets: Path, folder: Path) -> Network:
    """The network of that name for the lab whose sockets and logs lie there."""
    return UserNetwork(sockets, folder / "switch.log") if name == "user" else Namespace()
