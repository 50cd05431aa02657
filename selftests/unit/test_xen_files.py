"""Which files xl opens, on the small configs of data/xl_cfg and on others of their kind."""

import pytest
from paths import DATA

from xenlab.errors import UsageError
from xenlab.xen.cfg import ConfigPath, parse_config, rewrite_paths
from xenlab.xen.grammar import ConfigSyntaxError

XL_CFG = DATA / "xl_cfg"
DEMO = "/mnt/private/demo/"


def named(name: str) -> str:
    return (XL_CFG / f"{name}.cfg").read_text("utf-8")


def opened(text: str) -> dict[str, str]:
    return {path.role: path.path for path in parse_config(text).paths()}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("access_named_again", {"kernel": "vmlinuz", "disk[xvda]": "demo10.img"}),
        ("arm_device_tree", {"kernel": "Image", "device_tree": "passthrough.dtb"}),
        ("explicit_type", {"disk[xvda]": "demo7.img"}),
        (
            "hvm_firmware_files",
            {
                "firmware": "hvmloader",
                "bios": "OVMF.fd",
                "device_model": "qemu",
                "acpi_firmware": "table.aml",
                "smbios_firmware": "smbios.bin",
                "disk[hda]": "demo4.img",
            },
        ),
        ("hvmloader_as_kernel", {"disk[hda]": "demo2.img"}),
        ("kernel_beside_pygrub", {"disk[xvda]": "demo1.img"}),
        ("lone_hash_at_end", {"kernel": "vmlinuz"}),
        ("routed_vif", {"disk[xvda]": "demo6.img"}),
    ],
)
def test_the_files_of_the_small_configs(name: str, files: dict[str, str]) -> None:
    assert opened(named(name)) == {role: DEMO + file for role, file in files.items()}


def test_the_small_config_whose_memory_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigSyntaxError, match="not a number"):
        parse_config(named("memory_not_a_number"))
    assert parse_config(named("memory_not_a_number").replace("'1_024 '", "' 1024'")).memory == 1024


@pytest.mark.parametrize(
    ("text", "files"),
    [
        # kernel and ramdisk are a bootloader's words, but not to HVM, which has none
        ("type='pvh'; bootloader='pygrub'; kernel='/k'; ramdisk='/r'", {}),
        ("bootloader='/opt/boot'; kernel='/k'", {"bootloader": "/opt/boot"}),
        ("type='hvm'; bootloader='/opt/boot'; kernel='/k'; ramdisk='/r'", {"kernel": "/k", "ramdisk": "/r"}),
        # Xen's own pygrub, and somebody's copy of it
        ("bootloader='/usr/local/lib/xen/bin/pygrub'", {}),
        ("bootloader='/home/artem/pygrub'", {"bootloader": "/home/artem/pygrub"}),
        # hvmloader is HVM's firmware by xm's name for it; a PV guest may have a kernel of that name
        ("builder='hvm'; kernel='hvmloader'", {}),
        ("type='hvm'; kernel='/x/hvmloader/'", {}),
        ("type='hvm'; kernel='/x/hvmloader-debug'", {"kernel": "/x/hvmloader-debug"}),
        ("kernel='/x/hvmloader'", {"kernel": "/x/hvmloader"}),
        # firmware: a word, a path, a name in Xen's own folder
        ("type='hvm'; firmware='uefi'", {}),
        ("type='hvm'; firmware='OVMF'; firmware_override='/f'", {"firmware": "/f"}),
        ("type='hvm'; firmware='/g'; firmware_override='/f'", {"firmware": "/g"}),
        ("type='hvm'; firmware_override='hvmloader-debug'", {}),
        ("type='pvh'; firmware='pvgrub64'; bios_path_override='/b'; acpi_firmware='/a'", {}),
        # on condition
        ("type='hvm'; stubdomain_kernel='/k'; stubdomain_ramdisk='/r'", {}),
        (
            "type='hvm'; device_model_stubdomain_override=1; stubdomain_kernel='/k'; stubdomain_ramdisk='/r'",
            {"stubdomain_kernel": "/k", "stubdomain_ramdisk": "/r"},
        ),
        ("type='pvh'; pvshim_path='/s'; pvshim=0", {}),
        ("type='pvh'; pvshim_path='/s'; pvshim=0x1", {"pvshim": "/s"}),
        ("type='pv'; pvshim_path='/s'; pvshim=1", {}),
        ("device_model_override='/q'; disk=['/x,raw,xvda,w']", {"disk[xvda]": "/x"}),
        ("device_model_override='/q'; disk=['/x,qcow2,xvda,w']", {"device_model": "/q", "disk[xvda]": "/x"}),
        ("device_model_override='/q'; vfb=['vnc=1']", {"device_model": "/q"}),
        # what xl ignores, is empty, or comes last
        ("device_model='/q'; vncviewer=1; serial='file:/x'", {}),
        ("kernel='/k'; ramdisk=''", {"kernel": "/k"}),
        ("kernel='/k'; kernel='/l'", {"kernel": "/l"}),
        ("kernel='/boot/'; kernel+='vmlinuz'", {"kernel": "/boot/vmlinuz"}),
        # disks and shared folders
        ("disk=['/i.iso,,hdc:cdrom,r', ',empty,hdd:cdrom,r']", {"disk[hdc]": "/i.iso"}),
        ("disk=['/x,raw,0xca00,w']; disk+=['/y,raw,d1p2,w']", {"disk[xvda]": "/x", "disk[xvdb2]": "/y"}),
        ("p9=['tag=home, path = /srv/home ,security_model=none']", {"p9[home]": "/srv/home"}),
    ],
)
def test_what_xl_opens(text: str, files: dict[str, str]) -> None:
    assert opened(f"name='demo'; {text}\n") == files


def test_keys_are_as_written_and_roles_the_same_for_each_spelling() -> None:
    assert parse_config("type='hvm'\nfirmware_override='/f'\ndisk=['/x,raw,768,w']\n").paths() == (
        ConfigPath("firmware_override", "/f", 2, "firmware"),
        ConfigPath("disk[768]", "/x", 3, "disk[hda]"),
    )
    assert ConfigPath("kernel", "/k", 1) == ConfigPath("kernel", "/k", 1, "kernel")


@pytest.mark.parametrize(
    ("disk", "path", "via"),
    [
        ("drbd:app01,xvda,w", "app01", "script block-drbd"),
        ("vdev=xvda,script=block-iscsi,target=iqn.2001-05.com:0-8a", "iqn.2001-05.com:0-8a", "script block-iscsi"),
        ("backend=storage,vdev=xvda,target=/x", "/x", "domain storage"),
        ("backend=Domain-0,vdev=xvda,target=/x", "/x", None),
    ],
)
def test_a_disk_that_dom0_does_not_open_itself_is_told_with_what_does(disk: str, path: str, via: str | None) -> None:
    config = parse_config(f"bootloader='pygrub'\ndisk=['{disk}']\n")
    assert config.paths() == (ConfigPath("disk[xvda]", path, 2, via=via),)


def test_a_shared_folder_of_another_domain_is_told_so() -> None:
    assert parse_config("p9=['tag=a,path=/x,backend=d']").paths() == (ConfigPath("p9[a]", "/x", 1, via="domain d"),)


def test_every_path_is_rewritten_where_it_stands() -> None:
    text = named("hvm_firmware_files") + "p9 = [ 'tag=a, path = /mnt/private/demo/p9 ,security_model=none' ]\n"
    mapping = {path: path.replace(DEMO, "/mnt/new/") for path in opened(text).values()}
    assert len(mapping) == 7
    there = rewrite_paths(text, mapping)
    assert there == text.replace(DEMO, "/mnt/new/")
    assert rewrite_paths(there, {new: old for old, new in mapping.items()}) == text


def test_what_is_no_file_of_dom0_is_not_rewritten() -> None:
    mapping = {"/boot/vmlinuz-install": "/x", "/usr/lib/xen/boot/hvmloader": "/x", "": "/x"}
    for name in ("kernel_beside_pygrub", "hvmloader_as_kernel", "routed_vif"):
        assert rewrite_paths(named(name), mapping) == named(name)
    assert rewrite_paths("type='pv'\nfirmware_override='/f'\np9=['tag=a']\n", {"/f": "/x"}).count("/x") == 0


def test_a_path_that_cannot_stand_in_its_shared_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot stand"):
        rewrite_paths("p9=['tag=a,path=/a']\n", {"/a": "/b,c"})
