"""Both Dom0s as a step of the lab sheet speaks of them: what one look at each showed, and what to think of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xenlab.errors import LabFault
from xenlab.lab.judging import hosts as judge
from xenlab.lab.looks import HostLook, Unknown
from xenlab.lab.places import places_of
from xenlab.labfile import GuestSpec, HostSpec
from xenlab.outcomes import Finding
from xenlab.xen.cfg import XlConfig, parse_config


@dataclass(frozen=True, slots=True)
class HostsFound:
    """The lab's hosts as they were before anything was touched."""

    looks: tuple[HostLook, HostLook]
    specs: tuple[HostSpec, HostSpec]
    guests: tuple[GuestSpec, ...]

    def are_reached(self) -> tuple[Finding, ...]:
        """A login works on each, as root, and the host key is the one that known_hosts has."""
        return tuple(judge.is_reached(look) for look in self.looks)

    def run_xen(self) -> tuple[Finding, ...]:
        """Each runs Xen with its services: `xl info`, `xl list` and xenstore answer."""
        return tuple(judge.runs_xen(look) for look in self.looks)

    def run_same_series(self) -> Finding:
        """Both run the same major and minor Xen: guests then move in both directions."""
        return judge.run_same_series(self.looks)

    def have_same_cpu_features(self) -> Finding:
        """What a program in a guest may have seen of the CPU at its start, it finds on either host."""
        masked = any({"cpuid", "cpuid_policy"} & set(config.values) for config in self._configs().values())
        return judge.have_same_cpu_features(self.looks, masked)

    def reach_each_other(self) -> tuple[Finding, ...]:
        """Root gets from each to the other without being asked anything, and finds xl there, as `xl migrate` must."""
        one, other = self.looks
        at = {spec.name: spec.among_hosts for spec in self.specs}
        return (*judge.reaches_peer(one, other, at[other.host]), *judge.reaches_peer(other, one, at[one.host]))

    def can_take(self, guests: Iterable[str]) -> Iterator[Finding]:
        """Each host has what each guest needs: a Xen that can move its kind, its vifs' back ends, memory.

        Nothing is said of a guest whose config cannot be read yet: that is for the share's step and the paths' to say.
        """
        configs = self._configs()
        asked = [name for name in guests if name in configs]
        for look in self.looks:
            for name in asked:
                here = places_of(name, [look.domains]).rows
                yield from judge.can_take(look, name, configs[name], is_there=bool(here))

    def _configs(self) -> Mapping[str, XlConfig]:
        """The config of each guest as its home host reads it: the one from before where there is one."""
        found = {}
        for guest in self.guests:
            path = guest.original_config or guest.config
            for look in self.looks:
                text = look.configs.get(path)
                if look.host != guest.home or text is None or isinstance(text, Unknown):
                    continue
                try:
                    found[guest.name] = parse_config(text, path)
                except LabFault:
                    continue
        return found
