"""xl's command lines and what it prints back."""

import shlex

import pytest
from paths import DATA

from xenlab.errors import CannotObserve, UsageError
from xenlab.xen import xl
from xenlab.xen.parsers import (
    DomainDisk,
    DomainVif,
    parse_info,
    parse_list,
    parse_list_long,
)


def read(name: str) -> str:
    return (DATA / name).read_text("utf-8")


def test_report_listing_of_the_paused_guest() -> None:
    dom0, guest = parse_list(read("report_xl_list_paused.txt"))
    assert (dom0.name, dom0.domid, dom0.memory_mib, dom0.vcpus, dom0.state) == (xl.DOM0, 0, 13984, 4, "r-----")
    assert (guest.name, guest.domid, guest.memory_mib, guest.cpu_seconds) == ("guest1", 28, 1024, 28.0)
    assert guest.state == "--p---"
    assert guest.paused
    assert not guest.alive


def test_report_listing_of_the_arrived_guest() -> None:
    _, guest = parse_list(read("report_xl_list_arrived.txt"))
    assert (guest.domid, guest.state, guest.paused, guest.alive, guest.cpu_seconds) == (4, "-b----", False, True, 0.3)


def test_the_report_proof_of_the_live_migration_is_an_old_listing() -> None:
    """Same domain id, same CPU time and still paused: it cannot be the guest that had just arrived."""
    _, before = parse_list(read("report_xl_list_paused.txt"))
    _, after = parse_list(read("report_xl_list_after_live.txt"))
    assert before == after
    assert not after.alive


def test_states_long_names_and_extra_columns() -> None:
    rows = parse_list(
        "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID\n"
        "a-name-that-is-longer-than-forty-characters-is    12   128     1     ---sc-       3.1 0000 - -\n"
        "guest1--incoming                            13   127     1     --p---       0.0\n"
        "(null)                                      14     0     1     --ps-d      28.6\n"
        "my guest                                    15   128     2     ------       0.5\n"
    )
    crashed, incoming, dying, idle = rows
    assert crashed.name == "a-name-that-is-longer-than-forty-characters-is"
    assert crashed.crashed
    assert crashed.shutdown
    assert incoming.name.endswith(xl.INCOMING)
    assert dying.dying
    assert not dying.crashed
    assert (idle.name, idle.alive) == ("my guest", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "printed nothing"),
        ("libxl: error: no\n", "libxl: error: no"),
        ("Name   ID   Mem VCPUs\tState\tTime(s)\n", "not even Domain-0"),
        ("Name   ID   Mem VCPUs\tState\tTime(s)\nDomain-0  0  1024  4  r----", "r----"),
    ],
)
def test_an_unread_listing_is_not_an_empty_one(text: str, words: str) -> None:
    with pytest.raises(CannotObserve, match=words):
        parse_list(text)


# The lines and their order are those of xl_info.c.
INFO_414 = """\
host                   : labubuntu
release                : 5.10.0-30-amd64
version                : #1 SMP Debian 5.10.218-1 (2024-06-01)
machine                : x86_64
nr_cpus                : 1
max_cpu_id             : 0
nr_nodes               : 1
cores_per_socket       : 1
threads_per_core       : 1
cpu_mhz                : 2100.103
hw_caps                : 078bfbfd:80202001:28100800:00000003:00000001:00000000:00000000:00000000
virt_caps              : pv shadow
total_memory           : 1279
free_memory            : 430
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
xen_major              : 4
xen_minor              : 14
xen_extra              : .7-pre
xen_version            : 4.14.7-pre
xen_caps               : xen-3.0-x86_64
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          :
xen_commandline        : console=com1 com1=115200,8n1 dom0_mem=768M,max:768M
cc_compiler            : x86_64-linux-gnu-gcc (Debian 10.2.1-6) 10.2.1 20210110
cc_compile_date        : Sun Jun 16 14:23:46 UTC 2024
build_id               : 4e7ab1a0ee5f
xend_config_format     : 4
"""
INFO_420 = (
    INFO_414.replace("pv shadow", "pv hvm hap gnttab-v1 gnttab-v2")
    .replace("4.14.7-pre", "4.20.0")
    .replace("xen_minor              : 14", "xen_minor              : 20")
    .replace("xen-3.0-x86_64\n", "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_64 \n")
)
INFO_49 = INFO_414.replace(": pv shadow", ": hvm").replace("xen_minor              : 14", "xen_minor : 9")


def test_info_is_read() -> None:
    info = parse_info(INFO_414)
    assert (info.version, info.release, info.series) == ("4.14.7-pre", "5.10.0-30-amd64", (4, 14))
    assert (info.free_memory_mib, info.total_memory_mib, info.nr_cpus) == (430, 1279, 1)
    assert info.virt_caps == {"pv", "shadow"}
    assert info.xen_caps == ("xen-3.0-x86_64",)
    assert info.raw["xen_commandline"].endswith("max:768M")
    assert info.raw["xen_changeset"] == ""
    assert parse_info(INFO_420).xen_caps == ("xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64")


@pytest.mark.parametrize(
    ("text", "pv", "pvh"),
    [
        (INFO_414, True, False),
        (INFO_420, False, True),
        (INFO_414.replace("pv shadow", "pv hvm shadow"), True, True),
        (INFO_414.replace("pv shadow", "pv hvm"), False, False),
        (INFO_414.replace(" pv shadow", ""), False, False),
        (INFO_49, True, True),
    ],
)
def test_which_guests_can_be_moved_live(text: str, pv: bool, pvh: bool) -> None:
    info = parse_info(text)
    assert info.can_live_migrate("pv") is pv
    assert info.can_live_migrate("pvh") is pvh
    assert info.can_live_migrate("hvm") is pvh


@pytest.mark.parametrize("key", ["xen_version", "free_memory", "virt_caps", "xen_minor"])
def test_info_without_a_line_cannot_be_observed(key: str) -> None:
    lines = INFO_414.splitlines(keepends=True)
    with pytest.raises(CannotObserve, match=key):
        parse_info("".join(line for line in lines if not line.startswith(key)))


def test_info_with_a_number_that_is_none() -> None:
    with pytest.raises(CannotObserve, match="plenty"):
        parse_info(INFO_414.replace(": 430", ": plenty"))


# Fields as libxl_types.idl has them; what has its default value is left out.
LONG = """\
[
    { "domid": 0, "config": { "c_info": { "type": "pv", "name": "Domain-0" }, "b_info": {} } },
    {
        "domid": 5,
        "config": {
            "c_info": { "type": "pv", "name": "guest1", "uuid": "0b8d", "run_hotplug_scripts": "True" },
            "b_info": { "kernel": "/mnt/vmlinuz", "ramdisk": "/mnt/initrd", "type.pv": {} },
            "disks": [
                { "pdev_path": "/mnt/guest1.img", "vdev": "xvda1", "backend": "phy", "format": "raw",
                  "removable": 1, "readwrite": 1 },
                { "vdev": "hdc", "format": "empty", "is_cdrom": 1 }
            ],
            "nics": [ { "devid": 0, "mac": "00:16:3e:42:40:89", "bridge": "xenbr0", "script": "/x" } ],
            "on_reboot": "restart"
        }
    }
]
"""


def test_long_listing() -> None:
    dom0, guest = parse_list_long(LONG)
    assert (dom0.name, dom0.domid, dom0.kernel, dom0.disks, dom0.vifs) == ("Domain-0", 0, None, (), ())
    assert (guest.name, guest.domid, guest.type) == ("guest1", 5, "pv")
    assert (guest.kernel, guest.ramdisk, guest.bootloader) == ("/mnt/vmlinuz", "/mnt/initrd", None)
    assert guest.disks == (
        DomainDisk("/mnt/guest1.img", "xvda1", "raw", "rw"),
        DomainDisk("", "hdc", "empty", "ro"),
    )
    assert guest.vifs == (DomainVif("00:16:3e:42:40:89", "xenbr0", None),)


def test_long_listing_of_an_old_xen() -> None:
    text = LONG.replace(
        '"kernel": "/mnt/vmlinuz", "ramdisk": "/mnt/initrd", "type.pv": {}', '"type.pv": {"kernel": "/k"}'
    )
    assert parse_list_long(text)[1].kernel == "/k"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing"),
        ("[\nlibxl: error\n]", "libxl: error"),
        (LONG.replace('"c_info"', '"d_info"'), "c_info"),
        (LONG.replace('"mac"', '"mad"'), "mac"),
        ("[3]", "unknown"),
        ("{}", "config"),
    ],
)
def test_long_listing_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(CannotObserve, match=words):
        parse_list_long(text)


def test_command_lines() -> None:
    assert xl.info() == ("xl", "info")
    assert xl.list_domains() == ("xl", "list")
    assert xl.list_long("guest1") == ("xl", "list", "-l", "guest1")
    assert xl.create("/mnt/g.cfg") == ("xl", "create", "/mnt/g.cfg")
    assert xl.create("/mnt/g.cfg", dryrun=True) == ("xl", "create", "--dryrun", "/mnt/g.cfg")
    assert xl.shutdown("guest1") == ("xl", "shutdown", "-w", "guest1")
    assert xl.console("guest1") == ("xl", "console", "guest1")
    assert xl.pause("guest1") == ("xl", "pause", "guest1")
    assert xl.unpause("guest1") == ("xl", "unpause", "guest1")


def test_migrate_quotes_ssh_for_the_shell_that_xl_hands_it_to() -> None:
    assert xl.migrate("guest1", "10.1.1.143") == ("xl", "-vvv", "migrate", "guest1", "10.1.1.143")
    argv = xl.migrate("guest1", "10.1.1.143", ("ssh", "-o", "BatchMode=yes", "-i", "/a key"))
    assert argv == ("xl", "-vvv", "migrate", "-s", "ssh -o BatchMode=yes -i '/a key'", "guest1", "10.1.1.143")


@pytest.mark.parametrize("target", ["2001:db8::143", "fe80::fc:ff:fe00:3%xenbr0"])
def test_migrate_to_an_ipv6_address_is_one_word_of_the_line_that_xl_makes(target: str) -> None:
    """xl_migrate.c: "exec %s %s xl migrate-receive", which sh takes apart."""
    *_, given = xl.migrate("guest1", target)
    assert shlex.split(f"exec ssh {given} xl migrate-receive") == ["exec", "ssh", target, "xl", "migrate-receive"]


@pytest.mark.parametrize("name", ["", "-a", "28", "a b", "a\n"])
def test_what_xl_would_not_take_for_a_name(name: str) -> None:
    with pytest.raises(UsageError):
        xl.shutdown(name)


@pytest.mark.parametrize("target", ["", "-oProxyCommand=x", "a;b", "a b", "$(x)"])
def test_what_is_no_host(target: str) -> None:
    with pytest.raises(UsageError):
        xl.migrate("guest1", target)


@pytest.mark.parametrize("config", ["", "-c", "name=x"])
def test_what_is_no_config_file(config: str) -> None:
    with pytest.raises(UsageError):
        xl.create(config)
