"""A guest's config on the share, beside the one it had before: what both hosts showed, and what to think of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xenlab.errors import LabFault
from xenlab.lab.judging import config as judge
from xenlab.lab.looks import ConfigLook, FilesLook, IdentityLook, Unknown
from xenlab.lab.share import NfsShare
from xenlab.labfile import GuestSpec
from xenlab.outcomes import Finding
from xenlab.xen.cfg import XlConfig


@dataclass(frozen=True, slots=True)
class ConfigLooks:
    """One guest's config as both hosts read it.

    `config` is what it says, or the fault that keeps it from being read; `original` the one from before. `files`
    are those that it names, seen from each host, `identities` those and the original's, seen from home. `others`
    are the configs of the lab's other guests.
    """

    spec: GuestSpec
    shares: Sequence[NfsShare]
    looks: tuple[ConfigLook, ConfigLook]
    config: XlConfig | LabFault | Unknown
    original: XlConfig | LabFault | Unknown
    files: tuple[FilesLook, FilesLook]
    identities: IdentityLook | None
    others: Mapping[str, XlConfig]

    def is_readable(self) -> tuple[Finding, ...]:
        """Both hosts read it, and it is an xl.cfg of this guest."""
        return judge.is_readable(self.spec.name, self.spec.config, self.looks, self.config)

    def is_taken_by_xl(self) -> tuple[Finding, ...]:
        """`xl create --dryrun` takes it on both hosts."""
        return tuple(judge.xl_accepts(self.spec.name, self.spec.config, look) for look in self.looks)

    def leads_to_the_share(self) -> Iterator[Finding]:
        """Every file that xl would open lies on one of the lab's shares itself, from both hosts."""
        if isinstance(self.config, XlConfig):
            for look in self.files:
                places = [share.place_on(look) for share in self.shares]
                yield from judge.files_on_share(self.spec.name, self.config, self.spec.config, look, places)

    def differs_only_in_paths(self) -> Iterator[Finding]:
        """Against the original config only paths changed, and keys that xl no longer takes."""
        if self.spec.original_config and isinstance(self.config, XlConfig):
            home = next(look for look in self.looks if look.host == self.spec.home)
            yield judge.only_paths_changed(self.spec, home, self.original, self.config)

    def names_the_originals(self) -> Iterator[Finding]:
        """Each file is what the original's was, in the same role."""
        if self.identities and isinstance(self.config, XlConfig) and isinstance(self.original, XlConfig):
            yield from judge.same_as_original(self.spec.name, self.original, self.config, self.identities)

    def shares_nothing_with_others(self) -> tuple[Finding, ...]:
        """No disk and no MAC of it is another guest's as well."""
        if not isinstance(self.config, XlConfig):
            return ()
        home = next(look for look in self.files if look.host == self.spec.home)
        return tuple(judge.serves_one_guest(self.spec.name, self.config, self.others, home))
