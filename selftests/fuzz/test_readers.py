"""Every reader, fed with anything: a short run of what `python -m benchmarks.fuzz` does for hours.

And what such runs have found: each of it is fed again.
"""

import ast
import importlib
import inspect
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, settings

import xenlab
from selftests.fuzz.found import FOUND, GREW
from selftests.fuzz.growth import grown
from selftests.fuzz.mutations import mutated
from selftests.fuzz.strategies import inputs_of
from selftests.fuzz.target import Target, of_text, tried
from selftests.fuzz.targets import TARGETS, target_named
from selftests.helpers.paths import ROOT

REFUSES = {"lock", "holder of reports"}
"""What tells by an error whom it has read of."""

EACH = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@EACH
def test_what_is_real_or_was_found_ends_cleanly(target: Target) -> None:
    inputs = [*target.seeds, *FOUND.get(target.name, ()), b""]
    assert [finding for data in inputs if (finding := tried(target, data))] == []


@EACH
def test_a_real_input_is_read(target: Target) -> None:
    """A target whose every input is refused at once would show little."""
    read = 0
    for data in target.seeds:
        with suppress(*target.clean):
            target.read(data)
            read += 1
    assert (read > 0) is (target.name not in REFUSES)


@EACH
def test_what_is_changed_ends_cleanly(target: Target) -> None:
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs_of(target))
    def fed(data: bytes) -> None:
        assert tried(target, data) is None

    fed()


@pytest.mark.parametrize(("name", "fragment"), GREW)
def test_what_grew_too_fast_no_longer_does(name: str, fragment: str) -> None:
    found = grown(target_named(name), fragments=[fragment], most=1 << 16)
    assert found.findings == ()
    assert found.inputs > len(found.seconds) > 0


# All readers are fed


READS = {"parsed", "data_of", "model_validate_json", "validate_json"}
"""What reads files and what others send."""

OF_ITS_OWN = {"_grade_in", "_addresses", "_submission", "find_out", "_by_step", "unreadable", "environ_with"}
"""What reads, by those, what this very run or an earlier one has written, and has tests of its own."""

NO_TEXT_OF_OTHERS = {
    **dict.fromkeys(("activity.activity", "shell.probe", "shell.probe_script", "frames.answered"), "says what we say"),
    **dict.fromkeys(("frames.end", "prompts.question_other_than"), "makes a pattern"),
    **dict.fromkeys(("cause.template", "cause.names_in", "dictionary.cause_named", "wording.with_names"), "of ours"),
    **dict.fromkeys(("ssh_client.connect_tcp", "ssh_client.open_client", "ssh_client.where"), "a machine's name"),
    "sudo.wrong_password": "a login of the lab file",
    **dict.fromkeys(("network.is_address", "neighbours.who_has"), "one word"),
    **dict.fromkeys(("testinfra_backend.modules_of", "commands.names_in"), "a machine's name, a pattern"),
}
"""Public functions of a text that is never another's."""


@cache
def reached() -> frozenset[CodeType]:
    """All code that is run when each target is fed with some of its seeds."""
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            found.add(frame.f_code)

    for target in TARGETS:
        for data in target.seeds[-3:]:
            sys.setprofile(note)
            try:
                target.read(data)
            except target.clean:
                continue
            finally:
                sys.setprofile(None)
    return frozenset(found)


def modules(*rooms: str) -> Iterator[ModuleType]:
    """The modules of those rooms, or of all."""
    for found in pkgutil.walk_packages(xenlab.__path__, "xenlab."):
        if not found.name.endswith("__main__") and (not rooms or found.name.split(".")[1] in rooms):
            yield importlib.import_module(found.name)


def test_every_public_function_of_a_text_is_fed() -> None:
    texts, lacking, seen = {str, bytes, bytes | bytearray}, [], 0
    for module in modules("xen", "causes", "probes", "remote"):
        for name, function in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            code = inspect.unwrap(function).__code__
            first, *_ = [*inspect.signature(function).parameters.values(), None]
            makes = inspect.signature(function).return_annotation
            if first is None or first.annotation not in texts or makes in (tuple[str, ...], bytes):
                continue
            seen += 1
            short = f"{module.__name__.rpartition('.')[2]}.{name}"
            if code not in reached() and short not in NO_TEXT_OF_OTHERS:
                lacking.append(f"{module.__name__}.{name}")
    assert not lacking, "\n".join(lacking)
    assert seen > 50


def test_every_reader_of_json_and_toml_is_fed() -> None:
    run = {(str(Path(code.co_filename).resolve()), code.co_qualname) for code in reached()}
    lacking, seen = [], 0
    for path in sorted((ROOT / "xenlab").rglob("*.py")):
        for name, function in functions(ast.parse(path.read_text("utf-8")).body):
            called = {
                ast.unparse(call.func).rpartition(".")[2] for call in ast.walk(function) if isinstance(call, ast.Call)
            }
            if READS & called and name not in READS | OF_ITS_OWN:
                seen += 1
                lacking += [] if (str(path), name) in run else [f"{path.relative_to(ROOT)}: {name}"]
    assert not lacking, "\n".join(lacking)
    assert seen > 15


def functions(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods with their qualified names."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield within + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node.body, f"{within}{node.name}.")


# What is looked for would be found


def planted(read: Callable[[str], object]) -> Target:
    return Target("planted", of_text(read), (b"name = 1\n",), clean=(KeyError,), most=1 << 16)


def test_an_unclean_end_is_found() -> None:
    target = planted(lambda text: int(text.partition("=")[2]))
    assert tried(target, b"name = 1\n") is None
    found = tried(target, b"name = x\n")
    assert found is not None
    assert found.what.startswith("ValueError")
    assert tried(planted(lambda text: {}[text]), b"x") is None
    draw = iter(range(10_000))
    assert any(tried(target, mutated(target, target.seeds[0], lambda most: next(draw) % most)) for _ in range(50))


def test_a_hang_is_found() -> None:
    def hangs(text: str) -> None:
        while text:
            pass

    began = time.thread_time()
    found = tried(planted(hangs), b"x", seconds=0.1)
    assert found is not None
    assert found.what == "took more than 0.1 s"
    assert time.thread_time() - began < 2


def test_a_square_is_found_and_what_is_linear_is_not() -> None:
    assert grown(planted(lambda text: [text.find("\0", at) for at in range(len(text))]), fragments=["a"]).findings
    assert not grown(planted(lambda text: [ord(char) + 1 for char in text]), fragments=["a"]).findings
