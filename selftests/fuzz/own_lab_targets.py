"""The readers behind `init`, `fix-paths`, `explain`, plans and classes: of hosts, and of what is pasted and kept."""

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from selftests.fuzz import seeds
from selftests.fuzz.target import Target, of_text
from xenlab.classroom import attempt
from xenlab.discovery import writing
from xenlab.discovery.proposal import Proposal, Proposed
from xenlab.errors import UsageError
from xenlab.grading.planning import load_plan
from xenlab.lab.act_plan import ActPlan, Pace
from xenlab.remote import network
from xenlab.transcripts import examine
from xenlab.xen import found_configs
from xenlab.xen.disk import DiskSyntaxError
from xenlab.xen.grammar import LONGEST, ConfigSyntaxError
from xenlab.xen.modernising import modernise, without_prefix
from xenlab.xen.onto_share import onto_share

_FILE_BYTES = 1 << 16
_NONCE = "0123456789abcdef"
_CONFIGS = seeds.data("*.cfg")
_ADDRESSES = (
    "3: xenbr0    inet 10.1.1.143/24 scope global xenbr0\\       valid_lft forever\n1: lo    inet6 ::1/128 scope host\n"
)
_LEASES = (
    "file /var/lib/misc/dnsmasq.leases\n1799999999 00:16:3e:42:40:89 10.1.1.91 guest1 *\n"
    "file /var/lib/dhcp/dhcpd.leases\nlease 10.1.1.92 {\n  binding state active;\n"
    '  hardware ethernet 00:16:3e:42:40:8a;\n  client-hostname "guest2";\n}\n'
)
_LAB = (
    '# ours\nname = "team-7"\n\n[share]\nserver = "baye"  # seen\n\n[[hosts]]\nname = "baye"\naddress = "10.1.1.143"\n'
)
_SEEN = Proposed("baye", "seen on baye")
_PROPOSAL = Proposal(
    _SEEN,
    ({"server": _SEEN, "export": _SEEN, "mount_point": _SEEN},),
    ({"name": _SEEN, "address": _SEEN},),
    ({"name": _SEEN},),
)
_PLAN = ActPlan(
    lab_name="embedded",
    guests=(),
    steps=("hosts",),
    alone=False,
    made=datetime(2026, 11, 28, tzinfo=UTC),
    seen={},
    acts=(),
    stops=(),
    seconds=0,
    pace=Pace(),
)


@cache
def _folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="xenlab-fuzz-")


def _written(name: str, data: bytes) -> Path:
    path = Path(_folder().name) / name
    path.write_bytes(data)
    return path


def _onto_share(text: str) -> None:
    with suppress(ConfigSyntaxError):
        modernise(text, with_type=True)
    onto_share(text, "/mnt/private/artem")


def _plan(data: bytes) -> None:
    load_plan(_written("plan.json", data))


def _attempt(data: bytes) -> None:
    attempt.read(_written(attempt.ATTEMPT, data).parent)


OWN_LAB = (
    Target("ip address", of_text(network.parse_addresses), seeds.texts(_ADDRESSES)),
    Target("ip address: link-local", of_text(network.parse_link_local), seeds.texts(_ADDRESSES)),
    Target("ip route", of_text(network.parse_routes), seeds.texts("default via 10.1.1.1 dev xenbr0 onlink\n")),
    Target(
        "ip neigh",
        of_text(network.parse_neighbours),
        seeds.texts("10.1.1.85 dev xenbr0 lladdr 00:16:3e:42:40:89 REACHABLE\n10.1.1.9 dev xenbr0 FAILED\n"),
    ),
    Target("leases", of_text(network.parse_leases), seeds.texts(_LEASES)),
    Target("SSH_CONNECTION", of_text(network.parse_connection), seeds.texts("10.1.1.1 51234 10.1.1.143 22\n")),
    Target("getent hosts", of_text(network.parse_names), seeds.texts("10.1.1.85       guest1 guest1.lab\n")),
    Target(
        "configs that are found",
        of_text(lambda text: found_configs.parse_found(text, _NONCE)),
        tuple(f"\n={_NONCE} /mnt/private/artem/guest1.cfg\n".encode() + config for config in _CONFIGS[:4]),
    ),
    Target(
        "find that may not look",
        of_text(found_configs.complaints),
        seeds.texts(
            "find: '/mnt/private/artem': Permission denied\nhead: cannot open '/x' for reading: No such file\n"
        ),
    ),
    Target("config onto the share", of_text(_onto_share), _CONFIGS, most=2 * LONGEST),
    Target(
        "disk with a prefix",
        of_text(without_prefix),
        seeds.texts("tap:aio:/home/artem/a.img,xvda1,w", "file:/x,hda,r"),
        clean=(DiskSyntaxError,),
        most=LONGEST,
    ),
    Target(
        "lab.toml, added to", of_text(lambda text: writing.merged(text, _PROPOSAL)), seeds.texts(_LAB), most=_FILE_BYTES
    ),
    Target("explain", of_text(examine), (*seeds.data("lab-report.md"), *seeds.data("report_*.txt")), most=_FILE_BYTES),
    Target("plan.json", _plan, (_PLAN.model_dump_json().encode(),), clean=(UsageError,), most=_FILE_BYTES),
    Target("attempt.json", _attempt, (b'{"number": 1}',), most=_FILE_BYTES),
)
"""Readers for labs of one's own, and for classes."""
