"""Two Dom0s that fit together: reached, on Xen, trusting each other, able to take each other's guests. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from xenlab.causes import Names, find_causes, peer_answer, remedy
from xenlab.causes.packages import package
from xenlab.lab.judging.unseen import cannot_tell, unknown_answer
from xenlab.lab.looks import HostLook, Unknown
from xenlab.outcomes import Finding
from xenlab.remote.facts import System
from xenlab.remote.sections import Answer
from xenlab.xen.cfg import XlConfig
from xenlab.xen.parsers import DomainRow, XenInfo
from xenlab.xen.vif import VifSpec
from xenlab.xen.xl import DOM0

MIN_DOM0_MIB = 128
"""Below this xl does not balloon Domain-0 down (LIBXL_MIN_DOM0_MEM in tools/libs/light/libxl_internal.h)."""
DEFAULT_MEMORY_MIB = 32
"""What a guest gets whose config names no memory (libxl_create.c)."""

# Instructions that programs choose by CPUID, as /proc/cpuinfo names them, and only those that Linux has named since
# 4.16: a newer name may be missing on the older kernel of two. What kernel options, microcode and mitigations
# switch (rtm, fsgsbase, pku, erms, md_clear...) tells two Dom0s apart, not two CPUs.
INSTRUCTION_SETS = frozenset(
    {
        *("mmx", "mmxext", "3dnow", "3dnowext", "sse", "sse2", "pni", "ssse3", "sse4_1", "sse4_2", "sse4a"),
        *("avx", "avx2", "f16c", "fma", "fma4", "xop", "tbm", "xsave", "xsaveopt", "xsavec", "aes", "vaes"),
        *("pclmulqdq", "vpclmulqdq", "gfni", "sha_ni", "bmi1", "bmi2", "abm", "adx", "popcnt", "movbe", "lahf_lm"),
        *("cmov", "cx8", "cx16", "fxsr", "rdrand", "rdseed", "rdtscp", "clflush", "clflushopt", "clwb", "clzero"),
        *("3dnowprefetch", "prefetchwt1", "misalignsse", "lm", "syscall"),
        *("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512ifma", "avx512pf", "avx512vbmi"),
        *("avx512vl", "avx512_4fmaps", "avx512_4vnniw", "avx512_bitalg", "avx512_vbmi2", "avx512_vnni"),
        "avx512_vpopcntdq",
    }
)

# What the words of xl and xenstore-ls must be about for Xen, its tools or its store to be missing.
_NO_XEN = frozenset(
    {"xl-missing", "xl-not-executable", "xen-not-running", "xenstore-down", "xl-cannot-start", "xl-conf-unreadable"}
)
_NO_DOMAIN_0 = "not even Domain-0"
# Debian has one script for all of Xen's services, which systemd takes for started however they fare.
_STATUS = {"debian": "systemctl status xen"}
_START_CONSOLES = {"debian": "SYSTEMCTL_SKIP_REDIRECT=1 /etc/init.d/xen start"}
_BY_XAPI = (
    "xenlab judges what is started and moved by xl; xapi and xl do not know of each other's domains, so it starts "
    "nothing there: take hosts whose only toolstack is xl, or judge moves by `xe vm-migrate` yourself"
)
_DOM0_MEM = re.compile(r"(?:^|\s)dom0_mem=")
_OVS_PORT = re.compile(r"[.:]")
_NEEDS_NO_BRIDGE = frozenset({"vif-route", "vif-nat"})


def is_reached(look: HostLook) -> Finding:
    """A login works, as root, and the host key is the one that known_hosts has."""
    expected = "an SSH login as root, with a verified host key"
    if look.is_root is False:
        return Finding(
            "reached",
            False,
            expected,
            actual=f"logged in on {_shown(look.name)}, but not as root",
            hint="xl needs root: log in as root, or allow the lab file's user sudo (sudo_password_env, where it asks)",
            host=look.host,
            evidence=look.ids,
        )
    for fact in (look.fingerprint, look.name, look.is_root):
        if isinstance(fact, Unknown):
            return cannot_tell("reached", expected, fact, host=look.host, evidence=look.ids)
    return Finding(
        "reached",
        True,
        expected,
        actual=f"logged in on {_shown(look.name)} as root, host key {_shown(look.fingerprint)}",
        host=look.host,
        evidence=look.ids,
    )


def by_old_ssh(machine: str, look: HostLook | None) -> str:
    """A remark on a machine that the lab file lets be reached by old SSH; `look` is of a host that was seen."""
    if look is not None and not look.old_ssh:
        return f"old_ssh of {machine} in the lab file is not needed: SSH to it stands on nothing old; take it out"
    what = "is reached by old SSH" if look else "may be reached by old SSH (old_ssh in the lab file)"
    algorithms = ", ".join(look.old_ssh) if look else "SHA-1"
    return f"{machine} {what}: {algorithms}; whoever sits between may break that: upgrade its sshd"


def runs_xen(look: HostLook) -> Finding:
    """`xl info` answers, Domain-0 is in `xl list`, xenstore answers, and consoles are served."""
    holds, actual, hint = _xen(look)
    return Finding(
        "xen-runs",
        holds,
        expected="Xen and its services run: xl info, Domain-0 in xl list, xenstore",
        actual=actual,
        hint=hint,
        host=look.host,
        evidence=look.ids,
    )


def _xen(look: HostLook) -> tuple[bool | None, str, str]:
    rows, stored = look.domains.rows, look.domains.stored
    answers: dict[str, object] = {"xl info": look.info, "xl list": rows, "xenstore": stored}
    unseen = {what: fact for what, fact in answers.items() if isinstance(fact, Unknown)}
    if not unseen and isinstance(look.info, XenInfo) and not isinstance(rows, Unknown):
        if not any(row.name == DOM0 for row in rows):
            return False, f"Xen {look.info.version}, but no {DOM0} in xl list", _xenstored(look)
        if isinstance(look.system, System) and look.system.xapi:
            # Nothing is wrong with such a host: it is only not what a lab by xl can be seen on.
            return None, f"Xen {look.info.version} of {look.system.name}, whose domains xapi manages", _BY_XAPI
        if look.console_daemon is False:
            start = _START_CONSOLES.get(_family(look), "systemctl start xenconsoled")
            return False, "xenconsoled does not run", f"{start} on {look.host}"
        return True, f"Xen {look.info.version}, Linux {look.info.release}, with {DOM0}", ""
    what, first = next(iter(unseen.items()))
    if isinstance(look.name, Unknown) or look.is_root is not True:
        return None, f"{what}: {first.why}", first.hint or "root is needed to ask Xen"
    for asked, fact in unseen.items():
        if _NO_DOMAIN_0 in fact.why:
            return False, f"{asked}: {fact.why}", _xenstored(look)
        for match in find_causes(fact.why, move=False):
            if match.cause.id in _NO_XEN:
                return False, f"{asked}: {match.line}", remedy(match, Names(source=look.host, family=_family(look)))
    if look.info is not first and {"xl list", "xenstore"} <= set(unseen) and all(f.timed_out for f in unseen.values()):
        # A request to a xenstored that is gone waits in the kernel (/dev/xen/xenbus) for ever.
        return False, "xl info answers, xl list and xenstore do not", _xenstored(look)
    return None, f"{what}: {first.why}", first.hint


def _family(look: HostLook) -> str:
    return "" if isinstance(look.system, Unknown) else look.system.family


def _xenstored(look: HostLook) -> str:
    return f"does xenstored run? {_STATUS.get(_family(look), 'systemctl status xenstored xenconsoled')}"


def run_same_series(looks: Sequence[HostLook]) -> Finding:
    """All run the same major and minor Xen: guests then move in both directions."""
    expected, evidence = "the same Xen version on both hosts", _ids(looks)
    versions: dict[str, XenInfo] = {}
    for look in looks:
        if isinstance(look.info, Unknown):
            return cannot_tell("same-xen", expected, look.info, host=look.host, evidence=evidence)
        versions[look.host] = look.info
    return Finding(
        "same-xen",
        len({info.series for info in versions.values()}) == 1,
        expected,
        actual=", ".join(f"{name}: {info.version}" for name, info in versions.items()),
        hint="install the same release on both: a guest moves to an equal or newer Xen only",
        evidence=evidence,
    )


def have_same_cpu_features(looks: Sequence[HostLook], masked: bool) -> Finding:
    """The instructions that a program in a guest may have seen at its start, it finds on either host.

    `masked` tells that the guests' configs say themselves what CPU the guests see (cpuid= in xl.cfg(5)).
    """
    expected, evidence = "the same instruction sets on both hosts' CPUs", _ids(looks)
    flags: dict[str, frozenset[str]] = {}
    for look in looks:
        if isinstance(look.cpu, Unknown):
            return cannot_tell("same-cpu-features", expected, look.cpu, host=look.host, evidence=evidence)
        flags[look.host] = look.cpu.flags & INSTRUCTION_SETS
    common = frozenset.intersection(*flags.values())
    odd = [f"only {name}: {' '.join(sorted(own - common))}" for name, own in flags.items() if own - common]
    actual = "; ".join(odd) or f"{len(common)} instruction sets, all equal"
    return Finding(
        "same-cpu-features",
        not odd or masked,
        expected,
        actual=f"{actual}; the guests' configs choose theirs by cpuid=" if odd and masked else actual,
        hint="mask what only one CPU has: cpuid= in the guests' configs (xl.cfg(5))",
        evidence=evidence,
    )


def reaches_peer(look: HostLook, peer: HostLook, at: str) -> tuple[Finding, ...]:
    """Root gets from this host to its peer, at that name or address, without being asked anything, and finds xl
    there, as `xl migrate` must.

    The answer must be the peer's name and nothing else: whatever a login shell adds would stand in the stream that
    carries the guest. Where no login works nothing is said of xl.
    """
    expected = f"ssh from {look.host} to {peer.host} answers its name and nothing else, without a prompt (BatchMode)"
    evidence = (*look.ids, *peer.ids)
    for side in (look, peer):
        if isinstance(side.name, Unknown):
            return (cannot_tell("ssh-to-peer", expected, side.name, host=look.host, evidence=evidence),)
    said, has_xl = _without_xl(look.peer)
    name = _shown(peer.name)
    if said.stdout.strip("\n") == name:
        # The first command ran, so the login did work, whatever became of the second.
        said = replace(said, exit_code=0)
    holds, actual, hint = peer_answer(
        said.stdout, said.stderr, said.exit_code, name, host=look.host, peer=peer.host, at=at
    )
    login = Finding("ssh-to-peer", holds, expected, actual, "" if holds else hint, look.host, evidence=evidence)
    return (login, _xl_on_peer(look, peer, has_xl, evidence)) if holds else (login,)


def _without_xl(answer: Answer) -> tuple[Answer, bool]:
    """The answer to the first question alone, and whether the second one, for xl, was answered as well."""
    rest = answer.stdout.removesuffix("\n")
    before, newline, last = rest.rpartition("\n")
    if answer.ok and last == "xl":
        return replace(answer, stdout=before + newline), True
    return answer, False


def _xl_on_peer(look: HostLook, peer: HostLook, has_xl: bool, evidence: tuple[str, ...]) -> Finding:
    expected = f"root's shell on {peer.host} finds xl when it comes in by ssh"
    unasked = look.peer.exit_code is None or look.peer.timed_out
    if unasked and not has_xl:
        return cannot_tell("xl-on-peer", expected, unknown_answer(look.peer), host=peer.host, evidence=evidence)
    return Finding(
        "xl-on-peer",
        has_xl,
        expected,
        actual="it does" if has_xl else look.peer.stderr.strip()[:200] or f"exit code {look.peer.exit_code}",
        hint=""
        if has_xl
        else f"on {peer.host}: is {package('xen_tools', _family(peer))} installed, and xl in the PATH that sshd sets?",
        host=peer.host,
        evidence=evidence,
    )


def can_take(look: HostLook, guest: str, asked: XlConfig, *, is_there: bool) -> tuple[Finding, ...]:
    """The host has what the guest needs: a Xen that can move its kind, its vifs' back ends, and memory.

    `asked` is the guest's config; `is_there` tells that the guest runs on this host already, in memory of its own.
    """
    findings = [_can_live_migrate(look, asked), *_back_ends(look, guest, asked.vifs)]
    if not is_there:
        findings.append(_has_memory(look, guest, asked.memory or asked.maxmem or DEFAULT_MEMORY_MIB))
    return tuple(replace(finding, host=look.host, guest=guest, evidence=look.ids) for finding in findings)


def _can_live_migrate(look: HostLook, asked: XlConfig) -> Finding:
    kind, expected = asked.type, f"a Xen that can live-migrate {asked.type} guests"
    if isinstance(look.info, Unknown):
        return cannot_tell("live-migratable", expected, look.info)
    hint = (
        "this Xen is built without shadow paging: a PV guest cannot be migrated live; make it "
        'type="pvh", or use a Xen with shadow in virt_caps'
        if kind == "pv"
        else f"a {kind} guest needs hvm and hap (or shadow): switch on the CPU's virtualisation"
    )
    actual = f"virt_caps: {' '.join(sorted(look.info.virt_caps))}"
    return Finding("live-migratable", look.info.can_live_migrate(kind), expected, actual, hint)


def _back_ends(look: HostLook, guest: str, vifs: Sequence[VifSpec]) -> Iterator[Finding]:
    """What the script of each vif needs of its host (xl-network-configuration(5), /etc/xen/scripts)."""
    judged = set[tuple[str, str]]()
    for asked in vifs:
        if isinstance(look.xl_conf, Unknown):
            yield cannot_tell("bridge", f"what xl.conf says of vifs, for {guest}", look.xl_conf)
            return
        vif = asked.on(look.xl_conf)
        script, bridge = vif.script or "", vif.bridge or ""
        # The bridge of a vif of a driver domain is there, and a routed one needs none.
        if vif.backend is not None or script in _NEEDS_NO_BRIDGE or (script, bridge) in judged:
            continue
        judged.add((script, bridge))
        if script == "vif-openvswitch":
            yield _has_switch(look, bridge)
        elif script == "vif-bridge":
            yield _has_bridge(look, bridge)


def _has_switch(look: HostLook, port: str) -> Finding:
    # BRIDGE[.VLAN][:TRUNK...] in /etc/xen/scripts/vif-openvswitch.
    switch, expected = _OVS_PORT.split(port, maxsplit=1)[0], f"an Open vSwitch bridge for {port}"
    if isinstance(look.switches, Unknown):
        return cannot_tell("bridge", expected, look.switches)
    return Finding(
        "bridge",
        bool({port, switch} & look.switches),
        expected,
        actual=f"Open vSwitch bridges: {', '.join(sorted(look.switches)) or 'none'}",
        hint=f"ovs-vsctl add-br {switch} on {look.host}: a guest that arrives needs the bridge its vif names",
    )


def _has_bridge(look: HostLook, bridge: str) -> Finding:
    expected = f"a bridge {bridge}"
    if isinstance(look.bridges, Unknown):
        return cannot_tell("bridge", expected, look.bridges)
    # Where there is no xenbr0, vif-bridge takes an eth0 that is a bridge, as old set-ups have it.
    renamed = f"eth{bridge.removeprefix('xenbr')}" if bridge.startswith("xenbr") else bridge
    is_switch = not isinstance(look.switches, Unknown) and bridge in look.switches
    return Finding(
        "bridge",
        bool({bridge, renamed} & look.bridges),
        expected,
        actual=f"{bridge} is of Open vSwitch" if is_switch else f"bridges: {', '.join(sorted(look.bridges)) or 'none'}",
        hint=f"{bridge} takes vifs by script=vif-openvswitch: in the vif, or as vif.default.script in /etc/xen/xl.conf"
        if is_switch
        else f"create {bridge} on {look.host}: a guest that arrives needs the bridge its vif names",
    )


def _has_memory(look: HostLook, guest: str, mib: int) -> Finding:
    expected = f"at least {mib} MiB for {guest}"
    if isinstance(look.info, Unknown):
        return cannot_tell("memory-free", expected, look.info)
    free = look.info.free_memory_mib
    spare = 0 if free >= mib else _spare_of_dom0(look, look.info)
    if isinstance(spare, Unknown):
        return cannot_tell("memory-free", expected, replace(spare, why=f"{free} MiB free; {spare.why}"))
    return Finding(
        "memory-free",
        free + spare >= mib,
        expected,
        actual=f"{free} MiB free" + (f", and {spare} MiB that xl may take from {DOM0}" if spare else ""),
        hint="lower memory= of this guest or of those beside it, or Domain-0's share (dom0_mem= on Xen's command line)",
    )


def _spare_of_dom0(look: HostLook, info: XenInfo) -> int | Unknown:
    """The MiB that xl itself may take from Domain-0 for a guest: autoballoon in xl.conf(5).

    As "auto", its default, it is off where Xen's command line has dom0_mem= (auto_autoballoon() in tools/xl/xl.c).
    """
    if isinstance(look.xl_conf, Unknown):
        return look.xl_conf
    given = look.xl_conf.autoballoon or "auto"
    fixed = _DOM0_MEM.search(info.raw.get("xen_commandline", "")) is not None
    if given == "off" or (given == "auto" and fixed):
        return 0
    rows = look.domains.rows
    if isinstance(rows, Unknown):
        return rows
    dom0: DomainRow | None = next((row for row in rows if row.domid == 0), None)
    return max(0, dom0.memory_mib - MIN_DOM0_MIB) if dom0 else 0


def _ids(looks: Sequence[HostLook]) -> tuple[str, ...]:
    return tuple(id_ for look in looks for id_ in look.ids)


def _shown(fact: object) -> str:
    return fact.why if isinstance(fact, Unknown) else str(fact)
