"""`stammkunde replay` and `simulate`: files of events, sent and made."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from shared.cli.replay import settlement
from shared.cli.replay.live_shop import require_ingest_of
from shared.cli.stack import running_stack
from shared.clock import ClockMode
from shared.errors import Misconfigured
from shared.local.home import Home
from shared.stream.lag import ServiceLag
from tests.unit.shared.cli.conftest import Command, FakeApi, words_of

EVENT = {"id": "e1", "type": "order.completed", "time": "2024-01-01T12:00:00Z"}
SEND = "POST /v1/events"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The system is settled at once; the list has whom each wait was for."""
    waits = list[object]()

    async def settle(
        *_: str,
        workers: list[str],
        watch: Callable[[Mapping[str, ServiceLag]], None],
    ) -> None:
        watch({"lifecycle": ServiceLag(1500, 3, {})})
        waits.append(workers)

    monkeypatch.setattr(settlement, "wait_until_settled", settle)
    return waits


def receipt(accepted: int, *rejected: dict[str, Any]) -> httpx.Response:
    return httpx.Response(202, json={"accepted": accepted, "rejected": list(rejected)})


def test_a_compressed_file_is_sent_with_ticks_and_awaited(
    command: Command, api: FakeApi, settled: list[object], tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(gzip.compress(json.dumps(EVENT).encode() + b"\n\n"))
    api.answers[SEND] = [receipt(1), receipt(1), receipt(1)]
    result = command("replay", file, "--until", "2024-01-01T18:00:00Z")
    assert result.exit_code == 0, result.output
    assert "1 events accepted, 0 rejected; processed in" in result.stdout
    first_tick, events, last_tick = api.bodies()
    assert first_tick["time"] == "2024-01-01T00:00:00Z"
    assert events == [EVENT]
    assert (last_tick["type"], last_tick["time"]) == ("clock.ticked", "2024-01-01T18:00:00Z")
    assert settled == [["lifecycle"]]


def test_a_rejected_event_is_shown_with_its_line_and_fails_the_command(
    command: Command, api: FakeApi, settled: list[object], tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"id":"e1"}\n\n{"id":"bad"}\n')
    wrong = {"index": 1, "id": "bad", "code": "missing", "field": "type", "message": "required"}
    api.answers[SEND] = receipt(1, wrong)
    result = command("replay", file)
    assert result.exit_code == 1
    assert "1 events accepted, 1 rejected" in result.stdout
    assert ["3", "bad", "missing", "type", "required"] in words_of(result.stdout)
    assert len(settled) == 1


@pytest.mark.usefixtures("api")
def test_a_line_that_is_no_json_ends_the_replay(
    command: Command, settled: list[object], tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("{}\nnonsense\n")
    result = command("replay", file)
    assert result.exit_code == 1
    assert "line 2 cannot be read as a JSON object" in result.stderr
    assert settled == []


def in_wall_time(home: Path) -> None:
    folder = Home(home)
    folder.save(msgspec.structs.replace(folder.running(), clock=ClockMode.WALL))


@pytest.mark.parametrize("words", [["replay", "FILE", "--until", "2024-01-01T00:00:00Z"], ["demo"]])
def test_what_needs_log_time_says_so(
    command: Command, home: Path, api: FakeApi, tmp_path: Path, words: list[str]
) -> None:
    in_wall_time(home)
    file = tmp_path / "events.ndjson"
    file.write_text("{}\n")
    result = command(*(str(file) if word == "FILE" else word for word in words))
    assert result.exit_code == 1
    assert "--clock log" in result.stderr
    assert api.requests == []


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://127.0.0.1:8001", True),
        ("http://localhost:8001/", True),
        ("http://127.0.0.1:8002", False),
        ("http://shop.example:8001", False),
    ],
)
def test_a_shop_is_sent_to_ingest_of_its_own_stack_only(
    home: Path, url: str, is_ours: bool
) -> None:
    stack = running_stack(home)
    if is_ours:
        require_ingest_of(stack, url)
        return
    with pytest.raises(Misconfigured, match="is not ingest of the stack"):
        require_ingest_of(stack, url)


def test_a_simulated_shop_is_written_with_its_truth_beside_it(
    command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "new folder" / "shop.ndjson"
    result = command("simulate", "--customers", 20, "--months", 3, "--seed", 5, "--to", file)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in file.read_text().splitlines()]
    lines = words_of(result.stdout)
    assert ["20", "customers", "in", "3", "months,", "seed", "5"] in lines
    assert ["all", f"{len(events):,}"] in lines
    assert f"  stammkunde replay {file} --until 2023-04-01T00:00:00Z" in result.stdout.splitlines()
    truth = (file.parent / "shop.truth.ndjson").read_text().splitlines()
    assert json.loads(truth[0])["customers"] == 20


@pytest.mark.parametrize(
    ("option", "share", "kind", "field"),
    [
        ("--edited", 0.5, "order.updated", "total"),
        ("--reinstated", 0.5, "order.cancelled", "order_id"),
        ("--refund-ids", None, "order.refunded", "refund_id"),
        ("--refunds-repeated", 0.5, "order.refunded", "refund_id"),
        ("--refunds-withdrawn", 1, "order.refund_withdrawn", "refund_id"),
        ("--merged", 1, "customer.merged", "into"),
    ],
)
def test_a_simulated_shop_changes_orders_and_ids_on_request(
    command: Command, tmp_path: Path, option: str, share: float | None, kind: str, field: str
) -> None:
    file = tmp_path / "shop.ndjson"
    options = (option,) if share is None else (option, share)
    result = command("simulate", "--customers", 60, "--months", 12, *options, "--to", file)
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in file.read_text().splitlines()]
    found = [event["data"].get(field) for event in events if event["type"] == kind]
    assert found
    assert None not in found
    truth = (tmp_path / "shop.truth.ndjson").read_text().splitlines()
    assert any(json.loads(line)["kind"] == "orders" for line in truth)


def test_a_simulated_shop_takes_merges_back_on_request(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "shop.ndjson"
    shares = ("--merged", 1, "--unmerged", 1)
    result = command("simulate", "--customers", 60, "--months", 12, *shares, "--to", file)
    assert result.exit_code == 0, result.output
    kinds = [json.loads(line)["type"] for line in file.read_text().splitlines()]
    assert kinds.count("customer.merged") > kinds.count("customer.unmerged") > 0


def test_a_place_that_cannot_be_written_is_a_wrong_option(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command("simulate", "--customers", 1, "--to", tmp_path / "file" / "shop.ndjson")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
