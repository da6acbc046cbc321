"""`stammkunde simulate-policy`: what it asks for, and how it shows the report."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.shared.cli.conftest import Command, FakeApi, words_of

REPORT = {
    "customers": 40,
    "events": 1500,
    "differing": 10,
    "unsettled": 2,
    "matrix": [
        {"live": "new", "candidate": "new", "customers": 30},
        {"live": "new", "candidate": "at_risk", "customers": 9},
        {"live": None, "candidate": "new", "customers": 1},
    ],
    "transitions": [
        {"rule": "silence_begins", "month": "2024-02", "live": 1, "candidate": 9},
        {"rule": "silence_begins", "month": "2024-03", "live": 4, "candidate": 0},
    ],
    "entered": [{"phase": "inactive", "live": 3, "candidate": 3}],
    "examples": [
        {
            "customer": "ada",
            "alike": 9,
            "live": [],
            "candidate": [
                {"occurred_at": "2024-02-01T00:00:00Z", "to": "at_risk", "rule": "silence_begins"}
            ],
        }
    ],
}
POLICY = 'name = "strict"\nat_risk_days = 30\n'


def simulation(state: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": "s1",
        "policy": {"name": "strict"},
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-04-01T00:00:00Z",
        "account": None,
        "state": state,
        "reason": None,
        "progress": {"done": 1, "total": 4, "events": 100},
        "report": None,
        **changed,
    }


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "strict.toml"
    file.write_text(POLICY)
    return file


def run_to(api: FakeApi, *states: dict[str, Any]) -> None:
    api.answers["POST /v1/simulations"] = httpx.Response(202, json=simulation("queued"))
    api.answers["GET /v1/simulations/s1"] = list(states)


def test_the_report_is_shown_as_tables(command: Command, api: FakeApi, policy: Path) -> None:
    run_to(api, simulation("done", report=REPORT))
    result = command("simulate-policy", policy, "--from", "2024-01-01")
    assert result.exit_code == 0, result.output
    assert (
        "strict from 2024-01-01T00:00:00Z to 2024-04-01T00:00:00Z, all accounts: "
        "of 40 customers with 1,500 events 10 differ (25.0%)"
    ) in result.stdout
    lines = words_of(result.stdout)
    for line in (
        ["Live", "–", "new", "at_risk", "all"],
        ["–", "1", "1"],
        ["new", "30", "9", "39"],
        ["inactive", "3", "3"],
        ["silence_begins", "2024-02", "1", "9", "+8"],
        ["silence_begins", "2024-03", "4", "0", "-4"],
        ["silence_begins", "all", "5", "9", "+4"],
        ["1.", "ada,", "for", "9", "who", "differ", "in", "this", "way"],
        ["2024-02-01", "at_risk", "(silence_begins)"],
    ):
        assert line in lines
    assert "2 of them already differ before" in result.stdout


def test_a_date_is_its_midnight_and_the_file_is_the_policy(
    command: Command, api: FakeApi, policy: Path
) -> None:
    done = simulation("done", report=REPORT)
    run_to(api, done)
    words = ["--from", "2024-01-01", "--to", "2024-04-01T02:00:00+02:00", "--account", "b2b"]
    result = command("simulate-policy", policy, *words, "--json")
    assert json.loads(result.stdout) == done
    assert api.bodies() == [
        {
            "policy": {"name": "strict", "at_risk_days": 30},
            "from": "2024-01-01T00:00:00Z",
            "account": "b2b",
            "to": "2024-04-01T00:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("state", "reason", "line"),
    [
        ("failed", "it ended with code 1", "simulation failed: it ended with code 1"),
        ("cancelled", None, "simulation cancelled: on request"),
    ],
)
def test_a_simulation_without_a_result_makes_the_command_fail(
    command: Command, api: FakeApi, policy: Path, state: str, reason: str | None, line: str
) -> None:
    run_to(api, simulation(state, reason=reason))
    result = command("simulate-policy", policy, "--from", "2024-01-01")
    assert result.exit_code == 1
    assert line in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("content", "begin", "complaint"),
    [(POLICY, "yesterday", "--from"), ("at_risk_days", "2024-01-01", "cannot be read")],
)
def test_nothing_is_sent_if_an_argument_is_wrong(
    command: Command, api: FakeApi, policy: Path, content: str, begin: str, complaint: str
) -> None:
    policy.write_text(content)
    result = command("simulate-policy", policy, "--from", begin)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert api.requests == []
