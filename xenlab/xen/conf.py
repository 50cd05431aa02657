"""A host's /etc/xen/xl.conf: what xl takes where a guest's config says nothing.

Source: xl.conf(5), and parse_global_config() in Xen's xl.c.
"""

from dataclasses import dataclass
from typing import Final, Literal

from xenlab.xen.grammar import Assignment, Atom, read_settings

Autoballoon = Literal["on", "off", "auto"]

_AUTOBALLOON: Final[dict[str, Autoballoon]] = {"on": "on", "1": "on", "off": "off", "0": "off", "auto": "auto"}
_OUTDATED: Final = {"vif.default.script": "vifscript", "vif.default.bridge": "defaultbridge"}


@dataclass(frozen=True, slots=True)
class XlConf:
    """A host's defaults as xl understands them. None where the file says nothing: xl's own default counts then.

    Those are, in this order: xenbr0, vif-bridge, Dom0, none, and "auto": Dom0 gives memory to new guests unless
    dom0_mem= is on Xen's own command line.
    """

    default_bridge: str | None = None
    default_script: str | None = None
    default_backend: str | None = None
    default_gatewaydev: str | None = None
    autoballoon: Autoballoon | None = None


def parse_xl_conf(text: str, source: str = "/etc/xen/xl.conf") -> XlConf:
    """Read the text of an xl.conf; `source` names the file in errors. What xl passes over with a warning is None.

    :raises ConfigSyntaxError: where xl would refuse the file, and with it every command.
    """
    found = read_settings(text, source)
    return XlConf(
        default_bridge=_text(found, "vif.default.bridge"),
        default_script=_text(found, "vif.default.script"),
        default_backend=_text(found, "vif.default.backend"),
        default_gatewaydev=_text(found, "vif.default.gatewaydev"),
        autoballoon=_AUTOBALLOON.get(_text(found, "autoballoon") or ""),
    )


def _text(found: dict[str, Assignment], key: str) -> str | None:
    """The text of a setting, or else of the outdated one that means the same, wherever in the file either stands."""
    setting = found.get(key)
    if setting is not None and isinstance(setting.value, Atom):
        return setting.value.text
    return _text(found, _OUTDATED[key]) if key in _OUTDATED else None
