"""A run in which no test may be skipped, except for a listed reason: set GDRD_NO_SKIPS=1, as .ci/run does."""

import os

import pytest

# Parts of the skip messages that are accepted, each with the reason why the test cannot run in CI.
ALLOWED = {"there is a GPU": "the test needs a machine without one, and CI may run on either kind"}


def unexpected(config: pytest.Config) -> list[str]:
    """The skips of this run that no reason in ``ALLOWED`` covers, as "file:line: message"."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found = set()
    for report in reporter.stats.get("skipped", []) if reporter else []:
        file, line, message = report.longrepr
        if not any(part in message for part in ALLOWED):
            found.add(f"{file}:{line}: {message}")
    return sorted(found) if os.environ.get("GDRD_NO_SKIPS") == "1" else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if unexpected(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in unexpected(config):
        terminalreporter.write_line(f"SKIPPED, which GDRD_NO_SKIPS=1 does not allow: {line}", red=True)
