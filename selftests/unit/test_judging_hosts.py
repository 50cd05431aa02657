"""What two Dom0s are judged by: each check red with a wrong lab, green with an unusual but right one."""

from dataclasses import replace

import pytest
from madeuplooks import (
    FIXED_TEXT,
    FLAGS,
    GUEST,
    HOME,
    SERVER,
    XL_INFO,
    config,
    fails,
    holds,
    host_look,
    one,
    row,
    undecided,
)

from xenlab.lab.hosts import HostsFound
from xenlab.lab.judging import hosts as judge
from xenlab.lab.looks import HostLook, Unknown
from xenlab.labfile import HostSpec
from xenlab.remote.facts import Cpu
from xenlab.remote.sections import Answer
from xenlab.xen.cfg import XlConfig
from xenlab.xen.conf import parse_xl_conf
from xenlab.xen.parsers import XenInfo, parse_info

SILENT = Unknown("no answer from 10.1.1.189 within 15 s", "is it up?")
LATE = Unknown("it did not answer in time", "does it hang?", timed_out=True)


def unreachable(name: str = SERVER) -> HostLook:
    return replace(HostLook.unseen(name, SILENT.why), ids=("cmd-lost",))


def xen(**lines: object) -> XenInfo:
    text = "".join(line for line in XL_INFO.splitlines(keepends=True) if line.split()[0] not in lines)
    return parse_info(text + "".join(f"{key} : {value}\n" for key, value in lines.items()))


def domains(look: HostLook, **facts: object) -> HostLook:
    return replace(look, domains=replace(look.domains, **facts))  # type: ignore[arg-type]


# Reached, and on Xen


def test_a_right_host() -> None:
    look = host_look()
    holds(judge.is_reached(look), HOME, "SHA256:labubuntu", "root")
    holds(judge.runs_xen(look), "Xen 4.14.6", "Linux 5.10.0-30-amd64", "Domain-0")


def test_a_host_that_is_reached_by_old_ssh_is_told_of() -> None:
    old = replace(host_look(), old_ssh=("key exchange diffie-hellman-group1-sha1", "MAC hmac-sha1"))
    assert judge.by_old_ssh("labubuntu", old).startswith(
        "labubuntu is reached by old SSH: key exchange diffie-hellman-group1-sha1, MAC hmac-sha1; "
    )
    assert "is not needed" in judge.by_old_ssh("labubuntu", host_look())
    assert judge.by_old_ssh("gate", None).startswith("gate may be reached by old SSH (old_ssh in the lab file): SHA-1;")


def test_a_silent_host_is_not_blamed() -> None:
    undecided(judge.is_reached(unreachable()), SILENT.why)
    undecided(judge.runs_xen(unreachable()), SILENT.why)
    undecided(judge.is_reached(replace(host_look(), name=LATE)), "in time")


def test_a_login_that_is_not_root_is_refused() -> None:
    look = replace(host_look(), is_root=False)
    fails(judge.is_reached(look), "not as root", hint="sudo")
    undecided(judge.runs_xen(replace(look, info=Unknown("xencall: privileged command interface: Permission denied"))))
    for unsure in (replace(host_look(), name=SILENT), look):
        undecided(judge.runs_xen(replace(unsure, info=Unknown("cannot init xl context"))))


@pytest.mark.parametrize(
    "words",
    [
        "timeout: failed to run command 'xl': No such file or directory",
        "timeout: failed to run command ‘xl’: No such file or directory",
        "timeout: can't execute 'xl': No such file or directory",
        "sh: 12: xl: not found",
        "bash: line 1: xl: command not found",
        "xencall: error: Could not obtain handle on privileged command interface: No such file or directory",
        "ERROR:  Can't find hypervisor information in sysfs!",
        "libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: No such file or directory",
        "cannot init xl context",
    ],
)
def test_a_host_without_xen_is_wrong_at_once(words: str) -> None:
    look = domains(replace(host_look(), info=Unknown(words)), rows=Unknown(words))
    fails(judge.runs_xen(look), words)


@pytest.mark.parametrize(
    "words",
    [
        "libxl: error: libxl.c:110:libxl_ctx_alloc: cannot connect to xenstore: No such file or directory",
        "xenstore-ls: xs_open: Connection refused",
        "xenstore tells of no domain, not even Domain-0",
    ],
)
def test_a_stopped_xenstored_is_named(words: str) -> None:
    fails(judge.runs_xen(domains(host_look(), stored=Unknown(words))), words, hint="xenstored")


def test_a_xenstored_that_is_gone_lets_everybody_wait_for_ever() -> None:
    gone = domains(host_look(), rows=LATE, stored=LATE)
    fails(judge.runs_xen(gone), "xl list and xenstore do not", hint="xenstored")
    undecided(judge.runs_xen(domains(host_look(), rows=LATE)), "xl list", "in time")
    undecided(judge.runs_xen(domains(host_look(), rows=LATE, stored=Unknown("Killed"))), "xl list", "in time")
    undecided(judge.runs_xen(replace(gone, info=LATE)), "in time")


def test_domain_0_must_be_listed_by_its_name() -> None:
    # xl prints (null) for a domain whose name it cannot read in xenstore.
    fails(judge.runs_xen(domains(host_look(), rows=(row("(null)", 0, 4096),))), "no Domain-0", hint="xenstored")


def test_consoles_must_be_served() -> None:
    fails(judge.runs_xen(replace(host_look(), console_daemon=False)), "xenconsoled", hint="systemctl start xenconsoled")
    holds(judge.runs_xen(replace(host_look(), console_daemon=Unknown("no pgrep"))))


@pytest.mark.parametrize("words", ["sh: 1: xenstore-ls: not found", "it did not answer in time", "Killed"])
def test_a_tool_that_cannot_be_run_is_no_fault_of_the_lab(words: str) -> None:
    undecided(judge.runs_xen(domains(host_look(), stored=Unknown(words))), "xenstore", words)


# Fitting together


def test_xen_may_differ_in_its_last_number_only() -> None:
    first, second = host_look(HOME), host_look(SERVER)
    holds(judge.run_same_series((first, replace(second, info=xen(xen_version="4.14.1")))), "4.14.1", "4.14.6")
    other = replace(second, info=xen(xen_minor=17, xen_version="4.17.3"))
    fails(judge.run_same_series((first, other)), "labubuntu: 4.14.6, baye: 4.17.3")
    undecided(judge.run_same_series((first, unreachable())), SILENT.why)


def flagged(look: HostLook, *more: str) -> HostLook:
    return replace(look, cpu=Cpu("a CPU", FLAGS | set(more), 4))


@pytest.mark.parametrize(
    "odd", ["ibpb", "ssbd", "rtm", "fsgsbase", "pku", "erms", "flush_l1d", "avx_vnni", "tsc_known_freq"]
)
def test_what_kernel_options_and_microcode_switch_is_no_difference(odd: str) -> None:
    holds(
        judge.have_same_cpu_features((flagged(host_look(HOME), odd), host_look(SERVER)), masked=False), "6 instruction"
    )


@pytest.mark.parametrize("flag", ["avx2", "avx512f", "bmi2", "fma", "sha_ni", "rdseed", "sse4_2", "xsavec"])
def test_an_instruction_set_of_one_cpu_alone_is_one(flag: str) -> None:
    looks = flagged(host_look(HOME), flag), host_look(SERVER)
    fails(judge.have_same_cpu_features(looks, masked=False), f"only labubuntu: {flag}", hint="cpuid=")
    holds(judge.have_same_cpu_features(looks, masked=True), flag, "cpuid=")


def test_an_unseen_cpu_is_not_judged() -> None:
    undecided(judge.have_same_cpu_features((host_look(), unreachable()), masked=True), SILENT.why)


# From one to the other

AT = "10.1.1.143"


def peers(answer: Answer, **facts: object) -> tuple[HostLook, HostLook]:
    return replace(host_look(HOME), peer=answer), replace(host_look(SERVER), **facts)  # type: ignore[arg-type]


def test_the_peer_answers_its_name_and_has_xl() -> None:
    findings = judge.reaches_peer(*peers(Answer(0, "baye\nxl\n", "Welcome to baye\n")), AT)
    holds(one(findings, "ssh-to-peer", HOME))
    holds(one(findings, "xl-on-peer", SERVER))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, "Welcome\nbaye\nxl\n"),
        Answer(0, "baye\nxl\nBye\n"),
        Answer(0, "Please login as 'cirros' user, not as root\n\n"),
        Answer(142, "Please login as 'cirros' user, not as root\n\n"),
        Answer(1, "This account is currently not available.\n"),
        Answer(0, "labubuntu\nxl\n"),
        Answer(0, ""),
        Answer(255, "", "root@10.1.1.143: Permission denied (publickey,password).\n"),
        Answer(255, "", "Host key verification failed.\n"),
        Answer(255, "", "ssh: connect to host 10.1.1.143 port 22: Connection timed out\n"),
        Answer(255, "", "ssh: connect to host 10.1.1.143 port 22: No route to host\n"),
        Answer(255, "", "ssh: connect to host 10.1.1.143 port 2222: Connection refused\n"),
    ],
)
def test_whatever_stands_beside_the_peers_name_would_stand_in_the_migration_stream(answer: Answer) -> None:
    (finding,) = judge.reaches_peer(*peers(answer), AT)
    fails(finding)
    assert (finding.id, finding.host) == ("ssh-to-peer", HOME)


def test_what_to_do_about_it_is_said_of_the_address_that_was_tried() -> None:
    (finding,) = judge.reaches_peer(*peers(Answer(255, "", "Host key verification failed.\n")), AT)
    assert f"ssh-keyscan {AT}" in finding.hint


@pytest.mark.parametrize("code", [None, 124])
def test_a_login_that_hangs_is_not_judged(code: int | None) -> None:
    (finding,) = judge.reaches_peer(*peers(Answer(code, "", "")), AT)
    undecided(finding)


def test_a_peer_that_we_cannot_reach_either_is_not_judged() -> None:
    for answer in (
        Answer(255, "", "ssh: connect to host 10.1.1.143 port 22: No route to host\n"),
        Answer(0, "baye\nxl\n"),
    ):
        (finding,) = judge.reaches_peer(replace(host_look(HOME), peer=answer), unreachable(), AT)
        undecided(finding, SILENT.why)
    (finding,) = judge.reaches_peer(unreachable(HOME), host_look(SERVER), AT)
    undecided(finding, SILENT.why)


@pytest.mark.parametrize(
    ("code", "words"),
    [(127, "bash: line 1: xl: command not found"), (1, "zsh:1: command not found: xl"), (1, "cannot init xl context")],
)
def test_xl_must_be_found_by_roots_shell_on_the_peer(code: int, words: str) -> None:
    findings = judge.reaches_peer(*peers(Answer(code, "baye\n", f"{words}\n")), AT)
    holds(one(findings, "ssh-to-peer"))
    fails(one(findings, "xl-on-peer", SERVER), words, hint="PATH")


def test_xl_that_hangs_on_the_peer_is_not_judged() -> None:
    findings = judge.reaches_peer(*peers(Answer(124, "baye\n", "")), AT)
    holds(one(findings, "ssh-to-peer"))
    undecided(one(findings, "xl-on-peer"))


# Taking a guest


def asked(*vifs: str, **words: str) -> XlConfig:
    text = FIXED_TEXT.replace("'mac=00:16:3e:00:00:85,bridge=xenbr0'", ", ".join(f"'{vif}'" for vif in vifs))
    for old, new in words.items():
        text = text.replace(old, new)
    return config(text)


def bridge_of(look: HostLook, *vifs: str) -> list[bool | None]:
    findings = judge.can_take(look, "guest1", asked(*vifs), is_there=True)
    return [finding.holds for finding in findings if finding.id == "bridge"]


def test_a_right_host_takes_the_guest() -> None:
    findings = judge.can_take(host_look(SERVER), "guest1", config(), is_there=False)
    assert [finding.id for finding in findings] == ["live-migratable", "bridge", "memory-free"]
    for finding in findings:
        holds(finding)
        assert (finding.host, finding.guest) == (SERVER, "guest1")


def test_a_xen_that_cannot_log_dirty_pages_is_refused() -> None:
    flat = replace(host_look(), info=xen(virt_caps="pv hvm hap"))
    fails(one(judge.can_take(flat, "guest1", config(), is_there=True), "live-migratable"), "hap", hint="pvh")
    pvh = asked("", pv="pvh")
    holds(one(judge.can_take(flat, "guest1", pvh, is_there=True), "live-migratable"))
    undecided(one(judge.can_take(unreachable(), "guest1", pvh, is_there=True), "live-migratable"), SILENT.why)


def test_a_vif_without_a_bridge_takes_the_default_one() -> None:
    look = replace(host_look(), bridges=frozenset({"br0"}))
    assert bridge_of(look, "mac=00:16:3e:00:00:85") == [False]
    with_default = replace(look, xl_conf=parse_xl_conf('vif.default.bridge="br0"\n'))
    assert bridge_of(with_default, "mac=00:16:3e:00:00:85") == [True]
    assert bridge_of(with_default, "bridge=xenbr0") == [False]


def test_a_missing_bridge_is_named() -> None:
    look = replace(host_look(SERVER), bridges=frozenset({"br0", "virbr0"}))
    finding = one(judge.can_take(look, "guest1", config(), is_there=True), "bridge")
    fails(finding, "bridges: br0, virbr0", hint="create xenbr0 on baye")


@pytest.mark.parametrize(
    "vif",
    [
        "script=vif-route,ip=192.0.2.6",
        "script=/etc/xen/scripts/vif-nat",
        "backend=netvm,bridge=br0",
        "script=vif-of-our-own,bridge=br0",
    ],
)
def test_vifs_that_need_no_bridge_of_this_host_ask_for_none(vif: str) -> None:
    bare = replace(host_look(), bridges=frozenset())
    assert bridge_of(bare, vif) == []
    assert bridge_of(bare, vif, "bridge=xenbr0") == [False]


def test_a_default_script_counts_where_the_vif_names_none() -> None:
    routed = replace(host_look(), bridges=frozenset(), xl_conf=parse_xl_conf('vif.default.script="vif-route"\n'))
    assert bridge_of(routed, "ip=192.0.2.6") == []
    driven = replace(host_look(), bridges=frozenset(), xl_conf=parse_xl_conf('vif.default.backend="netvm"\n'))
    assert bridge_of(driven, "bridge=br0") == []
    assert bridge_of(driven, "bridge=br0,backend=0") == [False]


def test_open_vswitch_is_asked_for_its_own_bridges() -> None:
    look = replace(host_look(), bridges=frozenset(), switches=frozenset({"ovs0"}))
    assert bridge_of(look, "script=vif-openvswitch,bridge=ovs0") == [True]
    assert bridge_of(look, "script=vif-openvswitch,bridge=ovs0.100:200:300") == [True]
    assert bridge_of(look, "script=vif-openvswitch,bridge=ovs1") == [False]
    assert bridge_of(replace(look, switches=Unknown("ovs-vsctl: timed out")), "script=vif-openvswitch,bridge=ovs0") == [
        None
    ]
    (finding,) = (f for f in judge.can_take(look, "guest1", asked("bridge=ovs0"), is_there=True) if f.id == "bridge")
    fails(finding, "Open vSwitch", hint="script=vif-openvswitch")


def test_an_eth0_that_is_a_bridge_stands_for_xenbr0() -> None:
    assert bridge_of(replace(host_look(), bridges=frozenset({"eth0"})), "bridge=xenbr0") == [True]
    assert bridge_of(replace(host_look(), bridges=frozenset({"eth1"})), "bridge=xenbr0") == [False]


def test_two_vifs_on_one_bridge_are_one_need_and_an_unseen_bridge_none() -> None:
    assert bridge_of(host_look(), "bridge=xenbr0", "bridge=xenbr0", "bridge=br1") == [True, False]
    assert bridge_of(replace(host_look(), bridges=SILENT), "bridge=xenbr0") == [None]
    assert bridge_of(replace(host_look(), xl_conf=SILENT), "bridge=xenbr0") == [None]
    assert bridge_of(replace(host_look(), xl_conf=SILENT)) == []


def memory(look: HostLook, is_there: bool = False) -> list[bool | None]:
    findings = judge.can_take(look, "guest1", config(), is_there=is_there)
    return [finding.holds for finding in findings if finding.id == "memory-free"]


FIXED, FREE = "dom0_mem=4096M,max:4096M", "console=com1"


@pytest.mark.parametrize(
    ("free", "command_line", "conf", "fits"),
    [
        (1024, FIXED, "", True),
        (1023, FIXED, "", False),
        (18, FREE, "", True),  # autoballoon is on by itself
        (18, FREE, 'autoballoon="auto"', True),
        (18, FREE, 'autoballoon="off"', False),
        (18, FIXED, 'autoballoon="on"', True),
        (18, f"{FREE} {FIXED}", 'autoballoon="auto"', False),
        (18, "nodom0_mem=1", "", True),
    ],
)
def test_memory_counts_what_xl_may_take_from_domain_0(free: int, command_line: str, conf: str, fits: bool) -> None:
    info = xen(free_memory=free, xen_commandline=command_line)
    assert memory(replace(host_look(), info=info, xl_conf=parse_xl_conf(conf))) == [fits]


def test_a_config_without_memory_asks_for_xls_default() -> None:
    for free, fits in ((32, True), (31, False)):
        look = replace(host_look(), info=xen(free_memory=free))
        findings = judge.can_take(look, "guest1", asked("", **{"memory = 1024\n": ""}), is_there=False)
        assert one(findings, "memory-free").holds is fits
    look = replace(host_look(), info=xen(free_memory=500))
    findings = judge.can_take(look, "guest1", asked("", memory="maxmem"), is_there=False)
    fails(one(findings, "memory-free"), "500 MiB free")


def test_domain_0_keeps_its_last_128_mib() -> None:
    look = replace(host_look(), info=xen(free_memory=0, xen_commandline=FREE))
    assert memory(domains(look, rows=(row("Domain-0", 0, 1152),))) == [True]
    assert memory(domains(look, rows=(row("Domain-0", 0, 1151),))) == [False]


def test_a_guest_that_runs_there_has_its_memory() -> None:
    full = replace(host_look(), info=xen(free_memory=0))
    assert memory(full) == [False]
    assert memory(full, is_there=True) == []


def test_memory_that_cannot_be_reckoned_is_not_judged() -> None:
    look = replace(host_look(), info=xen(free_memory=18, xen_commandline=FREE))
    assert memory(domains(look, rows=SILENT)) == [None]
    assert memory(replace(look, xl_conf=SILENT)) == [None]
    assert memory(unreachable()) == [None]
    assert memory(replace(host_look(), xl_conf=SILENT)) == [True]


def test_both_hosts_are_asked_for_every_guest_however_they_are_given() -> None:
    """Given one by one, as a step does, the guests were asked for on the first host alone."""
    specs = HostSpec(name=HOME, address="10.1.1.189"), HostSpec(name=SERVER, address=AT)
    found = HostsFound((host_look(HOME), host_look(SERVER)), specs, (GUEST,))
    made = {(finding.id, finding.host) for finding in found.can_take(guest.name for guest in (GUEST,))}
    assert made == {(id_, host) for id_ in ("live-migratable", "bridge", "memory-free") for host in (HOME, SERVER)}
