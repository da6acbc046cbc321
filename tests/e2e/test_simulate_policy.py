"""The command that tries a policy, against a whole system of its own."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from shared.client.lifecycle import LifecycleClient, SimulationSummary
from tests.e2e.system import client, open_system, stammkunde, state
from tests.support.builders import day, encode, order
from tests.support.fresh_servers import eventually


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three customers bought on days 0, 10 and 60; the clock stands at day 100."""
    log = tmp_path_factory.mktemp("log") / "shop.ndjson"
    orders = [order("ada", 0), order("ben", 10), order("cem", 60)]
    log.write_bytes(b"".join(encode(made) + b"\n" for made in orders))
    with open_system() as running:
        replayed = stammkunde("replay", running, str(log), "--until", day(100).isoformat())
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        yield running


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    file = tmp_path / "strict.toml"
    file.write_text('name = "strict"\nat_risk_days = 30\ninactive_days = 80\n')
    return file


def test_what_a_policy_would_have_changed_is_shown_as_tables(home: Path, strict: Path) -> None:
    shown = stammkunde("simulate-policy", home, str(strict), "--from", "2024-01-01")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "of 3 customers with 3 events 3 differ (100.0%)" in shown.stdout
    words = [" ".join(re.sub("[│┃]", " ", line).split()) for line in shown.stdout.splitlines()]
    for line in (
        "Live new at_risk inactive all",
        "at_risk 2 2",
        "inactive 0 2 +2",
        "first_purchase all 3 3",
        "silence_begins all 1 3 +2",
        "1. ada, for 2 who differ in this way",
        "2024-03-31 at_risk (silence_begins) 2024-01-31 at_risk (silence_begins)",
    ):
        assert line in words


def test_for_programs_it_is_json_and_the_same_is_found_over_http(home: Path, strict: Path) -> None:
    shown = stammkunde(
        "simulate-policy", home, str(strict), "--from", "2024-01-01", "--to", "2024-03-01", "--json"
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    found = json.loads(shown.stdout)
    assert (found["state"], found["to"], found["report"]["customers"]) == (
        "done",
        "2024-03-01T00:00:00Z",
        2,
    )
    with client(home, LifecycleClient) as lifecycle:
        assert lifecycle.show_simulation(found["id"]) == found


@pytest.mark.parametrize(
    ("policy", "options", "told"),
    [
        ("at_risk_days = 0", ["--from", "2024-01-01"], "policy.at_risk_days"),
        (
            "at_risk_days = 30",
            ["--from", "2024-01-01", "--to", "2030-01-01"],
            "has not been reached",
        ),
        ("at_risk_days = 30", ["--from", "2024-01-01", "--account", "b2g"], "account"),
        ("at_risk_days = 30", ["--from", "yesterday"], "--from"),
        ("at_risk_days", ["--from", "2024-01-01"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_told(
    home: Path, tmp_path: Path, policy: str, options: list[str], told: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(policy)
    refused = stammkunde("simulate-policy", home, str(file), *options)
    assert refused.returncode in {1, 2}
    assert told in refused.stderr


async def test_an_interrupt_cancels_it(home: Path, strict: Path) -> None:
    connection = await asyncpg.connect(state(home)["database_url"])
    async with connection.transaction():
        await connection.execute("LOCK TABLE lifecycle.event IN ACCESS EXCLUSIVE MODE")
        command = (
            "-m",
            "shared.cli.main",
            "simulate-policy",
            str(strict),
            "--from",
            "2024-01-01",
            "--home",
            str(home),
        )
        env = {
            name: value for name, value in os.environ.items() if not name.startswith("STAMMKUNDE_")
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

        def latest() -> SimulationSummary:
            with client(home, LifecycleClient) as lifecycle:
                return lifecycle.list_simulations(limit=1)["items"][0]

        await eventually(lambda: latest()["state"] == "running", within_s=30)
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 1
        found = latest()
        assert found["state"] == "cancelled"
        assert f"simulation {found['id']} is cancelled" in output.decode()
    await connection.close()
