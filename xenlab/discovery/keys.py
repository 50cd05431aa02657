"""Host keys: known already, vouched for by a fingerprint that was given, or confirmed by whoever sits there.

None is ever trusted in silence.
"""

from collections.abc import Callable, Collection
from pathlib import Path

import paramiko

from xenlab.remote.errors import ShownKey

KNOWN_HOSTS = "known_hosts"
"""The file in the lab's folder that has the keys which were confirmed here."""

Confirm = Callable[[str, ShownKey], str]
"""Shows a machine's key and asks whether it is right: the answer is "yes", a fingerprint, or anything else for no."""


class KnownKeys:
    """The keys of the lab's folder (`own`), over those of another file (`others`), which is never written."""

    def __init__(
        self, own: Path, others: Path, fingerprints: Collection[str] = (), confirm: Confirm | None = None
    ) -> None:
        self._own = own
        self._others = others
        self._fingerprints = {_bare(fingerprint) for fingerprint in fingerprints}
        self._confirm = confirm

    def file_for(self, name: str) -> Path:
        """The file that has, or would have, the key of a server of that name; see `Login.host_key_name`."""
        return self._own if _has(self._own, name) else self._others

    def knows(self, name: str) -> bool:
        """Whether either file has a key of it."""
        return _has(self._own, name) or _has(self._others, name)

    def is_confirmed(self, machine: str, shown: ShownKey) -> bool:
        """Whether the key is the machine's, by a fingerprint given before or by who is asked now; then it is kept."""
        if _bare(shown.fingerprint) not in self._fingerprints:
            answer = self._confirm(machine, shown).strip() if self._confirm else ""
            if answer.lower() != "yes" and _bare(answer) != _bare(shown.fingerprint):
                return False
        self._own.parent.mkdir(parents=True, exist_ok=True)
        with self._own.open("a+", encoding="utf-8") as file:
            file.seek(0)
            before = file.read()
            file.write("" if not before or before.endswith("\n") else "\n")
            file.write(f"{shown.line}\n")
        return True


def _has(file: Path, name: str) -> bool:
    known = paramiko.HostKeys()
    try:
        known.load(str(file))
    except (OSError, UnicodeDecodeError, paramiko.hostkeys.InvalidHostKey):
        return False
    return known.lookup(name) is not None


def _bare(fingerprint: str) -> str:
    return fingerprint.strip().rstrip("=")
