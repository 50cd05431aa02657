"""What concerns all of the project's own tests."""

import pytest

# Asserts of the helpers show their values too; pytest does that by itself for test modules alone.
pytest.register_assert_rewrite("console", "fakelab", "pages")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes seconds comes before what takes an hour."""
    items.sort(key=lambda item: item.get_closest_marker("embedded") is not None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most of the quick tests wait, so three run at once; those on the one embedded lab must not."""
    return 3 if config.option.markexpr == "not embedded" else 0
