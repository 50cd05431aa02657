"""Labs by IPv6: how addresses are spelled in the lab file, and whose export and mount a share is."""

from dataclasses import replace

import pytest
from madeuplooks import HOME, ROOT, SERVER, SHARE, fails, holds, one, share_look, with_mounts
from pydantic import TypeAdapter

from xenlab.fields import Address, NameOrAddress, Target
from xenlab.lab.judging import share as judge
from xenlab.lab.looks import ShareLook
from xenlab.remote.sections import Answer


@pytest.mark.parametrize("field", [Address, Target, NameOrAddress])
@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2001:DB8:0::143", "2001:db8::143"),
        ("FE80::1%xenbr0", "fe80::1%xenbr0"),
        ("fe80::1", "link-local: it needs the device that leads there, as in fe80::1%eth0"),
        ("[2001:db8::143]", "stands here without brackets"),
        ("ff02::1", "not the address of one machine"),
    ],
)
def test_addresses_are_spelled_in_one_way(field: object, text: str, spelled: str) -> None:
    try:
        said = TypeAdapter(field).validate_python(text)
    except ValueError as wrong:
        said = str(wrong)
        assert " " in spelled
    assert spelled in said


def mounted(source: str, address: str) -> tuple[ShareLook, ShareLook]:
    line = f"83 25 0:45 / /mnt/private rw,relatime - nfs4 {source} rw,vers=4.2,addr={address}"
    return with_mounts(share_look(HOME), ROOT, line), share_look(SERVER)


def test_a_share_that_comes_by_ipv6() -> None:
    known = {HOME: {HOME, "2001:db8::189"}, SERVER: {SERVER, "2001:db8::143"}}
    for source, address in (("[2001:db8::143]:/srv/private", "2001:db8::143"), ("baye:/srv/private", "2001:db8::143")):
        looks = mounted(source, address)
        finding = one(judge.is_mounted(looks, SHARE, known), "mounted-by-nfs", HOME)
        holds(finding, source)
        assert "no address" not in finding.actual
    unmounted = one(
        judge.is_mounted((with_mounts(share_look(HOME), ROOT), share_look(SERVER)), SHARE, known),
        "mounted-by-nfs",
        HOME,
    )
    fails(unmounted, "nothing is mounted", hint="mount -t nfs [2001:db8::143]:/srv/private /mnt/private")


@pytest.mark.parametrize("server", ["2001:db8::143", "fe80::fc:ff:fe00:3%xenbr0"])
@pytest.mark.parametrize(
    ("lines", "may"),
    [
        (("2001:db8::/64(rw,no_root_squash)", "10.1.1.189(rw,root_squash)"), True),
        (("2001:db8::189(rw,root_squash)", "<world>(rw,no_root_squash)"), None),
        (("fe80::/10(rw,no_root_squash)",), True),
        (("fe80::/10(rw,root_squash)",), False),
    ],
)
def test_what_a_mount_by_ipv6_may_is_no_matter_of_the_ipv4_address(
    server: str, lines: tuple[str, ...], may: bool | None
) -> None:
    """The lab file knows 10.1.1.189 alone, and NFS 3 tells no address of the client's."""
    text = "".join(f"/srv/private {line}\n" for line in lines)
    look, served = mounted(f"[{server}]:/srv/private", server)
    looks = (look, replace(served, exports=Answer(0, text, "")))
    finding = one(judge.lets_root_write(looks, SHARE, {HOME: {"10.1.1.189"}, SERVER: {SERVER}}), "no-root-squash")
    assert finding.holds is may
