"""A simulated shop goes through the whole system, and its customers react to offers and codes."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from shared.client.lifecycle import LifecycleClient
from shared.client.pages import every
from shared.client.reactivation import ReactivationClient
from shared.client.referral import ReferralClient
from shared.simulator.shop import Shop
from tests.e2e.system import client, open_system, query, stammkunde, state

SHOP: Final = Shop(customers=200, months=8, seed=4)
SIZE: Final = (
    "--customers",
    str(SHOP.customers),
    "--months",
    str(SHOP.months),
    "--seed",
    str(SHOP.seed),
)


class Simulated(NamedTuple):
    """Where the system runs, and what the simulation printed."""

    home: Path
    told: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with open_system() as home:
        yield Simulated(
            home,
            stammkunde(
                "simulate", home, *SIZE, "--to", state(home)["urls"]["ingest"], "--every", "31"
            ),
        )


def test_all_events_are_accepted_and_all_phases_counted(simulated: Simulated) -> None:
    assert simulated.told.returncode == 0, simulated.told.stdout + simulated.told.stderr
    assert ", 0 rejected" in simulated.told.stdout
    assert "Life cycle, as of 2023-09-01T00:00:00Z" in simulated.told.stdout
    with client(simulated.home, LifecycleClient) as lifecycle:
        counts = lifecycle.count_phases()["counts"]
    assert sum(counts.values()) >= SHOP.customers
    assert query(simulated.home, "SELECT 1 FROM lifecycle.dead_letter") == []


def test_offers_bring_customers_back_who_would_not_have_returned(simulated: Simulated) -> None:
    with client(simulated.home, ReactivationClient) as reactivation:
        redeemed = reactivation.count_cases()["offers"]["redeemed"]
        won_back = list(every(reactivation.list_cases, state="won_back"))
    assert redeemed > 0
    moved = {
        customer["customer"]
        for customer in truth(simulated.home)
        if any(
            outcome["with"] for silence in customer["silences"] for outcome in silence["outcomes"]
        )
    }
    assert moved & {case["customer"] for case in won_back if case["with_code"]}


def test_codes_of_the_referral_service_bring_new_customers(simulated: Simulated) -> None:
    with client(simulated.home, ReferralClient) as referral:
        counts = referral.count()
    assert counts["codes"] > 0
    assert counts["claims"]["qualified"] > 0
    with client(simulated.home, LifecycleClient) as lifecycle:
        assert lifecycle.count_transitions()["counts"]["recommends"] > 0


def test_a_simulation_goes_to_the_stack_of_its_home_only(simulated: Simulated) -> None:
    refused = stammkunde("simulate", simulated.home, *SIZE, "--to", "http://127.0.0.1:9")
    assert refused.returncode == 1
    assert "is not ingest of the stack" in refused.stderr


def test_a_file_holds_the_untouched_lives(tmp_path: Path) -> None:
    file = tmp_path / "shop.ndjson"
    written = stammkunde(
        "simulate", tmp_path, *SIZE, "--to", str(file), "--duplicates", "0.01", "--late", "0.02"
    )
    assert written.returncode == 0, written.stdout + written.stderr
    assert f"stammkunde replay {file} --until {SHOP.ends:%Y-%m-%d}" in written.stdout.replace(
        "\n", ""
    )
    kinds = Counter(json.loads(line)["type"] for line in file.read_text().splitlines())
    assert f"{kinds.total():,} events" in written.stdout
    assert "coupon" not in file.read_text()
    assert (tmp_path / "shop.truth.ndjson").exists()


def truth(home: Path) -> list[Any]:
    lines = [json.loads(line) for line in (home / "truth.ndjson").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "customer"]
