"""xl.conf, and what an interface is on a host that has it."""

import pytest
from paths import DATA

from xenlab.xen.cfg import parse_config
from xenlab.xen.conf import XlConf, parse_xl_conf
from xenlab.xen.grammar import ConfigSyntaxError
from xenlab.xen.vif import VifSpec, VifSyntaxError, parse_vif

ROUTED = (DATA / "xl_cfg" / "routed_vif.cfg").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("", XlConf()),
        ('# Global XL config file #\n\n#autoballoon="auto"\n#vif.default.script="vif-bridge"\n', XlConf()),
        ('autoballoon="off"\n', XlConf(autoballoon="off")),
        ("autoballoon=1\n", XlConf(autoballoon="on")),
        ("autoballoon='0'", XlConf(autoballoon="off")),
        ("autoballoon='auto'", XlConf(autoballoon="auto")),
        ("autoballoon='maybe'", XlConf()),
        ("autoballoon=['on']", XlConf()),
        ('vif.default.bridge="br0"; vif.default.backend="net"', XlConf(default_bridge="br0", default_backend="net")),
        ("vifscript='vif-route'\ndefaultbridge='br1'\n", XlConf(default_bridge="br1", default_script="vif-route")),
        ("vif.default.bridge='new'\ndefaultbridge='old'\n", XlConf(default_bridge="new")),
        ("vif.default.bridge=['new']\ndefaultbridge='old'\n", XlConf(default_bridge="old")),
        ("vif.default.gatewaydev='eth0'\nlockfile='/x'\nfoo=[1,[2]]", XlConf(default_gatewaydev="eth0")),
    ],
)
def test_xl_conf(text: str, conf: XlConf) -> None:
    assert parse_xl_conf(text) == conf


def test_an_xl_conf_that_xl_cannot_read_is_told_with_its_place() -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        parse_xl_conf("autoballoon=off\n")
    assert caught.value.message.startswith("/etc/xen/xl.conf:1:13: ")


def test_what_an_interface_needs() -> None:
    vifs = parse_config(ROUTED).vifs
    assert [vif.needs for vif in vifs] == ["route", "openvswitch", "domain"]
    assert [(vif.script, vif.ip, vif.bridge, vif.backend) for vif in vifs] == [
        ("vif-route", "192.0.2.6", None, None),
        ("vif-openvswitch", None, "ovs0", None),
        (None, None, "br0", "netvm"),
    ]
    for text, needs in (
        ("", "bridge"),
        ("script=/etc/xen/scripts/vif-nat", "nat"),
        ("script=/root/my-vif", "script"),
        ("backend=Domain-0", "bridge"),
    ):
        assert parse_vif(text).needs == needs


def test_an_interface_takes_from_xl_conf_what_it_does_not_say() -> None:
    conf = XlConf(default_bridge="br0", default_script="vif-openvswitch", default_gatewaydev="eth0")
    assert (parse_vif("").on(XlConf()).bridge, parse_vif("").on(XlConf()).needs) == ("xenbr0", "bridge")
    taken = parse_vif("mtu=1500,mac=00:16:3E:00:00:07").on(conf)
    assert (taken.bridge, taken.needs, taken.mac) == ("br0", "openvswitch", "00:16:3e:00:00:07")
    assert taken.options == ("gatewaydev=eth0", "mtu=1500")
    said = parse_vif("bridge=br1,script=vif-bridge,gatewaydev=eth1").on(conf)
    assert (said.bridge, said.needs, said.options) == ("br1", "bridge", ("gatewaydev=eth1",))
    assert parse_vif("").on(XlConf(default_backend="net")).needs == "domain"
    assert parse_vif("backend=0").on(XlConf(default_backend="net")).backend is None


def test_parts_of_an_interface() -> None:
    assert parse_vif("type=ioemu, model=e1000,,unknown=1,untrusted,flag") == VifSpec(
        "", type="ioemu", model="e1000", options=("untrusted",)
    )
    assert parse_vif("type=netfront").type is None
    assert parse_vif("untrusted,trusted").options == ()
    for wrong in ("mac=", "mac=00:16:3e:00:00", "mac=random", "mac=00:16:3e:00:00:xx"):
        with pytest.raises(VifSyntaxError):
            parse_vif(wrong)
