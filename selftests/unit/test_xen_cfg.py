"""The config reader, path rewriting and comparison, on the report's own config and on made-up ones."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenlab.errors import LabFault, UsageError
from xenlab.xen.cfg import ConfigPath, parse_config, rewrite_paths
from xenlab.xen.changes import ConfigChange, compare
from xenlab.xen.grammar import Atom, ConfigSyntaxError, read_assignments

DATA = Path(__file__).parent / "data"
ORIGINAL = (DATA / "report_guest1_original.cfg").read_text("utf-8")
FIXED = (DATA / "report_guest1_fixed.cfg").read_text("utf-8")
SHARE = "/mnt/private/artem/"


def test_report_config_is_read() -> None:
    config = parse_config(ORIGINAL)
    assert (config.name, config.type, config.memory) == ("guest1", "pv", 1024)
    assert config.kernel == "/boot/vmlinuz-5.3.0-28-generic"
    assert [(d.target, d.vdev, d.access) for d in config.disks] == [
        ("/home/artem/UbuntuXen.img", "xvda1", "rw"),
        ("/home/artem/UbuntuXen.swap", "xvda2", "rw"),
    ]
    assert [vif.bridge for vif in config.vifs] == [None]
    assert config.get("root") == "/dev/xvda1 rw"
    assert config.get("vcpus") == "1"
    assert config.get("nothing") is None


def test_paths_show_that_the_report_config_misses_its_kernel() -> None:
    """The report put the kernel into artem/, and wrote it into the config without artem/."""
    listing = (DATA / "report_share_listing.txt").read_text("utf-8").splitlines()
    there = {SHARE + line.split()[-1] for line in listing if line.startswith("-")}
    missing = [path for path in parse_config(FIXED).paths() if path.path not in there]
    assert missing == [
        ConfigPath("kernel", "/mnt/private/vmlinuz-5.3.0-28-generic", 6),
        ConfigPath("ramdisk", "/mnt/private/initrd.img-5.3.0-28-generic", 7),
    ]
    assert len(parse_config(FIXED).paths()) == 4


def test_report_fix_changes_only_paths() -> None:
    changes = compare(parse_config(ORIGINAL), parse_config(FIXED))
    assert {change.kind for change in changes} == {"path"}
    assert {change.key for change in changes} == {"kernel", "ramdisk", "disk[xvda1]", "disk[xvda2]"}


def test_rewriting_the_original_gives_the_report_fix() -> None:
    mapping = {
        "/home/artem/UbuntuXen.img": SHARE + "guest1.img",
        "/home/artem/UbuntuXen.swap": SHARE + "guest1.swap",
        "/boot/vmlinuz-5.3.0-28-generic": "/mnt/private/vmlinuz-5.3.0-28-generic",
        "/boot/initrd.img-5.3.0-28-generic": "/mnt/private/initrd.img-5.3.0-28-generic",
        "guest1": "must not touch the name",
    }
    assert rewrite_paths(ORIGINAL, mapping) == FIXED


def test_rewriting_keeps_comments_spacing_and_quotes() -> None:
    text = (
        "# /a is old\nkernel = '/a' ; ramdisk=\"/a.b\"\t# /a\ndisk=[\n 'phy:/a,xvda,w', # one\n '/a,raw,xvdb,r',\n]\n"
    )
    assert rewrite_paths(text, {"/a": "/it's"}) == (
        "# /a is old\nkernel = '/it\\'s' ; ramdisk=\"/a.b\"\t# /a\ndisk=[\n"
        " 'phy:/it\\'s,xvda,w', # one\n '/it\\'s,raw,xvdb,r',\n]\n"
    )


def test_rewriting_finds_its_place_behind_escapes() -> None:
    text = 'disk = [ "script=\\"x\\",vdev=xvda,target=/a\\tb" ]\n'
    assert rewrite_paths(text, {"/a\tb": "/c"}) == 'disk = [ "script=\\"x\\",vdev=xvda,target=/c" ]\n'


def test_a_path_that_cannot_stand_in_its_disk_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot stand"):
        rewrite_paths("disk = ['/a,raw,xvda,w']\n", {"/a": "/b,c"})
    assert "/b,c" in rewrite_paths("disk = ['vdev=xvda,target=/a']\n", {"/a": "/b,c"})


def test_a_builder_that_became_a_type_is_a_deprecated_key() -> None:
    assert compare(parse_config(ORIGINAL), parse_config(ORIGINAL.replace('builder="pv"', 'type="pv"'))) == (
        ConfigChange("builder", "pv", "type=pv", "deprecated-key"),
    )


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("xvda1,w'", "xvda1,r'", "disk[xvda1]"),
        ("xvda2,w'", "xvdb,w'", "disk[xvdb]"),
        ("memory=1024", "memory=2048", "memory"),
        ("vif = [ '' ]", "vif = [ 'bridge=br1' ]", "vif"),
        ('builder="pv"', 'type="pvh"', "builder"),
        ("extra='xencons=tty'\n", "", "extra"),
        ('kernel="/boot/vmlinuz-5.3.0-28-generic"\n', "", "kernel"),
        ("UbuntuXen.img,xvda1,w'", "UbuntuXen.img,xvda1,w', 'qcow2:/x.img,xvdz,w'", "disk[xvdz]"),
    ],
)
def test_anything_but_a_path_is_another_change(old: str, new: str, key: str) -> None:
    assert old in ORIGINAL
    changes = compare(parse_config(ORIGINAL), parse_config(ORIGINAL.replace(old, new)))
    assert (key, "other") in {(change.key, change.kind) for change in changes}


def test_dropping_a_deprecated_prefix_is_its_own_kind() -> None:
    fixed = ORIGINAL.replace("tap:aio:/home/artem/UbuntuXen.img,xvda1,w", "/mnt/x.img,raw,xvda1,rw")
    assert compare(parse_config(ORIGINAL), parse_config(fixed)) == (
        ConfigChange("disk[xvda1]", "/home/artem/UbuntuXen.img", "/mnt/x.img", "path"),
        ConfigChange("disk[xvda1]", "tap:aio:", None, "deprecated-key"),
    )
    assert [c.kind for c in compare(parse_config(fixed), parse_config(ORIGINAL))] == ["path", "other"]


def test_grammar_of_lists_separators_and_additions() -> None:
    config = parse_config(
        "a=1;b='x'\n;;\n"
        "c = [ # comment\n [ '1', 2 ] ,\n\n 'three', \n ] # end\n"
        "d = []\n"
        'a = "again"\n'
        "b += 'y'\n"
        "c += [ '4', ]"
    )
    assert config.get("a") == "again"
    assert config.get("b") == "xy"
    assert config.get("c") == (("1", "2"), "three", "4")
    assert config.get("d") == ()


def test_type_and_bootloader() -> None:
    assert parse_config("").type == "pv"
    assert parse_config("builder='hvm'").type == "hvm"
    assert parse_config("type='pvh'").type == "pvh"
    for ours, paths in (("pygrub", ()), ("/usr/lib/xen/bin/pygrub", ()), ("/srv/boot", ("/srv/boot",))):
        found = parse_config(f"bootloader='{ours}'").paths()
        assert tuple(path.path for path in found) == paths


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("name=guest1\n", 1, 6, "quotes"),
        ('name="a"\nkernel="/x\n', 2, 8, "close the quotes"),
        ("name='a'\r\n", 1, 9, "CR LF"),
        ("Name='a'\n", 1, 1, "lower case"),
        ("a=1\nb = a.b('x')\n", 2, 5, "quotes"),
        ("a = (1)\n", 1, 5, "no Python"),
        ("a=1\n# the end", 2, 1, "newline"),
        ("disk = [ 'x,raw,xvda,w'\n", 2, 1, "closing"),
        ("disk = [ 'x,raw,xvda,w' 'y' ]\n", 1, 25, "commas"),
        ("a = [ , ]\n", 1, 7, "commas"),
        ("a = 1 b = 2\n", 1, 7, "NAME = VALUE"),
        ("a = '\\x41'\n", 1, 6, "numeric escapes"),
        ("\ndisk = [ '/x.img,foo,xvda,w' ]\n", 2, 10, "target,format,vdev,access"),
        ("disk = '/x.img,raw,xvda,w'\n", 1, 8, "ignore"),
        ("vif = [ ['x'] ]\n", 1, 10, "ignore"),
        ("kernel = ['/x']\n", 1, 11, "kernel ="),
        ("type = 'xyz'\n", 1, 8, "pvh"),
        ("memory = '1G'\n", 1, 10, "xl.cfg"),
        ("a = ['x']\na += 'y'\n", 2, 1, "list to a list"),
    ],
)
def test_errors_name_line_column_and_remedy(text: str, line: int, column: int, hint: str) -> None:
    with pytest.raises(ConfigSyntaxError) as caught:
        parse_config(text, "guest1.cfg")
    assert isinstance(caught.value, LabFault)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.message.startswith(f"guest1.cfg:{line}:{column}: ")
    assert hint in caught.value.hint


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
PATHS = st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=12).map("/".__add__)
KEYS = st.from_regex(r"[a-z][._0-9a-z]{0,6}", fullmatch=True)


def written(text: str, quote: str) -> str:
    return quote + Atom("", quote * 2, 0, 1, 1).quoted(text) + quote


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(KEYS, PRINTABLE, st.sampled_from("'\"")), max_size=5))
def test_every_text_survives_quoting_and_reading(pairs: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{key}={written(value, quote)} # {key}\n" for key, value, quote in pairs)
    found = [(s.key, s.value.text) for s in read_assignments(text) if isinstance(s.value, Atom)]
    assert found == [(key, value) for key, value, _ in pairs]
    assert rewrite_paths(text.replace("disk=", "disc="), {}) == text.replace("disk=", "disc=")


@settings(max_examples=40, deadline=None)
@given(PATHS, PATHS, st.sampled_from("'\""))
def test_rewriting_replaces_whole_paths_and_can_be_undone(old: str, new: str, quote: str) -> None:
    text = (
        f"# {quote}\nkernel = {written(old, quote)}\n"
        f"disk = [ {written('vdev=xvda,target=' + old + '!', quote)} ];root={written(old, quote)}\n"
    )
    there = rewrite_paths(text, {old: new, old + "!": new + "!"})
    config = parse_config(there)
    assert (config.kernel, config.disks[0].target, config.get("root")) == (new, new + "!", old)
    assert rewrite_paths(there, {new: old, new + "!": old + "!"}) == text
    assert {change.kind for change in compare(parse_config(text), config)} <= {"path"}
