"""What lies beside a step that failed: what both hosts and their guest's logs wrote since the run began."""

from collections.abc import Iterator

from xenlab.lab.dom0 import HostPair
from xenlab.lab.hosts import HostsFound
from xenlab.lab.looking import look_at_logs
from xenlab.lab.looks import LogsLook, Unknown

_TITLES = {"xen": "xl dmesg", "kernel": "dmesg", "guest": "logs"}


def beside(hosts: HostPair, found: HostsFound, guest: str | None) -> Iterator[tuple[str, str]]:
    """A title and a text for each log that has something new; both hosts are asked at once."""
    counted = {look.host: look.log_lines for look in found.looks}

    def look(host_name: str) -> tuple[int, int]:
        lines = counted[host_name]
        return (0, 0) if isinstance(lines, Unknown) else lines

    looks = hosts.at_once(lambda host: look_at_logs(host, *look(host.name), guest))
    for one in looks:
        yield from _titled(one)


def _titled(look: LogsLook) -> Iterator[tuple[str, str]]:
    for name, text in look.texts.items():
        words = f"not to be seen: {text.why}" if isinstance(text, Unknown) else text
        if words.strip():
            yield f"{_TITLES[name]} on {look.host}", words
