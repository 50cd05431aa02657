"""What concerns all of the project's own tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes seconds comes before what takes an hour."""
    items.sort(key=lambda item: item.get_closest_marker("embedded") is not None)
