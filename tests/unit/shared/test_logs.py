"""What a process writes to its log: errors of all kinds, and never a customer."""

import subprocess
import sys
from typing import Final

import pytest

CUSTOMER: Final = "anna-4711"
PROGRAMS: Final = {
    "an error of ours": "try:\n    boom()\nexcept ValueError:\n    log.exception('x.failed')",
    "an error that is given": (
        "try:\n    boom()\nexcept ValueError as e:\n    log.error('x', exc_info=e)"
    ),
    "the end of the process": "boom()",
    "a library's": (
        "try:\n    boom()\nexcept ValueError:\n    logging.getLogger('aiokafka').exception('x')"
    ),
    "a task that nobody awaits": (
        "async def main():\n    task = asyncio.ensure_future(fail())\n    await asyncio.sleep(0)\n"
        "async def fail():\n    boom()\nasyncio.run(main())"
    ),
}
PREPARE: Final = """
import asyncio, logging, sys, structlog
from shared import logs
logs.configure("test", fmt={fmt!r})
log = structlog.get_logger()
def boom():
    raise ValueError("customer " + sys.argv[1])
"""


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_log_says_where_an_error_was_raised_and_names_no_customer(name: str, fmt: str) -> None:
    program = PREPARE.format(fmt=fmt) + PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, "-c", program, CUSTOMER], capture_output=True, text=True, check=False
    )
    assert "ValueError" in done.stderr
    assert "in boom" in done.stderr
    assert CUSTOMER not in done.stderr + done.stdout
