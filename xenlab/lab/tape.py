"""What a run has seen and done, kept as data as it comes, so that it can be judged again without the lab.

    looks = tape.take("share", lambda: hosts.at_once(look_at_share))

A tape that records does it and keeps what came of it: a value, or the error that was raised. One that is played does
nothing and gives what was kept. Judgements are made of what is taken, and so come out the same.

One entry is one line of JSON, so that what a killed run has seen is there up to that point. Texts of hosts may be no
UTF-8 (PEP 383), which keeps pydantic and others from carrying them: values are written with the names of their classes,
and every field is checked against its type when it is read.
"""

import json
import types
import typing
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from threading import Lock
from typing import Protocol, TypeVar, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from xenlab.errors import CannotObserve, LabFault, UsageError, WouldChange, XenlabError
from xenlab.jsontext import parsed

T = TypeVar("T")
Kinds = Mapping[str, type]


class Tape(Protocol):
    """See the module."""

    @property
    def is_played(self) -> bool:
        """Whether nothing is done, as all was done before."""

    def take(self, what: str, do: Callable[[], T], /) -> T:
        """What came of it, by the name `what`: of several of one name each in its turn.

        :raises XenlabError: what was raised. :raises CannotObserve: a tape that is played has no such entry (any more).
        """


class Untaped:
    """Does what is to be done, and keeps nothing."""

    is_played = False

    def take(self, _what: str, do: Callable[[], T], /) -> T:
        """Do it."""
        return do()


class RecordingTape:
    """Does what is to be done and writes what came of it, one line an entry, with the `step` that it was done for.

    Texts are written as `mask` makes them, so that no password is kept; names of classes and fields are none of them.
    Safe to use from several threads.
    """

    is_played = False

    def __init__(
        self,
        write: Callable[[str], None],
        step: Callable[[], str] = lambda: "",
        mask: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._write = write
        self._step = step
        self._mask = mask
        self._lock = Lock()

    def take(self, what: str, do: Callable[[], T], /) -> T:
        """Do it, and keep what came of it."""
        try:
            value = do()
        except XenlabError as error:
            self._keep({"what": what, "raised": _raised(error, self._mask)})
            raise
        self._keep({"what": what, "value": _masked(encoded(value), self._mask)})
        return value

    def _keep(self, entry: Mapping[str, object]) -> None:
        step = self._step()
        line = json.dumps({**entry, "step": step} if step else entry)
        with self._lock:
            self._write(line)


class PlayedTape:
    """Gives what was kept. `kinds` are the classes that values may be of, by their names."""

    is_played = True

    def __init__(self, lines: Iterable[str], kinds: Kinds) -> None:
        self._kinds = kinds
        self._lock = Lock()
        self._entries: dict[str, deque[Mapping[str, object]]] = defaultdict(deque)
        for number, line in enumerate(lines, 1):
            try:
                entry = parsed(line)
                self._entries[str(entry["what"])].append(entry)
            except (ValueError, KeyError, TypeError):
                raise UsageError(f"line {number} of the tape is none of ours") from None

    def take(self, what: str, _do: Callable[[], T], /) -> T:
        """What was kept by that name, each entry once."""
        with self._lock:
            if not self._entries[what]:
                raise CannotObserve(f"{what}: the run did not come so far, or xenlab looked otherwise then")
            entry = self._entries[what].popleft()
        if "raised" in entry:
            raise _error(entry["raised"])
        try:
            return typing.cast(T, decoded(entry.get("value"), self._kinds))
        except (TypeError, KeyError, ValueError, TypeCheckError, RecursionError) as odd:
            raise UsageError(f"{what}: what was kept is none of ours: {odd}") from None


# Values


def encoded(value: object) -> object:
    """A value as JSON has it: dataclasses with their names, tuples as lists, sets and mappings marked."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "": type(value).__name__,
            **{field.name: encoded(getattr(value, field.name)) for field in fields(value)},
        }
    if isinstance(value, Enum):
        return encoded(value.value)
    if isinstance(value, frozenset):
        return {"": "set", "of": [encoded(each) for each in sorted(value)]}
    if isinstance(value, Mapping):
        return {"": "map", "of": [[encoded(key), encoded(each)] for key, each in value.items()]}
    if isinstance(value, tuple | list):
        return [encoded(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def decoded(value: object, kinds: Kinds) -> object:
    """The value again.

    :raises TypeError, KeyError, ValueError, TypeCheckError: it is none that `encoded` makes of these classes.
    """
    if isinstance(value, list):
        return tuple(decoded(each, kinds) for each in value)
    if not isinstance(value, dict):
        return value
    name = value.get("")
    if name == "set":
        return frozenset(decoded(each, kinds) for each in value["of"])
    if name == "map":
        return {decoded(key, kinds): decoded(each, kinds) for key, each in value["of"]}
    kind = kinds[str(name)]
    given = {key: decoded(each, kinds) for key, each in value.items() if key}
    for key, hint in _hints(kind).items():
        if key in given:
            check_type(given[key], hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    made: object = kind(**given)
    return made


def _masked(value: object, mask: Callable[[str], str]) -> object:
    """What `encoded` has made, each text in it masked."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_masked(each, mask) for each in value]
    if isinstance(value, dict):
        return {key: each if key == "" else _masked(each, mask) for key, each in value.items()}
    return value


@cache
def _hints(kind: type) -> Mapping[str, object]:
    return types.MappingProxyType(get_type_hints(kind))


# Errors

_FACTS = ("hint", "expected", "actual", "host", "guest")
_KINDS = {LabFault: "fault", CannotObserve: "unseen", WouldChange: "change"}


def _raised(error: XenlabError, mask: Callable[[str], str]) -> Mapping[str, object]:
    facts = {name: _masked(getattr(error, name), mask) for name in _FACTS if hasattr(error, name)}
    kind = next((word for kind, word in _KINDS.items() if isinstance(error, kind)), "other")
    act = {"act": error.act} if isinstance(error, WouldChange) else {}
    return {"kind": kind, "message": mask(error.message), "evidence": list(error.evidence), **facts, **act}


def _error(kept: object) -> XenlabError:
    if not isinstance(kept, dict) or not all(isinstance(each, str | None | list) for each in kept.values()):
        return UsageError("an error on the tape is none of ours")
    message, evidence = str(kept.get("message")), tuple(map(str, kept.get("evidence") or ()))
    facts = {name: kept[name] for name in _FACTS if name in kept}
    if kept.get("kind") == "fault":
        return LabFault(message, evidence=evidence, **facts)
    if kept.get("kind") == "change":
        return WouldChange(message, act=str(kept.get("act") or ""))
    kind = CannotObserve if kept.get("kind") == "unseen" else UsageError
    return kind(message, hint=str(facts.get("hint") or ""), evidence=evidence)
