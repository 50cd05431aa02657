"""One network interface of a guest's config, as xl reads it.

Source: xl-network-configuration(5) and parse_nic_config() in Xen's xl_parse.c: parts separated by commas, blanks
before a part mean nothing, nor does the order, the last of a name wins, and what xl does not know it ignores.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from xenlab.xen.conf import XlConf
from xenlab.xen.grammar import shown
from xenlab.xen.parts import SCRIPTS, in_dom0, parts_of

Needs = Literal["bridge", "openvswitch", "route", "nat", "script", "domain"]
"""What an interface rests on: a bridge of Linux or of Open vSwitch, a route, a translated address, what a script of
one's own makes, or whatever another domain has."""

_MAC = re.compile(r"([0-9a-fA-F]{1,2})" + r".([0-9a-fA-F]{1,2})" * 5)
_TYPES: Final = frozenset({"ioemu", "vif"})
_RENAMED: Final = {"netdev": "gatewaydev"}
_OTHER_KEYS: Final = frozenset({"devid", "forwarddev", "gatewaydev", "mtu", "rate", "vifname", "vlan"})
_NEEDS: Final[dict[str, Needs]] = {
    "vif-bridge": "bridge",
    "vif-openvswitch": "openvswitch",
    "vif-route": "route",
    "vif-nat": "nat",
}
_FLAGS: Final = frozenset({"trusted", "untrusted"})


class VifSyntaxError(ValueError):
    """xl would ignore a part of this interface that the guest needs."""


@dataclass(frozen=True, slots=True)
class VifSpec:
    """A network interface as configured.

    None leaves it to xl.conf(5), and in the end to libxl: `bridge` xenbr0, `script` vif-bridge, `backend` Dom0, `mac`
    random. `mac` is in lower case. `options` are all other parts that xl knows, sorted. `text` is how it is written.
    """

    text: str = field(compare=False)
    bridge: str | None = None
    mac: str | None = None
    ip: str | None = None
    script: str | None = None
    backend: str | None = None
    type: str | None = None
    model: str | None = None
    options: tuple[str, ...] = ()

    @property
    def needs(self) -> Needs:
        """What must be there for it: on the host, or in the domain `backend`."""
        return (
            "domain"
            if self.backend not in (None, "0", "Domain-0")
            else _NEEDS.get((self.script or "vif-bridge").removeprefix(SCRIPTS), "script")
        )

    def on(self, conf: XlConf) -> "VifSpec":
        """The interface as a host with that xl.conf makes it: nothing is left to defaults but the MAC address.

        `bridge` and `script` are set (the latter without the folder of Xen's own scripts), `backend` is None for Dom0.

        Source: set_default_nic_values() in Xen's xl_nic.c, libxl__device_nic_setdefault() in libxl_nic.c.
        """
        backend = self.backend or conf.default_backend
        named = any(option.startswith("gatewaydev=") for option in self.options)
        gateway = () if named or not conf.default_gatewaydev else (f"gatewaydev={conf.default_gatewaydev}",)
        return replace(
            self,
            bridge=self.bridge or conf.default_bridge or "xenbr0",
            script=(self.script or conf.default_script or "vif-bridge").removeprefix(SCRIPTS),
            backend=None if in_dom0(backend) else backend,
            options=tuple(sorted((*self.options, *gateway))),
        )


def parse_vif(text: str) -> VifSpec:
    """Read one interface, e.g. 'mac=00:16:3e:00:00:07, bridge=xenbr0'; '' leaves all to xl.

    :raises VifSyntaxError: where a MAC address is none.
    """
    given: dict[str, str] = {}
    for part in parts_of(text):
        if part.value is not None:
            given[_RENAMED.get(part.key, part.key)] = part.value
        elif part.key in _FLAGS:
            given["trusted"] = part.key
    if "mac" in given:
        given["mac"] = _mac(given["mac"])
    if given.get("type") not in _TYPES:  # "type=netfront", from xm's days: xl says so and goes on
        given.pop("type", None)
    others = {f"{key}={value}" for key, value in given.items() if key in _OTHER_KEYS or key.startswith("colo_")}
    if given.get("trusted") == "untrusted":
        others.add("untrusted")
    return VifSpec(
        text,
        bridge=given.get("bridge"),
        mac=given.get("mac"),
        ip=given.get("ip"),
        script=given.get("script"),
        backend=given.get("backend"),
        type=given.get("type"),
        model=given.get("model"),
        options=tuple(sorted(others)),
    )


def _mac(text: str) -> str:
    found = _MAC.match(text)
    if found is None:
        raise VifSyntaxError(f"{shown(text)} is no MAC address")
    return ":".join(f"{int(pair, 16):02x}" for pair in found.groups())
