"""The cadence model by command, and a tenth of the CDNOW log with a fit on the way."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.cli.replay import cdnow
from shared.cli.replay.demonstration import play_cdnow
from shared.cli.stack import running_stack
from shared.client.lifecycle import LifecycleClient
from tests.e2e.system import client, open_system, stammkunde

SAMPLED = 10
FIT_AT = "1997-10-01T00:00:00Z"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A system in log time on an example policy that is named, not given by its path."""
    with open_system("--policy", "auto.toml") as home:
        yield home


def test_a_refused_fit_says_why_and_the_command_fails(home: Path) -> None:
    fitted = stammkunde("cadence fit", home)
    assert fitted.returncode == 1
    assert "is refused: only 0 customers, 500 are needed" in fitted.stdout
    shown = stammkunde("cadence show", home)
    assert shown.returncode == 1
    assert "The policy in force measures silence by: auto" in shown.stdout
    assert "No fit is in force" in shown.stdout
    assert "was refused: only 0 customers" in shown.stdout


def test_the_demonstration_fits_on_the_way_and_compares_with_fixed_days_in_the_end(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [
        line for line in cdnow.lines() if int(json.loads(line)["subject"][-5:]) % SAMPLED == 0
    ]
    monkeypatch.setattr(cdnow, "lines", lambda: events)
    monkeypatch.setenv("COLUMNS", "100")
    asyncio.run(play_cdnow(running_stack(home)))
    printed = capsys.readouterr().out
    for told in (
        f"in force for purchases from {FIT_AT} on",
        "Customers warned",
        "False alarms",
        "Mean lead",
    ):
        assert told in printed

    with client(home, LifecycleClient) as lifecycle:
        found = lifecycle.show_cadence()
        compared = lifecycle.compare_models()
    assert found["in_force"] is not None
    assert (found["silence"], found["in_force"]["effective_at"]) == ("auto", FIT_AT)
    assert (compared["since"], compared["as_of"]) == (FIT_AT, "1998-07-01T00:00:00Z")
    assert compared["cadence"]["false_alarms"] < compared["fixed"]["false_alarms"]
    assert (compared["cadence"]["mean_lead_days"] or 0) > (
        compared["matched"]["mean_lead_days"] or 0
    )

    shown = stammkunde("cadence show", home)
    assert shown.returncode == 0
    assert "log_likelihood" in shown.stdout
