"""A guest's config on the share, beside the one it had before."""

from contextlib import suppress
from difflib import unified_diff

from xenlab.errors import LabFault
from xenlab.lab.dom0 import Dom0
from xenlab.lab.share import NfsShare
from xenlab.outcomes import Finding
from xenlab.remote import commands
from xenlab.remote.errors import RemoteCommandFailed
from xenlab.xen.cfg import ConfigPath, XlConfig, parse_config
from xenlab.xen.changes import compare


class GuestConfig:
    """One xl.cfg on the share."""

    def __init__(self, guest: str, path: str, share: NfsShare, home: Dom0) -> None:
        self.guest = guest
        self.path = path
        self._share = share
        self._home = home

    def read(self) -> XlConfig:
        """The config as it is now; raises LabFault when it is missing or not an xl.cfg."""
        return self._read(self.path)

    def best_known(self, original: str | None) -> XlConfig | None:
        """The config or, where that cannot be read, the original one; None where neither can."""
        for path in (self.path, original):
            with suppress(LabFault):
                if path:
                    return self._read(path)
        return None

    def paths(self) -> tuple[ConfigPath, ...]:
        """Every file the config names."""
        return self.read().paths()

    def names_file(self, entry: ConfigPath, host: Dom0) -> Finding:
        """A file that the config names exists and lies on the share, links followed."""
        resolved = host.remote.run(*commands.resolve(entry.path))
        place = resolved.stdout.strip()
        on_share = resolved.ok and self._share.holds(place, host)
        there = host.remote.run(*commands.is_file(entry.path)).ok
        if not there:
            actual = f"{entry.path} {'is no file' if resolved.ok else 'does not exist'}"
            hint = f"{self.path} line {entry.line}: put the file there, or correct {entry.key}"
        else:
            actual = f"{entry.path} is {place}"
            hint = f"{self.path} line {entry.line}: {entry.key} must name a file below {self._share.mount_point}"
        return Finding(
            "path-on-share",
            there and on_share,
            expected=f"{entry.key}: a file below {self._share.mount_point}",
            actual=actual,
            hint=hint,
            host=host.name,
            guest=self.guest,
        )

    def differs_only_in_paths(self, original: str) -> Finding:
        """Against the original config only paths changed, and keys that xl no longer takes."""
        before, after = self._text(original), self._text(self.path)
        changes = compare(parse_config(before, source=original), parse_config(after, source=self.path))
        odd = [f"{c.key}: {c.before} → {c.after}" for c in changes if c.kind == "other"]
        moved = sum(change.kind == "path" for change in changes)
        return Finding(
            "only-paths-changed",
            not odd and moved > 0,
            expected=f"only paths differ from {original}",
            actual="; ".join(odd) or (f"{moved} paths changed" if moved else "no path was changed"),
            hint="undo what is not a path, so that the guest is the one it was",
            guest=self.guest,
            proof="\n".join(unified_diff(before.splitlines(), after.splitlines(), original, self.path, lineterm="")),
        )

    def _read(self, path: str) -> XlConfig:
        return parse_config(self._text(path), source=path)

    def _text(self, path: str) -> str:
        try:
            return self._home.remote.read_bytes(path).decode(errors="replace")
        except RemoteCommandFailed as problem:
            raise LabFault(
                f"{path} cannot be read on {self._home.name}",
                expected=f"the config {path}",
                actual=problem.actual,
                hint="copy the guest's config there",
                host=self._home.name,
                guest=self.guest,
            ) from problem
