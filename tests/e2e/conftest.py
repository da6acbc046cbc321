"""One system for the whole session through which the CDNOW log has gone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.system import open_system, stammkunde


class Demonstrated(NamedTuple):
    """Where the system runs, and what the demonstration printed."""

    home: Path
    demo: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="session")
def cdnow() -> Iterator[Demonstrated]:
    """The system after `make run`, still up; to be read, not changed."""
    with open_system() as home:
        yield Demonstrated(home, stammkunde("demo", home))
