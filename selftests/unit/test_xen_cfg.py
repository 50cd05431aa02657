"""The config reader and path rewriting, on the report's own config and on made-up ones."""

from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import DATA

from xenlab.errors import LabFault, UsageError
from xenlab.xen.cfg import ConfigPath, parse_config, rewrite_paths
from xenlab.xen.changes import compare
from xenlab.xen.grammar import LONGEST, Atom, ConfigSyntaxError, read_assignments
from xenlab.xen.numbers import c_int_prefix, c_long

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
    assert parse_config("type='hvm'; kernel='/usr/lib/xen/boot/hvmloader'").kernel is None
    assert parse_config("type='pv'; kernel='/usr/lib/xen/boot/hvmloader'").kernel is not None
    for ours, paths in (("pygrub", ()), ("/usr/lib/xen/bin/pygrub", ()), ("/srv/boot", ("/srv/boot",))):
        found = parse_config(f"bootloader='{ours}'").paths()
        assert tuple(path.path for path in found) == paths


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("name=guest1\n", 1, 6, "quotes"),
        ('name="a"\nkernel="/x\n', 2, 8, "close the quotes"),
        ("name=\u201cguest1\u201d\n", 1, 6, "straight quotes"),
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
        ("memory = '1_024 '\n", 1, 10, "ignore"),
        ("vcpus = 08\n", 1, 9, "01000"),
        ("maxmem = 0b1\n", 1, 10, "0x200"),
        ("memory = 256\nmemory += 256\n", 2, 11, "the sum"),
        ("max_grant_frames = '-1'\n", 1, 20, "from 0 to"),
        ("localtime = 'yes'\n", 1, 13, "ignore"),
        ("extra = ['a']\n", 1, 10, "extra ="),
        ("vfb = []\npci = [ ['x'] ]\n", 2, 10, "ignore"),
        ("boot = []\ntype='hvm'\n", 1, 1, "boot ="),
        ("builder = 'hvm'\ntype = 'pv'\n", 1, 11, "drop builder"),
        ("vif = [ 'mac=00:16:3e' ]\n", 1, 9, "mac=00:16:3e:00:00:01"),
        ("a = 'x\0'\n", 1, 5, "NUL"),
        ("a = " + "[" * 65 + "]" * 65 + "\n", 1, 1, "xl.cfg"),
        ("# " + "x" * 70_000 + "\n", 1, 1, "the right file"),
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


@pytest.mark.parametrize("odd", ["#", "\r", "\x1a", "@", "'", '"', "\\", "A", "-", "\udcff"])
def test_one_odd_character_at_the_very_end_is_never_told_by_xl(odd: str) -> None:
    assert parse_config(f"name = 'demo'\n{odd}").name == "demo"
    assert parse_config(f"name = 'demo' {odd}").name == "demo"
    for more in (f"{odd}{odd}", f"{odd} ", f"{odd}\n", f"é{odd}"):
        if more != "''" and more != '""' and more != "#\n":
            with pytest.raises(ConfigSyntaxError):
                parse_config(f"name = 'demo'\n{more}")
    with pytest.raises(ConfigSyntaxError):
        parse_config(f"name = {odd}")


def test_numbers_are_read_as_by_c() -> None:
    for text, number in (("512", 512), ("0x200", 512), ("01000", 512), ("' 512'", 512), ("'+512'", 512), ("0", 0)):
        config = parse_config(f"memory={text};maxmem={text};vcpus={text}")
        assert (config.memory, config.maxmem, config.vcpus) == (number, number, number)
    for text in ("", " ", "512 ", "5_1", "0x", "08", "1G", "--1", "0o7", "9" * 30, "9223372036854775808", "٣"):
        assert c_long(text) is None
    assert c_long("-9223372036854775808") == -(2**63)
    assert c_long("0" * 40 + "7") == 7
    assert [c_int_prefix(text) for text in ("12x", " -3", "x", "", "4294967296", "9" * 30)] == [12, -3, 0, 0, 0, -1]


def test_what_xl_never_reads_may_be_of_any_form() -> None:
    config = parse_config("pae = 'of course'\nfoo = 'bar'\nserial = ['pty']\nvif2 = 7\ncpus = ['0', '1']\n")
    assert (config.type, config.get("pae")) == ("pv", "of course")


def test_types_are_known_by_their_beginning_as_to_xl() -> None:
    for words, kind in (
        ("type='h'", "hvm"),
        ("type='p'", "pv"),
        ("type=''", "hvm"),
        ("builder='generic'", "pv"),
        ("builder='linux'", "pv"),
        ("builder='generic'; type='pv'", "pv"),
        ("builder='pv'; type='pvh'", "pvh"),
    ):
        assert parse_config(words).type == kind


def test_numeric_escapes_vanish_as_they_do_in_xl_and_paths_behind_them_are_found() -> None:
    text = 'kernel = "\\012/\\1 2a\\0+7"; extra = "x\\0123"'
    assert parse_config(text).kernel == "/a"
    assert parse_config(text).get("extra") == "x"
    assert rewrite_paths(text, {"/a": "/b"}) == 'kernel = "/b\\0+7"; extra = "x\\0123"'
    with pytest.raises(ConfigSyntaxError, match="unknown escape"):
        parse_config('extra = "\\1x"')


HOSTILE = {
    **{
        name: text * (LONGEST // len(text))
        for name, text in {"list": "1,", "adds": "a+=['x']\n", "ends": "a=1;"}.items()
    },
    **{
        name: text * 1_000_000
        for name, text in {"quotes": "'", "hashes": "#", "lines": "\n", "backslashes": "\\"}.items()
    },
    "open list": "a=" + "[" * (LONGEST - 2),
    "closed lists": "a=" + "[" * (LONGEST // 2 - 1) + "]" * (LONGEST // 2 - 1),
    "string": "a='" + "\\" * (LONGEST - 4),
    "items": "disk=[" + "'/x,,xvda'," * (LONGEST // 12) + "]",
    "cpus": "cpus=[" + "'0-9999,^0-9999'," * (LONGEST // 18) + "]",
    "vif": "vif=['" + "ip=1," * (LONGEST // 6) + "']",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_read_or_refused_within_seconds(name: str) -> None:
    before = process_time()
    with suppress(ConfigSyntaxError):
        config = parse_config(HOSTILE[name])
        assert compare(config, config) == ()
        assert rewrite_paths(HOSTILE[name], {}) == HOSTILE[name]
    # Half a second on an idle machine; a busy one is given its time.
    assert process_time() - before < 3


def test_messages_stay_short() -> None:
    for text in ("a" * 60_000, "memory = '" + "x" * 60_000 + "'", "disk = ['" + "x" * 60_000 + "']", "A" * 60_000):
        with pytest.raises(ConfigSyntaxError) as caught:
            parse_config(text)
        assert len(str(caught.value)) < 600


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
