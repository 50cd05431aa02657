"""Who serves the share, and which line of the server's exports counts for the client."""

import time
from dataclasses import replace

import pytest
from madeuplooks import (
    ADDRESSES,
    EXPORT,
    EXPORTED,
    HOME,
    NFS,
    ROOT,
    SERVER,
    SHARE,
    fails,
    holds,
    one,
    share_look,
    share_looks,
    undecided,
    with_mounts,
)

from xenlab.lab.judging import exports
from xenlab.lab.judging import share as judge
from xenlab.lab.looks import ShareLook, Unknown
from xenlab.remote.facts import Export
from xenlab.remote.sections import Answer

SILENT = Unknown("no answer from 10.1.1.143 within 15 s", "is it up?")
NAS = SHARE.model_copy(update={"server": "nas"})


def client_with(*lines: str, **facts: object) -> tuple[ShareLook, ShareLook]:
    look = with_mounts(share_look(HOME), *lines) if lines else share_look(HOME)
    return replace(look, **facts), share_look(SERVER)  # type: ignore[arg-type]


def server_with(**facts: object) -> tuple[ShareLook, ShareLook]:
    return share_look(HOME), replace(share_look(SERVER), **facts)  # type: ignore[arg-type]


def exported(text: str) -> tuple[ShareLook, ShareLook]:
    return server_with(exports=Answer(0, text, ""))


# Served


def test_a_folder_of_that_name_on_the_other_host_is_right_where_it_is_another_of_the_labs_shares() -> None:
    both = replace(share_look(HOME), exports=Answer(0, EXPORTED, ""), nfsd_threads=8), share_look(SERVER)
    fails(one(judge.is_served(both, SHARE), "one-server"), f"exported by {HOME} and {SERVER}")
    other = SHARE.model_copy(update={"server": HOME, "mount_point": "/mnt/other"})
    holds(one(judge.is_served(both, SHARE, [other]), "one-server"), f"exported by {SERVER}")
    holds(one(judge.is_served(both, other, [SHARE]), "one-server"), f"exported by {HOME}")
    elsewhere = other.model_copy(update={"export": "/srv/other"})
    fails(one(judge.is_served(both, SHARE, [elsewhere]), "one-server"), f"exported by {HOME} and {SERVER}")


def test_a_right_share_is_served() -> None:
    served = judge.is_served(share_looks(), SHARE)
    assert [finding.id for finding in served] == ["nfs-serves", "one-server"]
    holds(served[0], "8 nfsd threads")
    holds(served[1], "exported by baye")


def test_a_stopped_server_is_told_as_such_and_not_as_what_follows() -> None:
    (finding,) = judge.is_served(server_with(nfsd_threads=0, exports=Answer(0, "", "")), SHARE)
    fails(finding, "0 nfsd threads", hint="systemctl start nfs-server")
    assert (finding.id, finding.host) == ("nfs-serves", SERVER)


@pytest.mark.parametrize(
    "text",
    [
        "/srv  <world>(rw,no_root_squash)\n",
        "/ 10.1.1.0/24(rw,no_root_squash)\n",
        "/srv/private\n\t\t<world>(rw,no_root_squash,fsid=0)\n",
        "/srv/other <world>(ro)\n/srv/private/ 10.1.1.189(rw,no_root_squash)\n",
    ],
    ids=["parent", "root", "pseudo-root on a line of its own", "another beside it"],
)
def test_an_export_may_be_of_a_folder_above(text: str) -> None:
    holds(one(judge.is_served(exported(text), SHARE), "one-server"), "baye")


@pytest.mark.parametrize("text", ["", "/srv/privateer <world>(rw)\n", "/srv/private/artem <world>(rw)\n"])
def test_what_is_not_exported_is_not_served(text: str) -> None:
    fails(one(judge.is_served(exported(text), SHARE), "one-server"), "no host", hint="/etc/exports")


def test_one_thread_serves_as_well() -> None:
    holds(one(judge.is_served(server_with(nfsd_threads=1), SHARE), "nfs-serves"), "1 nfsd threads")


def test_two_servers_are_one_too_many_but_the_other_host_may_export_something_else() -> None:
    both = client_with(exports=Answer(0, EXPORTED, ""), nfsd_threads=8)
    fails(one(judge.is_served(both, SHARE), "one-server"), "labubuntu and baye")
    other = client_with(exports=Answer(0, "/srv/backup <world>(ro)\n/srv <world>(ro)\n", ""), nfsd_threads=8)
    holds(one(judge.is_served(other, SHARE), "one-server"))


def test_what_cannot_be_asked_is_no_answer() -> None:
    refused = Answer(
        1, "", "exportfs: could not open /var/lib/nfs/.etab.lock for locking: errno 13 (Permission denied)\n"
    )
    missing = Answer(127, "", "timeout: failed to run command 'exportfs': No such file or directory\n")
    for answer in (refused, missing, Answer(None), Answer(124), Answer(0, "what is this?\n", "")):
        undecided(one(judge.is_served(server_with(exports=answer), SHARE), "one-server"))
        undecided(judge.lets_root_write(server_with(exports=answer), SHARE, ADDRESSES)[0])
    undecided(one(judge.is_served(server_with(nfsd_threads=SILENT), SHARE), "nfs-serves"), SILENT.why)
    undecided(one(judge.is_served(client_with(exports=refused), SHARE), "one-server"), "Permission denied")
    # What is seen to be wrong stays wrong, whatever else is not seen.
    looks = replace(share_look(HOME), exports=refused), exported("")[1]
    fails(one(judge.is_served(looks, SHARE), "one-server"), "no host")


def test_a_third_machine_may_be_the_server() -> None:
    looks = share_look(HOME), replace(share_look(HOME), host=SERVER, ids=("cmd-2",))
    (finding,) = judge.is_served(looks, NAS)
    holds(finding, "nas is another machine")
    assert judge.lets_root_write(looks, NAS, ADDRESSES) == ()
    for mount in judge.is_mounted(looks, NAS, ADDRESSES):
        holds(mount, "nfs4")


# Written by root


def root_may(*lines: str) -> bool | None:
    text = "".join(f"{EXPORT} {line}\n" for line in lines)
    return one(judge.lets_root_write(exported(text), SHARE, ADDRESSES), "no-root-squash").holds


def test_root_of_the_client_may_write() -> None:
    holds(
        one(judge.lets_root_write(share_looks(), SHARE, ADDRESSES), "no-root-squash"), "10.1.1.0/24", "no_root_squash"
    )


def test_an_export_is_judged_before_it_is_mounted() -> None:
    looks = client_with(ROOT, entered=Answer(2, "", "ls: cannot access '/mnt/private/.': No such file or directory\n"))
    holds(one(judge.lets_root_write(looks, SHARE, ADDRESSES), "no-root-squash"))


@pytest.mark.parametrize(
    "options",
    [
        "rw,root_squash",
        "ro,no_root_squash",
        "rw,no_root_squash,all_squash",
        "sec=sys,ro,no_root_squash,sec=krb5,rw,no_root_squash",
        "rw",
    ],
)
def test_a_squashed_root_or_a_share_to_be_read_only_is_refused(options: str) -> None:
    text = f"{EXPORT} 10.1.1.0/24({options})\n"
    finding = one(judge.lets_root_write(exported(text), SHARE, ADDRESSES), "no-root-squash", SERVER)
    fails(finding, options, hint="no_root_squash")


def test_root_may_be_mapped_to_root() -> None:
    assert root_may("10.1.1.0/24(rw,root_squash,anonuid=0,anongid=0)") is True
    assert root_may("10.1.1.0/24(rw,all_squash,anonuid=0,anongid=0)") is True
    assert root_may("10.1.1.0/24(rw,sec=krb5:sys,no_root_squash)") is True


@pytest.mark.parametrize(
    ("lines", "may"),
    [
        # Only the line of this client counts.
        (("10.1.1.189(rw,root_squash)", "10.1.1.7(rw,no_root_squash)"), False),
        (("10.1.1.189(rw,no_root_squash)", "10.1.1.7(ro,root_squash)"), True),
        (("10.1.1.189(ro,no_root_squash)", "<world>(rw,no_root_squash)"), False),
        (("<world>(ro)", "10.1.1.0/255.255.255.0(rw,no_root_squash)"), True),
        (("labubuntu(rw,root_squash)", "10.1.1.0/24(rw,no_root_squash)"), False),
        (("LABUBUNTU.lab.example(rw,no_root_squash)", "<world>(ro)"), True),
        (("backup.example(ro)", "10.1.1.189(rw,no_root_squash)"), True),
        (("lab*(rw,no_root_squash)", "<world>(ro)"), True),
        # Addresses and networks are of one kind: the first counts (exports(5)).
        (("10.1.1.0/24(rw,no_root_squash)", "10.1.1.189(ro)"), True),
        (("10.1.1.189(ro)", "10.1.1.0/24(rw,no_root_squash)"), False),
        (("fd00::/8(ro)", "10.1.1.0/24(rw,no_root_squash)"), True),
        # Who is in a netgroup is not known here: it decides nothing unless all say the same.
        (("@trusted(rw,no_root_squash)", "<world>(ro)"), None),
        (("@trusted(rw,no_root_squash)",), True),
        (("@trusted(ro)",), False),
        (("@trusted(rw,no_root_squash)", "<world>(rw,no_root_squash)"), True),
        (("*.lab.example(rw,no_root_squash)", "@trusted(ro)"), None),
        # It is mounted, so the server knows this client by a name that we do not.
        (("storage-client(rw,no_root_squash)",), True),
        (("192.168.99.0/24(rw,no_root_squash)", "192.168.98.0/24(ro)"), None),
    ],
)
def test_the_line_that_counts_is_found_as_nfs_utils_does(lines: tuple[str, ...], may: bool | None) -> None:
    assert root_may(*lines) is may


def test_a_doubt_says_what_would_end_it() -> None:
    text = f"{EXPORT} @trusted(rw,no_root_squash)\n{EXPORT} <world>(ro)\n"
    finding = one(judge.lets_root_write(exported(text), SHARE, ADDRESSES), "no-root-squash")
    undecided(finding, "@trusted", "<world>")
    assert "name its address" in finding.hint


def test_the_security_of_the_mount_chooses_among_options() -> None:
    text = f"{EXPORT} 10.1.1.0/24(sec=sys,ro,root_squash,sec=krb5,rw,no_root_squash)\n"
    kerberos = with_mounts(share_look(HOME), ROOT, NFS.replace("sec=sys", "sec=krb5"))
    holds(one(judge.lets_root_write((kerberos, exported(text)[1]), SHARE, ADDRESSES), "no-root-squash"))
    fails(one(judge.lets_root_write(exported(text), SHARE, ADDRESSES), "no-root-squash"))


def test_the_deepest_export_counts() -> None:
    text = "/srv 10.1.1.0/24(ro)\n/srv/private 10.1.1.0/24(rw,no_root_squash)\n/srv/private/artem 10.1.1.0/24(ro)\n"
    holds(one(judge.lets_root_write(exported(text), SHARE, ADDRESSES), "no-root-squash"))
    fails(
        one(
            judge.lets_root_write(exported(text.replace("/srv/private ", "/srv/x ")), SHARE, ADDRESSES),
            "no-root-squash",
        )
    )


def test_a_client_comes_from_the_address_that_its_mount_tells() -> None:
    text = f"{EXPORT} 10.1.1.0/24(rw,root_squash)\n{EXPORT} 192.168.99.0/24(rw,no_root_squash)\n"
    storage = NFS.replace("clientaddr=10.1.1.189", "clientaddr=192.168.99.3").replace("10.1.1.143", "192.168.99.2")
    looks = with_mounts(share_look(HOME), ROOT, storage), exported(text)[1]
    holds(one(judge.lets_root_write(looks, SHARE, ADDRESSES), "no-root-squash"), "192.168.99.0/24")
    unknown_address = with_mounts(looks[0], ROOT, storage.replace("clientaddr=192.168.99.3", "clientaddr=0.0.0.0"))
    fails(one(judge.lets_root_write((unknown_address, looks[1]), SHARE, ADDRESSES), "no-root-squash"), "10.1.1.0/24")


def test_an_export_to_others_only_is_named_where_the_client_could_not_mount() -> None:
    client, server = client_with(ROOT)[0], exported(f"{EXPORT} 10.9.0.0/16(rw,no_root_squash)\n")[1]
    finding = one(judge.lets_root_write((client, server), SHARE, ADDRESSES), "no-root-squash")
    fails(finding, "10.9.0.0/16", hint="add labubuntu")
    mounted = one(judge.is_mounted((client, server), SHARE, ADDRESSES), "mounted-by-nfs", HOME)
    fails(mounted, "nothing is mounted", hint="exports it to 10.9.0.0/16 only: add labubuntu")
    # It was mounted while it was exported to it: that helps no more.
    stale = replace(share_look(HOME), entered=Answer(2, "", "ls: cannot access '/mnt/private/.': Permission denied\n"))
    finding = one(judge.lets_root_write((stale, server), SHARE, ADDRESSES), "no-root-squash")
    fails(finding, "10.9.0.0/16", hint="add labubuntu")


def test_hostile_clients_take_no_time() -> None:
    begun = time.monotonic()
    for client in ("*a" * 500_000, "@" * 1_000_000, "1." * 500_000, "9" * 1_000_000, "[" * 1_000_000, "a-" * 500_000):
        exports.ruling((Export("/srv", client, ("rw",)),), ADDRESSES[HOME])
    assert time.monotonic() - begun < 2
