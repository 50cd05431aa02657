"""How `benchmarks.fuzz` feeds one target in a process of its own: by atheris, by hypothesis, by repeated fragments."""

import base64
import importlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fuzz import Fed

if TYPE_CHECKING:
    from selftests.fuzz.target import Finding, Target

Tell = Callable[[Fed], None]
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
        self._began = time.monotonic()

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
        seconds = time.monotonic() - self._began
        return Fed(self.target.name, self.how, self.inputs, seconds, tuple(findings[:_MOST_FINDINGS]), self.slowest)


def by_atheris(name: str, inputs: int, seconds: float, begin: int, tell: Tell) -> None:
    """Inputs that reach new lines of xenlab are changed on, by its changes and by ours. Never returns."""
    # No wheel of it for each Python: it is looked for only here.
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["xenlab"], enable_loader_override=False):
        from selftests.fuzz.mutations import mutated
        from selftests.fuzz.targets import target_named
    tally, until = _Tally(target_named(name), "atheris"), time.monotonic() + seconds
    target = tally.target

    def feed(data: bytes) -> None:
        tally.feed(data)
        if tally.inputs >= inputs or time.monotonic() > until:
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

    tally, until = _Tally(target_named(name), "hypothesis"), time.monotonic() + seconds

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
        if time.monotonic() > until:
            tell(tally.fed())
            os._exit(0)  # hypothesis has no such bound of its own
        tally.feed(data)

    feed()
    tell(tally.fed())


def by_growth(name: str, _inputs: int, seconds: float, _begin: int, tell: Tell) -> None:
    """One fragment repeated, at doubled lengths."""
    from selftests.fuzz.growth import grown
    from selftests.fuzz.targets import target_named

    began = time.monotonic()
    found = grown(target_named(name), seconds)
    kept = {one.what: (one.what, one.where, base64.b64encode(one.data).decode()) for one in found.findings}
    tell(
        Fed(
            name,
            "growth",
            found.inputs,
            time.monotonic() - began,
            tuple(kept.values())[:_MOST_FINDINGS],
            max(found.seconds.values(), default=0.0),
            tuple(sorted(found.seconds.items())),
        )
    )
