"""Both demonstrations on an API that is a fake: what they send, and what they show at the end."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from shared.cli import stack
from shared.cli.replay import cdnow, settlement
from shared.client.referral import AsyncReferralClient
from shared.instants import render
from shared.local.home import Home
from tests.unit.shared.cli.commands.test_reads import FIT, REFUSED_FIT
from tests.unit.shared.cli.conftest import Command, FakeApi, words_of

AS_OF = render(cdnow.END)
BALANCE = {"currency": "USD", "pending": 500, "available": 450}


def accept(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    number = len(body) if isinstance(body, list) else 1
    return httpx.Response(202, json={"accepted": number, "rejected": []})


def events(api: FakeApi) -> list[dict[str, Any]]:
    """All events sent, without ticks."""
    bodies = [json.loads(r.content) for r in api.requests if r.url.path == "/v1/events"]
    return [event for body in bodies if isinstance(body, list) for event in body]


@pytest.fixture
def accepting(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A running stack that accepts all events, is settled at once and knows some figures."""
    api.answers["POST /v1/events"] = accept
    for name, counts in (
        ("phases", {"new": 2}),
        ("transitions/counts", {"first_purchase": 3, "silence_begins": 5}),
        ("causes/counts", {"silence": 4}),
        ("hints/counts", {"survey.due": 1}),
    ):
        api.answers[f"GET /v1/{name}"] = {"as_of": AS_OF, "counts": counts}

    async def settle(*_: str, **__: object) -> None:
        return None

    monkeypatch.setattr(settlement, "wait_until_settled", settle)
    return api


def purchase(day: int, customer: str) -> bytes:
    time = cdnow.END - timedelta(days=day)
    return cdnow.encode(cdnow.Purchase(customer, f"{time:%Y%m%d}", 0, 1, 999))


@pytest.fixture
def three_purchases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log around the instant at which the cadence model is fitted."""
    fitted_at = datetime(1997, 10, 1, tzinfo=UTC)
    days = (cdnow.END - fitted_at).days
    lines = [purchase(days + 1, "1"), purchase(days - 1, "2"), purchase(2, "3")]
    monkeypatch.setattr(cdnow, "lines", lambda: lines)


@pytest.mark.usefixtures("three_purchases")
def test_the_demonstration_sends_the_log_and_shows_the_figures(
    command: Command, accepting: FakeApi
) -> None:
    accepting.answers["GET /v1/cadence"] = {"silence": "fixed"}
    result = command("demo")
    assert result.exit_code == 0, result.output
    assert [event["subject"] for event in events(accepting)] == ["cdnow:1", "cdnow:2", "cdnow:3"]
    assert "3 events accepted, 0 rejected; processed in" in result.stdout
    lines = words_of(result.stdout)
    assert f"Life cycle, as of {AS_OF}".split() in lines
    assert ["new", "2", "silence_begins", "5"] in lines, "the most frequent rule comes first"
    assert ["lifecycle", "http://127.0.0.1:8002/v1"] in lines
    assert "/v1/customers/story:anna" in result.stdout
    assert "Win-back" not in result.stdout, "reactivation does not run"


@pytest.mark.usefixtures("three_purchases")
def test_where_silence_follows_the_cadence_a_fit_is_made_on_the_way(
    command: Command, accepting: FakeApi
) -> None:
    accepting.answers["GET /v1/cadence"] = {"silence": "auto"}
    accepting.answers["POST /v1/cadence/fits"] = httpx.Response(201, json=REFUSED_FIT)
    result = command("demo")
    assert result.exit_code == 0, result.output
    assert "Fit 4 is refused: too few." in result.stdout
    paths = [request.url.path for request in accepting.requests]
    before = accepting.requests[: paths.index("/v1/cadence/fits")]
    assert json.loads(before[-1].content)["time"] == "1997-10-01T00:00:00Z"


@pytest.mark.usefixtures("three_purchases")
def test_an_accepted_fit_is_compared_with_fixed_days(command: Command, accepting: FakeApi) -> None:
    judged = {
        "customers_warned": 1200,
        "mean_lead_days": 12.34,
        "false_alarms": 7,
        "false_alarm_share": 0.125,
    }
    accepting.answers["GET /v1/cadence"] = {"silence": "auto"}
    accepting.answers["POST /v1/cadence/fits"] = httpx.Response(201, json=FIT)
    accepting.answers["GET /v1/cadence/comparison"] = {
        "matched_days": 77,
        "as_of": AS_OF,
        "horizon_days": 180,
        "purchases": 3000,
        "lost": 1000,
        "returning": 2000,
        "fixed": {**judged, "mean_lead_days": None},
        "matched": judged,
        "cadence": judged,
    }
    lines = words_of(command("demo").stdout)
    assert ["fixed", "days", "77", "fixed", "days", "cadence"] in lines
    assert ["Customers", "warned", "1,200", "1,200", "1,200"] in lines
    assert [*["Mean", "lead", "over", "the", "lost", "-"], "12.3", "d", "12.3", "d"] in lines
    assert [*["of", "the", "returning", "purchases"], "12.5%", "12.5%", "12.5%"] in lines


@pytest.mark.usefixtures("three_purchases")
def test_the_referral_story_is_played_after_the_log(
    command: Command, home: Path, accepting: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Home(home)
    state = folder.running()
    urls = {**state.urls, "referral": "http://127.0.0.1:8004"}
    folder.save(msgspec.structs.replace(state, urls=urls))
    transport = httpx.MockTransport(accepting)
    client = partial(AsyncReferralClient, transport=transport)
    monkeypatch.setattr(stack, "AsyncReferralClient", client)
    accepting.answers |= {
        "GET /v1/cadence": {"silence": "fixed"},
        "POST /v1/codes": httpx.Response(201, json={"code": "ANNA7"}),
        "POST /v1/claims": httpx.Response(201, json={}),
        "GET /v1/customers/story:anna": {"phase": "advocate", "since": "1998-07-01T12:00:00Z"},
    }
    for name in ("anna", "ben", "carla", "david"):
        path = f"GET /v1/customers/story:{name}/balance"
        accepting.answers[path] = {"balances": [BALANCE]}
    result = command("demo")
    assert result.exit_code == 0, result.output
    told = [event["id"] for event in events(accepting) if event["source"] == "/story"]
    assert told[0] == "story:anna order.completed"
    assert told[-1] == "story:david order.refunded"
    assert len(told) == 6
    line = "order of 60.00, 24.00 of it returned after 3 days 5.00 USD 4.50 USD"
    assert ["story:carla", *line.split()] in words_of(result.stdout)
    assert "recommended all three with ANNA7: advocate since 1998-07-01" in result.stdout


def test_a_simulated_shop_is_sent_day_by_day_with_its_truth_in_the_home(
    command: Command, home: Path, accepting: FakeApi
) -> None:
    url = "http://127.0.0.1:8001"
    result = command("simulate", "--customers", 15, "--months", 2, "--seed", 3, "--to", url)
    assert result.exit_code == 0, result.output
    sent = events(accepting)
    assert f"{len(sent):,} events accepted, 0 rejected" in result.stdout
    assert [event["time"] for event in sent] == sorted(event["time"] for event in sent)
    assert not any("referral_code" in event["data"] for event in sent)
    assert "0 customers came back because of an offer" in result.stdout
    truth = (home / "truth.ndjson").read_text().splitlines()
    assert json.loads(truth[0])["customers"] == 15
    assert "/v1/customers/sim:000001" in result.stdout
