"""What feeds targets for `benchmarks.fuzz`: each in a process of its own, by atheris, hypothesis or repeated fragments.

This one has loaded all of them, and forks for each round that it reads on stdin: a line of JSON, and one that answers.
"""

import base64
import importlib
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from benchmarks.fuzz import Fed, Round, fed_of

if TYPE_CHECKING:
    from selftests.fuzz.target import Finding, Target

Tell = Callable[[Fed], None]
MEMORY_BYTES = 3 << 30
_CPU_SECONDS = 120
"""For a process beyond the time that it was given; then it is ended, and that is a finding."""

_MOST_FINDINGS = 20
_MOST_KEPT = 1 << 20
_OF_ATHERIS = 0.5
"""The part of all changes that atheris draws, which knows bytes and numbers, and no lines and words."""


class _Tally:
    """Feeds a target, counts, and keeps one input of each kind of finding: the shortest."""

    def __init__(self, target: "Target", how: str) -> None:
        from selftests.fuzz import target as targets

        self._tried, self._clock = targets.tried, time.thread_time
        self.target, self.how = target, how
        self.inputs, self.slowest = 0, 0.0
        self.found: dict[tuple[str, str], Finding] = {}
        self._began = time.process_time()

    def feed(self, data: bytes) -> None:
        """One input."""
        self.inputs += 1
        began = self._clock()
        finding = self._tried(self.target, data)
        self.slowest = max(self.slowest, self._clock() - began)
        if finding is not None:
            kind = (finding.what.partition(":")[0], finding.where)
            known = self.found.get(kind)
            if known is None or len(data) < len(known.data):
                self.found[kind] = finding

    def fed(self) -> Fed:
        """What came of it."""
        findings = [
            (one.what, one.where, base64.b64encode(one.data[:_MOST_KEPT]).decode()) for one in self.found.values()
        ]
        seconds = time.process_time() - self._began
        return Fed(self.target.name, self.how, self.inputs, seconds, tuple(findings[:_MOST_FINDINGS]), self.slowest)


def serve(how: str) -> None:
    """Feed target after target, until stdin ends."""
    if how == "atheris":
        # There are no wheels of it for each Python: it is looked for only here.
        atheris: Any = importlib.import_module("atheris")
        with atheris.instrument_imports(include=["xenlab"]):
            importlib.import_module("selftests.fuzz.targets")
    feeders = {"atheris": by_atheris, "hypothesis": by_hypothesis, "growth": by_growth}
    for line in sys.stdin:
        print(json.dumps(asdict(_forked(feeders[how], Round(*json.loads(line))))), flush=True)


def _forked(feed: Callable[[str, int, float, int, Tell], None], one: Round) -> Fed:
    """What a process of its own has fed; one that dies is a finding."""
    with tempfile.TemporaryDirectory(prefix="xenlab-fuzz-") as scratch, tempfile.TemporaryFile() as words:
        theirs, ours = os.pipe()
        if not (child := os.fork()):
            tempfile.tempdir = scratch
            os.dup2(words.fileno(), sys.stderr.fileno())
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            resource.setrlimit(resource.RLIMIT_CPU, (int(one.seconds) + _CPU_SECONDS,) * 2)
            code = 1
            try:
                with os.fdopen(ours, "w") as told:
                    feed(one.target, one.inputs, one.seconds, one.seed, lambda fed: _tell(fed, told))
                code = 0
            finally:  # whatever it was, it is told, and the loop goes on in the parent alone
                if code:
                    traceback.print_exc()
                os._exit(code)
        os.close(ours)
        with os.fdopen(theirs) as told:
            said = told.read()
        _, status = os.waitpid(child, 0)
        if said:
            return fed_of(json.loads(said))
        words.seek(0)
        why = words.read().decode(errors="replace").strip()[-600:]
        died = (f"its process ended with {os.waitstatus_to_exitcode(status)}: {why}", "", "")
        return Fed(one.target, one.how, 0, 0.0, (died,))


def _tell(fed: Fed, told: TextIO) -> None:
    json.dump(asdict(fed), told)
    told.flush()


def by_atheris(name: str, inputs: int, seconds: float, begin: int, tell: Tell) -> None:
    """Inputs that reach new lines of xenlab are changed on, by its changes and by ours. Never returns."""
    atheris: Any = importlib.import_module("atheris")
    from selftests.fuzz.mutations import mutated
    from selftests.fuzz.targets import target_named

    tally, until = _Tally(target_named(name), "atheris"), time.process_time() + seconds
    target = tally.target

    def feed(data: bytes) -> None:
        tally.feed(data)
        if tally.inputs >= inputs or time.process_time() > until:
            tell(tally.fed())
            os._exit(0)  # atheris never ends by itself

    def changed(data: bytes, most: int, seed: int) -> bytes:
        drawn = random.Random(seed)  # noqa: S311 - an input, no secret
        if drawn.random() < _OF_ATHERIS:
            found: bytes = atheris.Mutate(data, min(len(data) + 64, most))
            return found
        return mutated(target, data, drawn.randrange)[:most]

    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    for number, real in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(real)
    longest = max(4096, *(2 * len(real) for real in target.seeds))
    bounds = [
        f"-max_len={min(longest, target.most)}",
        "-timeout=60",
        "-rss_limit_mb=0",
        "-verbosity=0",
        "-len_control=0",
    ]
    atheris.Setup(["fuzz", *bounds, f"-seed={begin}", str(corpus)], feed, custom_mutator=changed)
    atheris.Fuzz()


def by_hypothesis(name: str, inputs: int, seconds: float, begin: int, tell: Tell) -> None:
    """Real inputs with a few changes."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from selftests.fuzz.strategies import inputs_of
    from selftests.fuzz.targets import target_named

    tally, until = _Tally(target_named(name), "hypothesis"), time.process_time() + seconds

    @seed(begin)
    @settings(
        max_examples=max(1, inputs),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs_of(tally.target))
    def feed(data: bytes) -> None:
        if time.process_time() > until:
            tell(tally.fed())
            os._exit(0)  # hypothesis has no such bound of its own
        tally.feed(data)

    feed()
    tell(tally.fed())


def by_growth(name: str, _inputs: int, seconds: float, _begin: int, tell: Tell) -> None:
    """One fragment repeated, at doubled lengths."""
    from selftests.fuzz.growth import grown
    from selftests.fuzz.targets import target_named

    began = time.process_time()
    found = grown(target_named(name), seconds)
    kept = {one.what: (one.what, one.where, base64.b64encode(one.data).decode()) for one in found.findings}
    tell(
        Fed(
            name,
            "growth",
            found.inputs,
            time.process_time() - began,
            tuple(kept.values())[:_MOST_FINDINGS],
            max(found.seconds.values(), default=0.0),
            tuple(sorted(found.seconds.items())),
        )
    )


if __name__ == "__main__":
    serve(sys.argv[1])
