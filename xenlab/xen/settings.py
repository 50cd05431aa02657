"""The settings of xl.cfg: of which form each is, for which type of guest xl reads it, and what is its default.

Source: xl.cfg(5), parse_config_data() in Xen's xl_parse.c and the defaults of libxl_create.c, 4.9 to 4.22 together:
which settings a given xl knows, its own dry run tells. What is not in the table, xl never reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from xenlab.xen.grammar import Assignment, Atom, ConfigSyntaxError, atoms_of, shown
from xenlab.xen.numbers import c_long
from xenlab.xen.parsers import GuestType

Form = Literal["number", "flag", "text", "word", "list", "mixed"]
"""A flag is a number that counts as true or false, a word a text without regard to case (libxl__enum_from_string), and
`mixed` may be a list, a word or a number."""

_TABLE: Final = """
number  any      -         altp2m_count cap cpu_weight extratime latency max_grant_frames max_grant_version
number  any      -         max_maptrack_frames maxmem maxvcpus memory nr_spis period rtc_timeoffset shadow_memory slice
number  any      -         videoram vmtrace_buf_kb vncdisplay xenstore_feature_mask
number  any      0         pci_msitranslate pci_permissive pci_power_mgmt pci_seize
number  any      1         vcpus
number  any      1023      max_event_channels
number  hvm      -         mmio_hole rdm_mem_boundary spiceport spicetls_port spiceusbredirection stubdomain_memory
number  hvm      -         usbversion
flag    any      -         acpi hap msr_relaxed oos opengl trap_unmapped_accesses vnc vncunused vpmu
flag    any      -         xend_suspend_evtchn_compat
flag    any      0         dm_restrict driver_domain localtime nestedhvm nomigrate sdl
flag    any      1         apic
flag    pv       0         e820_host
flag    pvh      0         pvshim
flag    pv,pvh   0         bootloader_restrict
flag    hvm      -         altp2mhvm spice_clipboard_sharing spiceagent_mouse spicedisable_ticketing spicevdagent
flag    hvm      -         xen_platform_pci_bar_uc
flag    hvm      0         acpi_laptop_slate device_model_stubdomain_override hvm_pirq nographic spice stdvga usb
flag    hvm      1         acpi_s3 acpi_s4 hpet nx pae vkb_device vpt_align xen_platform_pci
text    any      -         arm_sci builder cmdline device_model_override device_model_stubdomain_seclabel
text    any      -         device_model_user device_model_version device_tree display extra firmware init_seclabel
text    any      -         kernel keymap name pool ramdisk rdm root seclabel sve type uuid vnclisten vncpasswd vuart
text    any      -         xauthority
text    any      destroy   on_crash on_poweroff on_watchdog
text    any      restart   on_reboot
text    any      soft-reset  on_soft_reset
text    pvh      -         pvshim_cmdline pvshim_extra pvshim_path
text    pv,pvh   -         bootloader bootloader_user
text    hvm      -         acpi_firmware bios_path_override boot firmware_override smbios_firmware soundhw
text    hvm      -         spice_image_compression spice_streaming_video spicehost spicepasswd stubdomain_cmdline
text    hvm      -         stubdomain_kernel stubdomain_ramdisk
text    hvm      none      ms_vm_genid
text    hvm      cirrus    vga
word    any      -         gic_version passthrough tee
word    hvm      -         bios vendor_device
word    hvm      ide       hdtype
list    any      -         channel device_model_args device_model_args_hvm device_model_args_pv disk dtdev iomem
list    any      -         ioports irqs llc_colors p9 pci pvcalls usbctrl usbdev vdispl vfb vif virtio vkb vnuma vsnd
list    any      -         vtpm xenstore_quota
list    hvm      -         mca_caps smbios
mixed   any      -         cpuid cpus cpus_soft
mixed   any      disabled  altp2m
mixed   any      no_delay_for_missed_ticks  timer_mode
mixed   any      default   tsc_mode
mixed   pv,pvh   -         bootloader_args
mixed   hvm      -         serial usbdevice
mixed   hvm      0         gfx_passthru viridian
"""
"""Form, types of guest, default (where each host and version has the same), and the settings of which that is true."""

_LISTS_OF_LISTS: Final = frozenset({"vnuma", "vsnd"})
_AT_MOST: Final = dict.fromkeys(("max_grant_frames", "max_grant_version", "max_maptrack_frames"), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class SettingKind:
    """What is true of a setting. `default` is text, as one would write it."""

    form: Form
    types: frozenset[GuestType]
    default: str | None


def _kinds() -> Mapping[str, SettingKind]:
    kinds: dict[str, SettingKind] = {}
    forms: dict[str, Form] = {form: form for form in get_args(Form)}
    types: dict[str, GuestType] = {guest_type: guest_type for guest_type in get_args(GuestType)}
    for line in _TABLE.strip().splitlines():
        form, words, default, *keys = line.split()
        of = frozenset(types.values()) if words == "any" else frozenset(types[word] for word in words.split(","))
        kinds |= dict.fromkeys(keys, SettingKind(forms[form], of, None if default == "-" else default))
    return MappingProxyType(kinds)


KINDS: Final = _kinds()


def is_read(key: str, guest_type: GuestType) -> bool:
    """Whether xl does anything with that setting of a guest of that type."""
    return key in KINDS and guest_type in KINDS[key].types


def check(setting: Assignment, source: str) -> None:
    """Check that a setting is of the form that xl asks for.

    :raises ConfigSyntaxError: where it is not. xl warns and goes on without the setting, or stops.
    """
    key, value, form = setting.key, setting.value, KINDS[setting.key].form
    if form == "list":
        if isinstance(value, Atom) or not (key in _LISTS_OF_LISTS or all(isinstance(item, Atom) for item in value)):
            raise _odd(setting, f"{key} is not a list of strings", f"write {key} = [ '...', '...' ]", source)
    elif form != "mixed" and not isinstance(value, Atom):
        raise _odd(setting, f"{key} is a list", f'write {key} = "..."', source)
    elif form in ("number", "flag") and isinstance(value, Atom):
        number = c_long(value.text)
        if number is None:
            hint = "write it as 512, 01000 or 0x200: see xl.cfg(5)"
            raise _odd(setting, f"{key} is {shown(value.text)}, which is not a number", hint, source)
        if setting.adds:
            raise _odd(setting, f"{key} += does not add numbers", f"write {key} = and the sum", source)
        if key in _AT_MOST and not 0 <= number <= _AT_MOST[key]:
            raise _odd(setting, f"{key} is {number}", f"write a number from 0 to {_AT_MOST[key]}", source)


def _odd(setting: Assignment, what: str, hint: str, source: str) -> ConfigSyntaxError:
    atom = next(iter(atoms_of(setting.value)), None)
    line, column = (atom.line, atom.column) if atom else (setting.line, setting.column)
    return ConfigSyntaxError(what, source=source, line=line, column=column, hint=f"{hint}; xl would ignore it")
