"""`stammkunde quarantine`, with what waits kept in a dict."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from shared.cli.commands import quarantine
from shared.stream.outgoing.quarantine import Held
from tests.unit.shared.cli.conftest import Command

SINCE = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass
class FakeQuarantine:
    """A connection is the service's name."""

    held: dict[str, list[Held]] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self, _: str, service: str) -> AsyncIterator[str]:
        yield service

    async def load(self, service: str) -> list[Held]:
        return self.held.get(service, [])

    async def release(self, service: str, customer: str | None) -> int:
        rows = [held for held in self.held.get(service, []) if held.customer == customer]
        self.held[service] = [held for held in self.held.get(service, []) if held not in rows]
        return sum(held.rows for held in rows)


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Held("ada", 5, 1_200, SINCE, "phase-transitions.v1", 6_000_000, "too large")
    tick = Held(None, 3, 1, SINCE, "phase-transitions.v1", 100, "InvalidRecordError")
    fake = FakeQuarantine({"lifecycle": [tick, ada]})
    monkeypatch.setattr(quarantine, "service_connection", fake.connect)
    monkeypatch.setattr(quarantine, "transaction", nullcontext)
    monkeypatch.setattr(quarantine, "rows", fake)


def test_what_waits_is_shown_by_customer(command: Command) -> None:
    shown = " ".join(command("quarantine").stdout.split())
    assert shown == (
        "lifecycle: nobody (partition 3): 1 records since 2024-05-01T12:00:00Z, "
        "the first 100 bytes to phase-transitions.v1: InvalidRecordError "
        "lifecycle: ada (partition 5): 1,200 records since 2024-05-01T12:00:00Z, "
        "the first 6,000,000 bytes to phase-transitions.v1: too large"
    )


@pytest.mark.parametrize("customer", ["ada", ""])
def test_what_waits_is_released_once(command: Command, customer: str) -> None:
    first = command("quarantine", "--release", customer)
    assert (first.exit_code, "to be published again" in first.stdout) == (0, True)
    again = command("quarantine", "--release", customer)
    assert (again.exit_code, again.stdout.strip()) == (
        1,
        "nothing is in quarantine for that customer",
    )
