"""A policy file sets the thresholds; a wrong one is refused before anything starts."""

import json
from pathlib import Path

import pytest

from shared.client.lifecycle import LifecycleClient
from tests.e2e.system import client, open_system, stammkunde

STRICT = """
name = "strict"
version = 7
at_risk_days = 10
inactive_days = 20
established_after_orders = 2
"""


def purchase(number: int, time: str) -> str:
    data = {"order_id": f"o{number}", "total": {"amount": 1000, "currency": "EUR"}}
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/t",
        "type": "order.completed",
        "subject": "c1",
    }
    return json.dumps({**event, "time": time, "data": data})


def test_customers_are_judged_by_the_policy_given(tmp_path: Path) -> None:
    policy = tmp_path / "strict.toml"
    log = tmp_path / "log.ndjson"
    policy.write_text(STRICT)
    log.write_text(
        purchase(1, "2024-01-01T12:00:00Z") + "\n" + purchase(2, "2024-01-03T12:00:00Z") + "\n"
    )
    with open_system("--policy", str(policy)) as home:
        assert (
            stammkunde("replay", home, str(log), "--until", "2024-02-01T00:00:00Z").returncode == 0
        )
        with client(home, LifecycleClient) as lifecycle:
            moves = lifecycle.show_history("c1")["items"]
    assert [(move["rule"], move["occurred_at"]) for move in reversed(moves)] == [
        ("first_purchase", "2024-01-01T12:00:00Z"),
        ("habit_formed", "2024-01-03T12:00:00Z"),
        ("silence_begins", "2024-01-13T12:00:00Z"),
        ("fell_silent", "2024-01-23T12:00:00Z"),
    ]
    assert {(move["policy"]["name"], move["policy"]["version"]) for move in moves} == {
        ("strict", 7)
    }


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        ("up", "at_risk_days = -3", "at_risk_days"),
        ("up", "at_risk_days = = 3", "cannot be read"),
        ("up --detach", "at_risk_day = 30", "at_risk_day"),
        ("run --exit", "at_risk_days = 200", "at_risk_days must be less than inactive_days"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_its_field(
    tmp_path: Path, command: str, text: str, told: str
) -> None:
    policy = tmp_path / "wrong.toml"
    home = tmp_path / "home"
    policy.write_text(text)
    refused = stammkunde(command, home, "--policy", str(policy))
    assert refused.returncode == 1
    assert f"error: policy file {policy}" in refused.stderr
    assert told in refused.stderr
    assert not home.exists()
