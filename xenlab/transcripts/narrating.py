"""What happened, in the order of the text."""

from collections.abc import Iterator

from xenlab.errors import LabFault
from xenlab.transcripts.notes import Event
from xenlab.transcripts.scene import Scene, ShownConfig, ShownListing, ShownMove, ShownPing

_TOLD_OTHERWISE = frozenset({"migrate", "list", "info", "dmesg", "help", "top", "uptime"})
_OF_THE_SHARE = frozenset({"mount", "umount", "exportfs", "mount.nfs"})


def events_of(scene: Scene) -> Iterator[Event]:
    """Every event that the transcript shows."""
    yield from sorted((*_typed(scene), *_shown(scene)), key=lambda event: event.line)


def _typed(scene: Scene) -> Iterator[Event]:
    for command in scene.commands:
        where = f"{command.host}: " if command.host else ""
        if command.program in _OF_THE_SHARE:
            yield Event(command.line, f"{where}{command.text}", "shared-storage")
        elif command.verb and command.verb not in _TOLD_OTHERWISE:
            yield Event(command.line, f"{where}{command.text}", "boot-from-share" if command.verb == "create" else "")


def _shown(scene: Scene) -> Iterator[Event]:
    yield from (Event(move.line, _of_move(move), move.stage) for move in scene.moves)
    yield from (Event(listing.line, _of_listing(listing)) for listing in scene.listings)
    yield from (Event(ping.line, _of_ping(ping)) for ping in scene.pings)
    yield from (Event(config.line, _of_config(config), "path-fixes") for config in scene.configs)
    for folder in scene.folders:
        yield Event(folder.line, f"{folder.path} has {', '.join(sorted(folder.files)[:6])}", "shared-storage")
    for mount in scene.mounts:
        yield Event(mount.line, f"{mount.source} is mounted on {mount.target} ({mount.type})", "shared-storage")


def _of_move(move: ShownMove) -> str:
    to = move.to if move.to == move.target else f"{move.to} ({move.target})"
    ends = f"{move.guest or 'a guest'} from {move.source or 'its host'} to {to or 'another'}"
    paused = ", paused," if move.paused_at is not None else ""
    if move.report.succeeded:
        return f"{ends}{paused} was moved: {move.report.outcome}"
    how = move.report.outcome or f"no end is shown; as far as “{(*move.report.stages, 'the call')[-1]}”"
    return f"{ends}{paused} was to be moved: {how}"


def _of_listing(listing: ShownListing) -> str:
    guests = ", ".join(f"{row.name} {row.state} (id {row.domid}, {row.cpu_seconds} s)" for row in listing.guests[:6])
    return f"{listing.host or 'a host'} has {guests or 'no guest'}"


def _of_ping(ping: ShownPing) -> str:
    answered = ping.answered
    who = ping.output.target or next(iter(sorted(ping.peers)), "somebody")
    if not answered:
        return f"{who} answers no ping"
    span = f"icmp_seq {answered[0]} to {answered[-1]}" if len(answered) > 1 else f"icmp_seq {answered[0]}"
    return f"{who} answers {span}"


def _of_config(shown: ShownConfig) -> str:
    if isinstance(shown.config, LabFault):
        return "a config that xl does not read"
    return f"a config of {shown.name or 'a guest without a name'}, with {len(shown.config.disks)} disks"
