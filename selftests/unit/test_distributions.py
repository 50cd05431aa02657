"""Hosts of other makers than Debian: what they are known by, what hints name there; XCP-ng, which xl does not manage.

/etc/os-release is that of Debian 12 as it lies there; those of SLES, openSUSE, Rocky and XCP-ng, the inventory of
XenServer 7.0, the listing and `xl info` are written from what these publish.
"""

from dataclasses import replace

import pytest
from madeuplooks import HOME, SERVER, XL_INFO, fails, holds, host_look, one, undecided

from xenlab.causes.packages import PACKAGES, package
from xenlab.lab.judging import hosts as judge
from xenlab.lab.looks import HostLook, Unknown
from xenlab.remote import facts
from xenlab.remote.facts import System
from xenlab.remote.sections import Answer
from xenlab.xen.parsers import parse_info, parse_list

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'
SLES = 'NAME="SLES"\nVERSION="15-SP5"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP5"\nID="sles"\nID_LIKE="suse"\n'
LEAP = 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nPRETTY_NAME="openSUSE Leap 15.6"\n'
ROCKY = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n'
XCP = 'NAME="XCP-ng"\nID="xcp-ng"\nID_LIKE="centos rhel fedora"\nVERSION_ID="8.3.0"\nPRETTY_NAME="XCP-ng 8.3.0"\n'
XENSERVER = (
    "PRODUCT_VERSION='7.0.0'\nPRODUCT_VERSION_TEXT='7.0'\nPRODUCT_BRAND='XenServer'\n"
    "PRODUCT_VERSION_TEXT_SHORT='7.0'\nPRODUCT_NAME='xenenterprise'\n"
)
CENTOS = 'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'


def marked(mark: str, text: str) -> str:
    return "".join(f"{mark} {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (marked("os", DEBIAN), System("Debian GNU/Linux 12 (bookworm)", "debian")),
        (marked("os", UBUNTU), System("Ubuntu 24.04 LTS", "debian")),
        (marked("os", SLES), System("SUSE Linux Enterprise Server 15 SP5", "suse")),
        (marked("os", LEAP), System("openSUSE Leap 15.6", "suse")),
        (marked("os", ROCKY), System("Rocky Linux 9.4 (Blue Onyx)", "redhat")),
        (marked("os", XCP) + "runs xapi\n", System("XCP-ng 8.3.0", "redhat", xapi=True)),
        (
            marked("os", CENTOS) + marked("inventory", XENSERVER) + "runs xapi\n",
            System("XenServer 7.0.0", "redhat", xapi=True),
        ),
        (marked("os", 'ID=arch\nPRETTY_NAME="Arch Linux"'), System("Arch Linux")),
        ("", System()),
    ],
)
def test_what_a_host_runs(text: str, system: System) -> None:
    assert facts.system(text) == system


def test_each_package_has_a_name_in_each_family() -> None:
    for needed, names in PACKAGES.items():
        assert set(names) == {"debian", "redhat", "suse"}
        assert package(needed, "suse") == names["suse"]
        assert all(name in package(needed) for name in names.values())
        assert package(needed, "arch") == package(needed)


def test_xl_of_suse_and_of_xcp_ng_is_read_as_any() -> None:
    """SUSE's version has the package's in it; XCP-ng's domains may have blanks in their names, or none."""
    extra = XL_INFO.replace("xen_extra ", "xen_other ") + "xen_extra : .3_02-150500.3.18\n"
    assert parse_info(extra).series == parse_info(XL_INFO).series
    rows = parse_list(
        "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
        "Domain-0                                     0  2656    16     r-----   12345.6\n"
        "ubuntu 22.04 of team 7                       3  4095     2     -b----     123.4\n"
        "(null)                                       4  2047     1     --p---       0.0\n"
    )
    assert [(row.name, row.domid) for row in rows] == [
        ("Domain-0", 0),
        ("ubuntu 22.04 of team 7", 3),
        ("(null)", 4),
    ]


def domains(look: HostLook, **facts: object) -> HostLook:
    return replace(look, domains=replace(look.domains, **facts))  # type: ignore[arg-type]


XCP_NG = System("XCP-ng 8.3.0", "redhat", xapi=True)


def test_a_host_that_xapi_manages_is_not_blamed_and_nothing_is_begun_there() -> None:
    look = replace(host_look(), system=XCP_NG)
    undecided(judge.runs_xen(look), "XCP-ng 8.3.0, whose domains xapi manages")
    assert "xe vm-migrate" in judge.runs_xen(look).hint
    # Where xl does not answer, that is what is wrong; and where xapi is off, xl is alone.
    fails(judge.runs_xen(domains(look, rows=Unknown("xl: command not found"))), "not found", hint="xen-runtime")
    holds(judge.runs_xen(replace(look, system=replace(XCP_NG, xapi=False))))


@pytest.mark.parametrize(
    ("family", "package", "status", "start"),
    [
        ("debian", ": xen-utils, and", "systemctl status xen", "SYSTEMCTL_SKIP_REDIRECT=1 /etc/init.d/xen start"),
        ("suse", ": xen-tools, and", "systemctl status xenstored xenconsoled", "systemctl start xenconsoled"),
        ("redhat", ": xen-runtime, and", "systemctl status xenstored xenconsoled", "systemctl start xenconsoled"),
        ("", "xen-utils (Debian), xen-runtime (Red Hat), xen-tools (SUSE)", "systemctl status", "systemctl start"),
    ],
)
def test_hints_name_what_the_hosts_distribution_has(family: str, package: str, status: str, start: str) -> None:
    look = replace(host_look(), system=System("its name", family))
    missing = domains(look, rows=Unknown("sh: 1: xl: not found"))
    fails(judge.runs_xen(missing), "not found", hint=package)
    fails(judge.runs_xen(domains(look, rows=())), "no Domain-0", hint=status)
    fails(judge.runs_xen(replace(look, console_daemon=False)), "xenconsoled", hint=start)
    here = replace(host_look(HOME), peer=Answer(127, f"{SERVER}\n", "sh: 1: xl: not found"))
    there = replace(host_look(SERVER), system=look.system)
    peers = judge.reaches_peer(here, there, "10.1.1.143")
    fails(one(peers, "xl-on-peer"), "not found", hint=package.partition(":")[2].partition(",")[0].strip() or package)
