"""The round trips of discovery: each asks one host once. None of them changes anything.

Nothing is stepped into that would be mounted by it (autofs), and no disk is mounted to look into a guest.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import TypeVar

from xenlab.discovery.given import SshTarget
from xenlab.discovery.seen import CloserLook, HostSeen, TextsSeen
from xenlab.lab.looking import XL_CONF, Answers, ask, parse_identities
from xenlab.lab.looks import FileIdentity, Unknown
from xenlab.remote import commands, facts, filesystems, network, questions
from xenlab.remote.host import RemoteHost
from xenlab.remote.sections import Answer, Section
from xenlab.remote.side_by_side import side_by_side
from xenlab.xen import found_configs, peers, xenstore, xl
from xenlab.xen.conf import XlConf, parse_xl_conf
from xenlab.xen.parsers import parse_list

T = TypeVar("T")

_FSTAB = "/etc/fstab"
# A server or resolver that is away keeps whoever asks waiting, in seconds.
_FILES_SECONDS, _NAMES_SECONDS, _PING_SECONDS, _PEER_SECONDS = 8, 4, 5, 8


def look_at(host: RemoteHost, target: SshTarget) -> HostSeen:
    """What the host is, what runs on it, and which networks and file systems it has.

    :raises HostUnreachable: and its siblings in `xenlab.remote.errors`: it cannot be logged in on.
    """
    is_root = host.runs_as_root()
    found = ask(
        host,
        Section("name", commands.hostname()),
        Section("list", xl.list_domains()),
        Section("stored", xenstore.list_domains()),
        Section("cpu", commands.cpu()),
        Section("system", questions.system()),
        Section("xl-conf", commands.read(XL_CONF)),
        Section("bridges", commands.bridges()),
        Section("switches", questions.open_vswitch_bridges()),
        Section("addresses", network.own_addresses()),
        Section("routes", network.default_routes()),
        Section("routes-6", network.default_routes(version=6)),
        Section("neighbours", network.neighbour_table()),
        Section("leases", network.dhcp_leases()),
        Section("connection", network.connection()),
        Section("mounts", filesystems.mountinfo()),
        Section("exports", commands.exports()),
        Section("fstab", commands.read(_FSTAB)),
    )
    return HostSeen(
        target=target,
        name=found.read("name", str.strip),
        is_root=is_root,
        rows=found.read("list", parse_list),
        stored=found.read("stored", xenstore.parse_domains),
        cpu=found.read("cpu", facts.cpu),
        system=_or(found.read("system", facts.system), facts.System()),
        xl_conf=_or(found.read("xl-conf", parse_xl_conf), XlConf()),
        bridges=found.read("bridges", _words),
        switches=found.read("switches", _words),
        addresses=_or(found.read("addresses", network.parse_addresses), ()),
        link_local=_or(found.read("addresses", network.parse_link_local), frozenset[str]()),
        routes=tuple(
            route for section in ("routes", "routes-6") for route in _or(found.read(section, network.parse_routes), ())
        ),
        neighbours=_or(found.read("neighbours", network.parse_neighbours), ()),
        leases=_or(found.read("leases", network.parse_leases), ()),
        connection=_or(found.read("connection", network.parse_connection), None),
        mounts=found.read("mounts", filesystems.parse_mountinfo),
        exports=found.read("exports", facts.exports),
        fstab=_or(found.read("fstab", str), ""),
    )


def look_for_configs(host: RemoteHost, folders: Sequence[str]) -> TextsSeen:
    """Every file in these folders that by its name may be a guest's config."""
    nonce = secrets.token_hex(8)
    found = ask(host, Section("configs", found_configs.find(folders, nonce), _FILES_SECONDS))
    if found.nothing is not None:
        return TextsSeen(unread=tuple((folder, found.nothing.why) for folder in folders))
    answer = found["configs"]
    unread = list(found_configs.complaints(answer.stderr))
    if not answer.ok:
        unread += [(folder, "it was not looked through in time: is its server away?") for folder in folders]
    return TextsSeen(found_configs.parse_found(answer.stdout, nonce), tuple(unread))


def look_closer_at(
    host: RemoteHost,
    *,
    names: Sequence[str],
    pinged: Sequence[str],
    peer: str,
    peers_at: Sequence[tuple[str, int]],
    disks: Sequence[str],
) -> CloserLook:
    """What names resolve to there, who answers its ping, by what it gets to its peer, and what disks are.

    `peer` is the peer's own name, `peers_at` are names or addresses that may lead there, each with a port.
    """
    here = [
        *([Section("names", network.names_of(names), _NAMES_SECONDS)] if names else []),
        *([Section("disks", questions.identities(disks, digest_up_to=0), _FILES_SECONDS)] if disks else []),
    ]
    pings = [Section(f"ping-{n}", commands.ping_few(address), _PING_SECONDS) for n, address in enumerate(pinged)]
    logins = [Section(f"peer-{n}", peers.try_peer(*at), _PEER_SECONDS) for n, at in enumerate(peers_at)]
    # What waits for other machines does not wait for each other.
    asked = [sections for sections in (here, pings, logins) if sections]
    answers = {
        section.name: (found, found[section.name])
        for sections, found in zip(
            asked, side_by_side(lambda one: ask(host, *one), asked) if asked else (), strict=True
        )
        for section in sections
    }
    return CloserLook(
        # getent says what it knows, and by its exit code that it does not know all (getent(1): 2).
        names=network.parse_names(answers["names"][1].stdout) if names else {},
        answering=frozenset(address for n, address in enumerate(pinged) if answers[f"ping-{n}"][1].ok),
        # Another machine may have that name or address there, and let root in as well.
        reached=frozenset(at for n, (at, _) in enumerate(peers_at) if _is_by(peer, answers[f"peer-{n}"][1])),
        refused=frozenset(at for n, (at, _) in enumerate(peers_at) if _is_refused(peer, answers[f"peer-{n}"][1])),
        identities=_identities(answers["disks"][0]) if disks else {},
    )


def _is_by(peer: str, answer: Answer) -> bool:
    """Whether it is the peer that answered, and root finds xl there; see `peers.ask_peer`."""
    return answer.ok and answer.stdout.splitlines()[:1] == [peer]


def _is_refused(peer: str, answer: Answer) -> bool:
    """Whether it came to another end than that, and not merely to none in time."""
    is_late = answer.exit_code is None or answer.timed_out or "timed out" in answer.stderr
    return not is_late and not _is_by(peer, answer)


def _identities(found: Answers) -> Mapping[str, FileIdentity | Unknown] | Unknown:
    seen = found.read("disks", parse_identities)
    return seen if isinstance(seen, Unknown) else seen[0]


def _or(fact: T | Unknown, otherwise: T) -> T:
    """What was read, or what stands for nothing: here what cannot be read is merely not found."""
    return otherwise if isinstance(fact, Unknown) else fact


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())
