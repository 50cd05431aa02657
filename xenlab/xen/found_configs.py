"""Guests' configs found by their names on a host, and what else its files say of guests. Pure.

xl knows no place of its own for configs (xl.cfg(5)): by custom they are NAME.cfg in /etc/xen, in someone's home, or
beside the disks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

Argv = tuple[str, ...]

PLACES = ("/etc/xen", "/home", "/root")
"""Where configs lie that are on no share."""

DEEPEST, MOST, LARGEST = 3, 200, 65536
"""How deep below a folder it is looked for them, how many are read, and up to how many bytes."""

# Dot-folders hold caches and other programs' settings.
_FIND = """
nonce=$1; deepest=$2; most=$3; largest=$4; shift 4
find -H "$@" -maxdepth "$deepest" -name '.?*' -prune -o -type f -name '*.cfg' -size "-$((largest / 512 + 1))" -print |
sort -u | head -n "$most" | while IFS= read -r path; do
    printf '\\n=%s %s\\n' "$nonce" "$path"
    head -c "$largest" -- "$path"
done; true
"""
_GUESTLY = re.compile(r"^\s*(disk|kernel|bootloader|vif)\s*=", re.MULTILINE)
_COMPLAINT = re.compile(
    r"\w+: (?:cannot open |error reading )?['\"‘]?(?P<path>/[^'\"’:]*)['\"’]?(?: for reading)?: (?P<why>.+)"
)


@dataclass(frozen=True, slots=True)
class FoundText:
    """A file that by its name may be a guest's config."""

    path: str
    text: str

    @property
    def looks_like_config(self) -> bool:
        """Whether it sets what guests' configs set, whatever else is wrong with it; other programs have *.cfg, too."""
        return _GUESTLY.search(self.text) is not None


def find(folders: Sequence[str], nonce: str) -> Argv:
    """Every file of that name in these folders and up to two below, with its text; `parse_found`."""
    return ("sh", "-c", _FIND, "sh", nonce, str(DEEPEST), str(MOST), str(LARGEST), *folders)


def parse_found(text: str, nonce: str) -> tuple[FoundText, ...]:
    """Read `find`; a file that could not be read is empty, and among the `complaints`."""
    found = []
    for piece in text.split(f"\n={nonce} ")[1:]:
        path, _, body = piece.partition("\n")
        found.append(FoundText(path, body))
    return tuple(found)


def complaints(stderr: str) -> tuple[tuple[str, str], ...]:
    """What could not be looked into or read, and why; folders that are not there are no news."""
    said = (_COMPLAINT.fullmatch(line.strip()) for line in stderr.splitlines())
    return tuple((line["path"], line["why"]) for line in said if line and not line["why"].startswith("No such file"))
