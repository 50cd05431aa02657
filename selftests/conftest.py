"""What concerns all of the project's own tests: how they are run."""

import os
import sys

import pytest

# Asserts of the helpers show their values too; pytest does that by itself for test modules alone.
pytest.register_assert_rewrite("console", "madeuplooks", "pages", "playedsessions", "playedxen")
pytest_plugins = ["shared_fixtures"]

# Hundreds of children would each compile all that they import, wherever the machine forbids to keep it.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="run also what takes hours")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes seconds comes before what takes an hour; what takes hours is run when asked for."""
    if not config.getoption("--whole"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("whole")])
        items[:] = [item for item in items if not item.get_closest_marker("whole")]
    items.sort(key=lambda item: item.get_closest_marker("embedded") is not None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Many of the tests wait, so three run at once; those on the one embedded lab must not.

    Each worker costs 4 s of processor time to import and collect, and each test 2 ms to be handed over and told of.
    """
    on_the_lab = any("embedded" in given or given.rstrip("/").endswith("selftests") for given in config.args)
    return 0 if on_the_lab else 3
