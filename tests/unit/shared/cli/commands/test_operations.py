"""Commands of operators, with checkpoints that are kept in a dict."""

import json
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.cli.commands import checkpoints, resume, status, topics
from shared.cli.launch import stack_options
from shared.cli.options import command_line
from shared.clock import ClockMode
from shared.database import migrations
from shared.local.home import Home
from shared.stream.lag import ServiceLag
from shared.stream.log.checkpoints import StoredCheckpoint
from tests.unit.shared.cli.conftest import Command, words_of

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SPANS = {("events.v1", 0): (10, 5000), ("events.v1", 1): (0, 7)}


@dataclass
class FakeCheckpoints:
    """The checkpoints of every service; a connection is the service's name."""

    rows: dict[str, list[StoredCheckpoint]] = field(default_factory=dict)
    has_moved: bool = False

    @asynccontextmanager
    async def connect(self, _: str, service: str) -> AsyncIterator[str]:
        yield service

    async def load(self, service: str) -> list[StoredCheckpoint]:
        return self.rows[service]

    async def reset(
        self, service: str, topic: str, partition: int, *, expected: int, next_offset: int
    ) -> bool:
        for number, row in enumerate(self.rows[service]):
            if (row.topic, row.partition, row.next_offset) == (topic, partition, expected):
                self.rows[service][number] = replace(row, next_offset=next_offset)
                return not self.has_moved
        return False

    async def release(self, service: str, topic: str, partition: int) -> bool:
        for number, row in enumerate(self.rows[service]):
            if (row.topic, row.partition) == (topic, partition) and row.stopped:
                self.rows[service][number] = replace(row, stopped=None)
                return True
        return False


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> FakeCheckpoints:
    """Lifecycle lags behind, reactivation is at the end, referral has stopped."""
    rows = {
        "lifecycle": [
            StoredCheckpoint("events.v1", 0, 4000, NOON, None),
            StoredCheckpoint("events.v1", 1, 7, NOON, None),
        ],
        "reactivation": [StoredCheckpoint("events.v1", 0, 5000, None, None)],
        "referral": [StoredCheckpoint("events.v1", 0, 20, None, "11 dead letters")],
    }
    fake = FakeCheckpoints(rows)

    async def log_spans(_: str, topics: Collection[str]) -> dict[tuple[str, int], tuple[int, int]]:
        return {place: span for place, span in SPANS.items() if place[0] in topics}

    for module in (checkpoints, resume):
        monkeypatch.setattr(module, "service_connection", fake.connect)
        monkeypatch.setattr(module, "transaction", _no_transaction)
    monkeypatch.setattr(checkpoints, "load_checkpoints", fake.load)
    monkeypatch.setattr(checkpoints, "reset_checkpoint", fake.reset)
    monkeypatch.setattr(checkpoints, "log_spans", log_spans)
    monkeypatch.setattr(resume, "resume_partition", fake.release)
    return fake


def _no_transaction(connection: str) -> nullcontext[str]:
    return nullcontext(connection)


@pytest.mark.usefixtures("stored")
def test_checkpoints_show_the_lag_and_why_a_partition_has_stopped(command: Command) -> None:
    result = command("checkpoints")
    assert result.exit_code == 0, result.output
    lines = words_of(result.stdout)
    ticked = "2024-05-01T12:00:00Z"
    assert ["events.v1", "0", "4,000", "5,000", "1,000", ticked] in lines
    assert ["1", "7", "7", "0", ticked] in lines, "a topic is named once"
    assert ["events.v1", "0", "20", "5,000", "4,980", *["11", "dead", "letters"]] in lines
    assert result.stdout.count("Stopped because") == 1


@pytest.mark.usefixtures("stored")
def test_checkpoints_of_one_service_are_json_for_programs(command: Command) -> None:
    result = command("checkpoints", "--service", "referral", "--json")
    assert json.loads(result.stdout) == [
        {
            "service": "referral",
            "topic": "events.v1",
            "partition": 0,
            "next_offset": 20,
            "end": 5000,
            "lag": 4980,
            "ticked": None,
            "stopped": "11 dead letters",
        }
    ]


@pytest.mark.usefixtures("stored")
def test_a_service_that_is_none_is_a_wrong_option(command: Command) -> None:
    for words in (["checkpoints", "--service", "ingest"], ["resume", "t", "0", "--service", "x"]):
        result = command(*words)
        assert result.exit_code == 2
        assert "is not one of lifecycle, reactivation, referral" in result.stderr


@pytest.mark.parametrize(
    ("to", "consequence"),
    [
        ("latest", "to 5,000: 1,000 records and their effects are skipped and lost to lifecycle."),
        ("earliest", "to 10: up to 3,990 records are applied again;"),
        ("4000", "to 4,000: the checkpoint stays;"),
    ],
)
def test_a_reset_without_yes_only_says_what_would_happen(
    command: Command, stored: FakeCheckpoints, to: str, consequence: str
) -> None:
    result = command("checkpoints", "reset", "lifecycle", "events.v1", 0, "--to", to)
    assert result.exit_code == 1
    first, last = result.stdout.splitlines()
    assert first.startswith(f"lifecycle, events.v1 0: from 4,000 {consequence}")
    assert last == "Nothing was changed. Add --yes to do it."
    assert stored.rows["lifecycle"][0].next_offset == 4000


def test_a_reset_with_yes_moves_the_checkpoint(command: Command, stored: FakeCheckpoints) -> None:
    result = command("checkpoints", "reset", "lifecycle", "events.v1", 0, "--to", "latest", "--yes")
    assert result.exit_code == 0, result.output
    assert stored.rows["lifecycle"][0].next_offset == 5000
    assert result.stdout.splitlines()[-1].startswith("Done. A running worker continues there")


def test_a_checkpoint_that_moved_meanwhile_is_an_error(
    command: Command, stored: FakeCheckpoints
) -> None:
    stored.has_moved = True
    result = command("checkpoints", "reset", "lifecycle", "events.v1", 0, "--to", "latest", "--yes")
    assert result.exit_code == 1
    assert "lifecycle has read on meanwhile" in result.stderr


@pytest.mark.parametrize(
    ("topic", "partition", "to", "error"),
    [
        ("events.v1", 0, "5001", "an offset from 10 to 5000, not 5001"),
        ("events.v1", 0, "9", "an offset from 10 to 5000, not 9"),
        ("events.v1", 0, "-1", "not -1"),
        ("events.v1", 0, "middle", "not middle"),
        ("events.v1", 9, "latest", "has no checkpoint of events.v1 9; it reads events.v1"),
        ("hints.v1", 0, "latest", "has no checkpoint of hints.v1 0; it reads events.v1"),
    ],
)
def test_a_reset_stays_inside_the_log(
    command: Command, stored: FakeCheckpoints, topic: str, partition: int, to: str, error: str
) -> None:
    words = ["lifecycle", topic, partition, f"--to={to}", "--yes"]
    result = command("checkpoints", "reset", *words)
    assert result.exit_code == 1
    assert error in result.stderr
    assert stored.rows["lifecycle"][0].next_offset == 4000


@pytest.mark.usefixtures("stored")
def test_a_partition_that_has_stopped_is_resumed_once(command: Command) -> None:
    first = command("resume", "events.v1", 0)
    assert (first.exit_code, first.stdout) == (0, "referral: events.v1 0 continues\n")
    again = command("resume", "events.v1", 0, "--service", "referral")
    assert (again.exit_code, again.stdout) == (1, "events.v1 0 had not stopped in referral\n")


def test_status_shows_processes_their_lag_and_stops(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lag = ServiceLag(1500, 2, {"events.v1 3": "11 dead letters"})

    async def service_lags(*_: object) -> dict[str, ServiceLag]:
        return {"lifecycle": lag}

    async def is_ready(_: object, url: str) -> bool:
        return not url.endswith("8003")

    monkeypatch.setattr(status, "service_lags", service_lags)
    monkeypatch.setattr(status, "is_ready", is_ready)
    result = command("status")
    assert result.exit_code == 0, result.output
    lines = words_of(result.stdout)
    assert ["lifecycle", str(os.getpid()), "yes", "http://127.0.0.1:8002"] in lines
    assert ["ingest", str(2**22 + 1), "(gone)", "yes", "http://127.0.0.1:8001"] in lines
    assert ["lifecycle-worker", "no", "http://127.0.0.1:8003", "1,500", "2"] in lines
    assert ["kafka", "127.0.0.1:1"] in lines
    assert ["postgres", "postgresql://127.0.0.1:1/none"] in lines, "not who connects, and with what"
    assert result.stdout.splitlines()[-1] == (
        "lifecycle: events.v1 3 has stopped: 11 dead letters; "
        f"`stammkunde resume events.v1 3 --home {home}` continues it"
    )


def test_a_command_to_paste_names_every_home_but_that_of_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line("down", Home(Path(".stammkunde"))) == "stammkunde down"
    elsewhere = tmp_path / "my shop"
    assert command_line("down", Home(elsewhere)) == f"stammkunde down --home '{elsewhere}'"


def test_topics_are_made_where_the_environment_says(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dict[str, object]()

    async def create_missing(
        bootstrap: str, *, partitions: int, replication: int
    ) -> dict[str, int]:
        asked.update(bootstrap=bootstrap, partitions=partitions, replication=replication)
        return {"b.v1": 12, "a.v1": 3}

    monkeypatch.setattr(topics, "create_missing", create_missing)
    monkeypatch.setenv("STAMMKUNDE_KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("STAMMKUNDE_REPLICATION", "3")
    result = command("topics")
    assert result.stdout == "a.v1: 3 partitions\nb.v1: 12 partitions\n"
    assert asked == {"bootstrap": "kafka:9092", "partitions": 12, "replication": 3}


def test_every_schema_is_migrated(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def upgrade_all(database_url: str) -> list[str]:
        assert database_url == "postgresql://shop:hunter2@127.0.0.1:1/none?sslpassword=x"
        return ["ingest", "lifecycle"]

    monkeypatch.setattr(migrations, "upgrade_all", upgrade_all)
    assert command("migrate").stdout == (
        "ingest: at its latest migration\nlifecycle: at its latest migration\n"
    )


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["migrate", "topics", "checkpoints"])
def test_without_a_stack_and_servers_an_operation_says_what_is_missing(
    tmp_path: Path, name: str
) -> None:
    result = Command(tmp_path / "elsewhere")(name)
    assert result.exit_code == 1
    assert "STAMMKUNDE_KAFKA_BOOTSTRAP" in result.stderr


def test_a_second_stack_in_a_home_is_refused_before_anything_starts(command: Command) -> None:
    result = command("up", "--clock", "log", "--detach")
    assert result.exit_code == 1
    assert "a stack is already running in" in result.stderr


@pytest.mark.parametrize(("given", "expected"), [(None, 8001), (9100, 9100)])
def test_a_start_uses_the_ports_of_the_last_one_unless_told_otherwise(
    home: Path, given: int | None, expected: int
) -> None:
    options = stack_options(Home(home), given, clock=ClockMode.LOG, policy=None, fresh=True)
    assert (options.port_base, options.clock, options.fresh) == (expected, ClockMode.LOG, True)
