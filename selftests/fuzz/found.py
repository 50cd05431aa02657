"""What such runs have found in readers, to be fed to them for ever after."""

from typing import Final

_LONG = b"9" * 5000
_DEEP = b"[" * 3000

FOUND: Final[dict[str, tuple[bytes, ...]]] = {
    "xl list": (
        b"Name ID Mem VCPUs State Time(s)\nDomain-0 " + _LONG + b" 512 2 r----- 12.3\n",
        b"Name ID Mem VCPUs State Time(s)\na" + b" " * 100_000 + b"\n",
    ),
    "xl list -l": (
        _DEEP,
        b'{"domid": ' + _LONG + b"}",
        b'{"domid": 1, "config": {"c_info": {"name": ["x"], "type": "pv"}}}',
    ),
    "xenstore": (
        b'/local/domain/0/name = "Domain-0"\n/local/domain/0/backend/vbd/private/51713/mode = "w"\n',
        b"/local/domain/" + _LONG + b'/name = "x"\n',
    ),
    "logs of a guest": (
        b"==> /var/log/xen/xl-guest1.log <==\nDomain 3 has shut down, reason code " + _LONG + b" 0x3\n",
    ),
    "sections": (b"\n=0123456789abcdef list\nx\n=0123456789abcdef list=" + _LONG + b"\n",),
    "stat": (
        b"1 " + _LONG + b" 3 81a4 /mnt/x\n",
        b"mount 20 25 " + _LONG + b":18 / /mnt rw - nfs4 baye:/srv rw\n",
        b"mount nothing of the kind\n",
    ),
    "mountinfo": (b"20 25 0:18 /  rw - nfs baye:/ rw\n", b"1 1 0:1 / // rw - ext4 x rw\n"),
    "looks": (
        *(b"file 12\n", b"file 12 x\n", b"file x - /y\n", b"file " + _LONG + b" - /y\n", _LONG),
        b"mount nothing of the kind\n",
    ),
    "act": (_LONG + b"\n12.3\n",),
    "answer over a console, well sealed": (
        *(b"x/0/0\n==\n=\n", b"0/0\n==\n=\n", b"0/0/0/0\n==\n=\n", b"0//0\n==\n=\n", b"0/1/0\nA\n==\n=\n"),
        _LONG + b"/0/0\n==\n=\n",
    ),
    "lab.toml": (
        *(b"name = " + _DEEP, b"name = " + _LONG, b"port = 0x" + b"f" * 5000, b"a." * 50_000 + b"a = 1\n"),
        b'[[hosts]]\nkey_file = "~nobody-of-that-name/x"\n',
        b'[[hosts]]\nkey_file = "/' + b"x" * 300 + b'"\n',
    ),
    "rubric.toml": (b"late = " + _DEEP, b"late = [[" + _LONG + b", 1]]\n"),
    "state.json": (_DEEP,),
    "custody": (_DEEP + b"\n", b"{}\n" + _DEEP),
    "proof.json": (*(b"true", b"1", _DEEP, b'[{"scenario": ' + _DEEP),),
    "manifest of images": (_DEEP, b'{"x": ' + _LONG + b"}"),
    "seconds.json": (_DEEP, b'{"boot": []}', b'{"boot": null}'),
    "evidence: commands.jsonl": ('{"id": "cmd-1", "host": "\u2028"}'.encode(), _DEEP),
    "date": (b"1.1\x1d", b"1.1\n\n"),
    "holder of reports": (b'{"pid": 1e400, "since": "now"}', _DEEP),
    "info usernet": (b"  TCP[HOST_FORWARD]  20  127.0.0.1 " + _LONG + b"  10.1.1.189    22     0     0\n",),
    "history of Allure": (b"\xad\xd5&W", _DEEP),
    "commands of a report": (b'{"id": "cmd-1"}\n', b"{}\n", b'{"id": "cmd-1", "seconds": "now"}\n', _DEEP + b"\n"),
    "evidence: manifest.json": (b'{"files": ' + _DEEP, b'{"files": []}'),
}
"""By target: numbers longer than Python reads, nestings deeper, words where numbers should be, files that are none."""

GREW: Final = (
    ("lab.toml", "a."),
    ("rubric.toml", "a."),
    ("xl list", " "),
    ("xl migrate", "#\n"),
    ("act", "=\n"),
    ("command line of an act", "'\n"),
    ("words, read", ": config parsing error x"),
    ("kernel log", "a\n"),
    ("exportfs -v", "/srv *(rw)\n"),
    ("pgrep -af", "0\n"),
    ("stat", "\n"),
    ("ping", "\n"),
    ("ping of a guest", "#a\n"),
    ("/proc/net/arp", "\n\\"),
    ("heartbeat", "1 1.1\n"),
    ("custody", "\n"),
    ("looks", "\n0"),
    ("page of Allure", "<script"),
    ("screen of a console", "\x1b["),
)
"""Targets, and what took more than a second, or more time than its length is worth, when it was repeated."""
