"""The command line against a whole system: up, replay, reads, operations, a crash, down."""

import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.system import begun, open_system, query, stammkunde, state


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of a system in log time, started in the background."""
    with open_system() as running:
        yield running


EVENTS = "customer-events.v1"


def occupied(home: Path) -> int:
    """The partition of the one customer."""
    ((partition,),) = query(home, "SELECT partition FROM lifecycle.customer")
    return int(partition)


def epoch(home: Path, partition: int) -> int:
    ((number,),) = query(home, f"SELECT epoch FROM lifecycle.owner WHERE partition = {partition}")
    return int(number)


def order(number: int, time: str) -> str:
    total = {"amount": 1000, "currency": "EUR"}
    data = {"order_id": f"o{number}", "total": total}
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/t",
        "type": "order.completed",
        "time": time,
    }
    return json.dumps({**event, "subject": "c1", "data": data})


def test_a_replayed_log_is_worked_off_when_the_command_returns(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text(
        order(1, "2024-01-01T12:00:00Z") + "\n" + order(2, "2024-01-03T12:00:00Z") + "\n"
    )
    replayed = stammkunde("replay", home, str(log), "--until", "2024-05-01T00:00:00Z")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "2 events accepted, 0 rejected" in replayed.stdout

    customer = json.loads(stammkunde("customer", home, "c1", "--json").stdout)
    assert (customer["orders"], customer["phase"], customer["as_of"]) == (
        2,
        "at_risk",
        "2024-05-01T00:00:00Z",
    )
    phases = json.loads(stammkunde("phases", home, "--json").stdout)
    assert {phase: n for phase, n in phases["counts"].items() if n} == {"at_risk": 1}


def test_changes_are_printed_line_by_line_and_followed_from_a_cursor(home: Path) -> None:
    printed = stammkunde("changes", home)
    assert [json.loads(line)["data"]["rule"] for line in printed.stdout.splitlines()] == [
        "first_purchase",
        "silence_begins",
    ]
    cursor = printed.stderr.split("--after ")[1].strip()
    rest = stammkunde("changes", home, "--after", cursor)
    assert (rest.returncode, rest.stdout, rest.stderr) == (0, "", printed.stderr)
    wrong = stammkunde("changes", home, "--after", "nonsense")
    assert wrong.returncode == 1
    assert "invalid_cursor" in wrong.stderr


def test_who_follows_changes_is_told_how_to_go_on_when_stopped(home: Path) -> None:
    with begun("changes", home, "--follow") as following:
        assert following.stdout is not None
        rules = [json.loads(following.stdout.readline())["data"]["rule"] for _ in range(2)]
        following.terminate()
        _, told = following.communicate(timeout=60)
    assert (following.returncode, rules) == (0, ["first_purchase", "silence_begins"])
    assert told.endswith(stammkunde("changes", home).stderr)


def test_customers_are_exported_into_a_file_and_a_refusal_leaves_none(
    home: Path, tmp_path: Path
) -> None:
    target = tmp_path / "customers.csv"
    exported = stammkunde("export", home, "--phase", "at_risk", "--output", str(target))
    assert exported.returncode == 0, exported.stderr
    (row,) = csv.DictReader(target.read_text().splitlines())
    assert (row["customer"], row["causes"], row["value_amount"]) == ("c1", '["silence"]', "2000")
    (line,) = stammkunde(
        "export", home, "--format", "ndjson", "--due-before", "2025-01-01T00:00:00Z"
    ).stdout.splitlines()
    assert json.loads(line)["next_transition"]["rule"] == "fell_silent"
    refused = stammkunde(
        "export", home, "--cause", "boredom", "--output", str(tmp_path / "refused.csv")
    )
    assert (refused.returncode, "cause" in refused.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == [target]


def test_daily_counts_that_are_wrong_are_found_and_mended(home: Path) -> None:
    assert "All 5 daily counts are correct" in stammkunde("figures check", home).stdout
    query(home, "UPDATE lifecycle.flow SET n = 7")
    found = stammkunde("figures check", home)
    assert (found.returncode, "2 of 5 daily counts differ" in found.stdout) == (1, True)
    assert "2 differed and were corrected" in stammkunde("figures rebuild", home).stdout
    assert json.loads(stammkunde("figures check --json", home).stdout) == {
        "rows": 5,
        "differing": 0,
        "equal": True,
    }


def test_a_rejected_event_is_shown_and_makes_the_command_fail(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.ndjson"
    log.write_text(order(3, "2024-05-02T12:00:00Z") + "\n" + '{"id": "bad"}' + "\n")
    replayed = stammkunde("replay", home, str(log))
    assert replayed.returncode == 1
    assert "1 events accepted, 1 rejected" in replayed.stdout
    assert "bad" in replayed.stdout


def test_a_second_stack_in_the_same_home_is_refused(home: Path) -> None:
    again = stammkunde("up", home, "--clock", "log")
    assert again.returncode == 1
    assert "already running" in again.stderr


def test_checkpoints_show_how_far_every_service_is(home: Path) -> None:
    rows = json.loads(stammkunde("checkpoints", home, "--json").stdout)
    assert {row["service"] for row in rows} == {"lifecycle", "reactivation", "referral"}
    assert sum(row["lag"] for row in rows) == 0
    ticked = {row["ticked"] for row in rows if row["topic"] == EVENTS}
    assert ticked == {"2024-05-02T00:00:00Z"}
    assert "customer-events.v1" in stammkunde("checkpoints", home, "--service", "lifecycle").stdout


def test_a_checkpoint_is_reset_only_on_confirmation_and_inside_the_log(home: Path) -> None:
    number = str(occupied(home))
    asked = stammkunde("checkpoints reset", home, "lifecycle", EVENTS, number, "--to", "earliest")
    assert asked.returncode == 1
    assert "records are applied again" in asked.stdout
    assert "--yes" in asked.stdout

    beyond = stammkunde(
        "checkpoints reset", home, "lifecycle", EVENTS, number, "--to", "1000000", "--yes"
    )
    assert beyond.returncode == 1
    assert "an offset from 0 to" in beyond.stderr


def test_a_reset_fences_the_worker_and_what_is_applied_again_changes_nothing(
    home: Path, tmp_path: Path
) -> None:
    number = occupied(home)
    before = epoch(home, number)
    history = query(home, "SELECT * FROM lifecycle.transition ORDER BY customer, version")
    reset = stammkunde(
        "checkpoints reset", home, "lifecycle", EVENTS, str(number), "--to", "earliest", "--yes"
    )
    assert reset.returncode == 0, reset.stdout + reset.stderr

    nothing = tmp_path / "empty.ndjson"
    nothing.touch()
    settled = stammkunde("replay", home, str(nothing))
    assert settled.returncode == 0, settled.stdout + settled.stderr
    assert epoch(home, number) >= before + 2
    assert query(home, "SELECT * FROM lifecycle.transition ORDER BY customer, version") == history


def test_a_partition_that_has_stopped_is_resumed_once(home: Path) -> None:
    query(
        home,
        "UPDATE referral.checkpoint SET stopped = 'too many dead letters' "
        "WHERE partition = 5 RETURNING 1",
    )
    rows = json.loads(stammkunde("checkpoints", home, "--service", "referral", "--json").stdout)
    assert {row["stopped"] for row in rows if row["partition"] == 5} == {"too many dead letters"}
    assert "Stopped because" in stammkunde("checkpoints", home, "--service", "referral").stdout
    released = stammkunde("resume", home, EVENTS, "5")
    assert (released.returncode, released.stdout.strip()) == (0, f"referral: {EVENTS} 5 continues")
    again = stammkunde("resume", home, EVENTS, "5")
    assert (again.returncode, again.stdout.strip()) == (1, f"{EVENTS} 5 had not stopped")


def test_after_a_kill_of_the_supervisor_the_next_start_recovers_everything(home: Path) -> None:
    before = state(home)
    os.kill(before["supervisor_pid"], signal.SIGKILL)
    assert all(psutil.pid_exists(pid) for pid in before["pids"].values())

    started = stammkunde("up", home, "--clock", "log", "--detach")
    assert started.returncode == 0, started.stdout + started.stderr
    after = state(home)
    assert after["urls"]["ingest"] == before["urls"]["ingest"]
    assert not any(psutil.pid_exists(pid) for pid in before["pids"].values())
    assert json.loads(stammkunde("customer", home, "c1", "--json").stdout)["orders"] == 3


def test_down_leaves_nothing_running(home: Path) -> None:
    pids = state(home)["pids"].values()
    assert stammkunde("down", home).returncode == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert stammkunde("status", home).returncode == 1
