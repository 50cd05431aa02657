"""The moves of a run: watched, and kept with their figures and timelines for the reports."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta

from xenlab.grading.run import Run
from xenlab.lab.guest import Guest
from xenlab.lab.lab import Lab
from xenlab.lab.looks import Unknown
from xenlab.lab.migration import Migration
from xenlab.lab.moved import Move, PausedMove
from xenlab.lab.watch import Watch, Watched, note_watch
from xenlab.lab.watch_analysis import with_figures
from xenlab.lab.watched_move import WatchedMove
from xenlab.outcomes import MigrationRecord
from xenlab.report.timeline import timeline_csv, timeline_svg


class Moves:
    """Watches guests move, and keeps every move."""

    def __init__(self, lab: Lab, run: Run) -> None:
        self._lab = lab
        self._run = run
        self._probes = run.rubric.thresholds.over(lab.spec.probes)

    @contextmanager
    def watched(self, guest: Guest) -> Iterator[Watched]:
        """Both pings, a heartbeat, an SSH connection and a running write around the body."""
        watched, take = Watched(), self._lab.tape.take
        live: list[Watched] = []
        with ExitStack() as over, ExitStack() as watch:
            take(f"{guest.name} watch begins", lambda: live.append(watch.enter_context(self._watch(guest))))
            over.callback(lambda: watched.is_over(take(f"{guest.name} watch", lambda: live[0].observed)))
            yield watched
        if live and not any(seen.unread for seen in watched.observed.outside):  # else it is tried again at the end
            self._lab.custody.not_watched(guest.name)

    def _watch(self, guest: Guest) -> AbstractContextManager[Watched]:
        run, seconds = self._lab.custody.run, self._lab.spec.timeouts.migrate_seconds
        note_watch(self._lab.custody, guest)
        return Watch(self._probes, run=run, seconds=seconds).around(guest)

    def keep(self, move: Move) -> Move:
        """Keep a move for the reports."""
        self._run.add_migration(_record(move.migration, self._run.now))
        return move

    def keep_paused(self, move: PausedMove) -> PausedMove:
        """Keep a paused guest's move for the reports, where Xen did not refuse it."""
        if move.migration is not None:
            self._run.add_migration(_record(move.migration, self._run.now))
        return move

    def keep_watched(self, move: Move, watched: Watched) -> WatchedMove:
        """Keep a move with all that was seen of it, and return what is to be thought of that."""
        migration = move.migration
        seen = WatchedMove.of(migration, watched.observed, self._probes)
        analysis = seen.analysis
        title = f"{migration.guest}: {migration.kind} migration {migration.source} → {migration.target}"
        outside = {ping.seat: ping.trace for ping in analysis.outside}
        inside = None if isinstance(analysis.inside, Unknown) else analysis.inside.trace
        csvs = {f"outside-{'-'.join(seat.split())}": timeline_csv(trace) for seat, trace in outside.items()}
        csvs |= {"inside": timeline_csv(inside)} if inside else {}
        svg = timeline_svg(outside, inside, analysis.window, title, analysis.anatomy)
        self._run.add_migration(with_figures(_record(migration, self._run.now), analysis), svg=svg, csvs=csvs)
        self._run.remarks += [remark for remark in seen.remarks() if remark not in self._run.remarks]
        return seen


def _record(move: Migration, now: datetime) -> MigrationRecord:
    before, after = move.before.boot_id, move.after.boot_id
    return MigrationRecord(
        guest=move.guest,
        kind=move.kind,
        source=move.source,
        target=move.target,
        started=now - timedelta(seconds=time.monotonic() - move.started),
        seconds=round(move.seconds, 2),
        same_boot=before == after and not isinstance(before, Unknown),
    )
