"""What a home folder remembers, and what commands say when there is nothing to talk to."""

import os
import stat
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from shared.cli.main import app
from shared.cli.options import SHIPPED_POLICIES, policy_file
from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.local.home import Home, StackState
from shared.local.stack import StackOptions, open_stack

STATE = StackState(
    clock=ClockMode.LOG,
    port_base=9001,
    kafka_bootstrap="127.0.0.1:1",
    database_url="postgresql://127.0.0.1:2/x",
    urls={"ingest": "http://127.0.0.1:9001"},
)


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.load() is None
    home.save(STATE)
    assert home.load() == STATE
    home.save(msgspec.structs.replace(STATE, ready=True))
    assert Home(tmp_path).load() == msgspec.structs.replace(STATE, ready=True)


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    key = home.api_key(None)
    assert len(key) >= 32
    assert home.api_key(None) == key
    assert home.api_key("given") == "given"
    assert stat.S_IMODE((tmp_path / "new" / "api-key").stat().st_mode) == 0o600


def test_a_home_is_held_by_one_at_a_time_and_free_again_after(tmp_path: Path) -> None:
    first = Home(tmp_path)
    second = Home(tmp_path)
    assert not second.is_running()
    assert first.acquire()
    assert second.is_running()
    assert second.supervisor_pid() == os.getpid()
    assert not second.acquire()
    first.release()
    assert not second.is_running()
    with pytest.raises(Misconfigured, match="stammkunde up"):
        second.supervisor_pid()


async def test_a_second_stack_in_one_home_is_refused(tmp_path: Path) -> None:
    holder = Home(tmp_path)
    assert holder.acquire()
    try:
        with pytest.raises(Misconfigured, match="already running"):
            async with open_stack(Home(tmp_path), StackOptions(), say=print):
                pytest.fail("must not start")
    finally:
        holder.release()


async def test_data_of_the_other_clock_are_refused(tmp_path: Path) -> None:
    Home(tmp_path).save(STATE)
    with pytest.raises(Misconfigured, match="--clock log"):
        async with open_stack(Home(tmp_path), StackOptions(clock=ClockMode.WALL), say=print):
            pytest.fail("must not start")


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: Path) -> None:
    for command in (["status"], ["down"], ["phases"], ["customer", "c1"], ["demo"]):
        result = CliRunner().invoke(app, [*command, "--home", str(tmp_path)])
        assert result.exit_code == 1, command
        assert "stammkunde up" in result.stderr, command


def test_a_replay_needs_an_instant_with_a_zone(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("{}\n")
    result = CliRunner().invoke(
        app, ["replay", str(file), "--until", "2024-01-01T00:00:00", "--home", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert "zone" in result.stderr


def test_a_policy_is_a_file_or_the_name_of_one_that_is_shipped(tmp_path: Path) -> None:
    mine = tmp_path / "auto.toml"
    mine.touch()
    assert policy_file(None) is None
    assert policy_file(mine) == mine
    assert policy_file(Path("auto.toml")) == SHIPPED_POLICIES / "auto.toml"
    for wrong in (Path("nothing.toml"), tmp_path / "watchful.toml"):
        with pytest.raises(typer.BadParameter, match="neither a file"):
            policy_file(wrong)
