"""junit.xml as pytest makes it, but written as the other reports are: whole or not at all."""

import os
from pathlib import Path

import pytest

# pytest has no other way to choose how the file is written.
from _pytest.junitxml import LogXML, xml_key

from xenlab.report.folder import ReportsFolder


def follow_for_junit(config: pytest.Config, folder: ReportsFolder, path: Path) -> None:
    """Have the session's JUnit file written to `path`, as pytest does by itself for --junitxml."""
    log = _Junit(config, folder, path)
    config.stash[xml_key] = log
    config.pluginmanager.register(log)


class _Junit(LogXML):
    def __init__(self, config: pytest.Config, folder: ReportsFolder, path: Path) -> None:
        super().__init__(
            str(path),
            config.option.junitprefix,
            config.getini("junit_suite_name"),
            config.getini("junit_logging"),
            config.getini("junit_duration_report"),
            config.getini("junit_family"),
            config.getini("junit_log_passing_tests"),
        )
        self._folder = folder
        self._path = path

    def pytest_sessionfinish(self) -> None:
        try:
            # Into memory first, where no disk is full.
            with open(os.memfd_create(self._path.name), "rb") as memory:  # noqa: PTH123
                self.logfile = f"/proc/self/fd/{memory.fileno()}"
                super().pytest_sessionfinish()
                self._folder.write(str(self._path), memory.read())
        except OSError as problem:  # no file handle is left, say
            self._folder.note(problem, self._path)
        self.logfile = str(self._path)
