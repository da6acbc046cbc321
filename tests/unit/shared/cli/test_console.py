"""How a command ends: with a result, with errors for people, or interrupted."""

import asyncio
import os
import signal

import pytest
import typer

from shared.cli import console
from shared.errors import Misconfigured, Retryable


async def fail_in_groups() -> None:
    first = Misconfigured("no [stack] here")
    inner = ExceptionGroup("inner", [Retryable("try later")])
    raise ExceptionGroup("outer", [first, inner])


def test_every_error_for_people_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        console.run(fail_in_groups())
    printed = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert printed.err == "error: no [stack] here\nerror: try later\n"
    assert printed.out == ""


def test_a_bug_is_no_error_for_people() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        console.run(fail())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_cleans_up_and_has_no_result(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = []

    async def work() -> str:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")
        return "never"

    assert console.run(console.until_interrupted(work())) is None
    assert steps == ["cleaned up"]
    assert capsys.readouterr().err == "stopping …\n"


def test_work_that_ends_by_itself_gives_its_result() -> None:
    async def work() -> str:
        return "done"

    assert console.run(console.until_interrupted(work())) == "done"
