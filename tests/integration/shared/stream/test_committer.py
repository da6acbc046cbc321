"""What workers count and store of failures, on real servers: once committed, and no customer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from prometheus_client import REGISTRY

from services.lifecycle.batch import folds
from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.worker import SUBSCRIPTION as LIFECYCLE
from services.reactivation.cases import recomputation
from services.reactivation.worker import SUBSCRIPTION as REACTIVATION
from services.reactivation.worker import handler
from services.referral.batch.handler import ReferralHandler
from services.referral.claims import verdicts
from services.referral.worker import SUBSCRIPTION as REFERRAL
from shared.errors import Retryable
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS
from shared.stream.handler import Handler, Reader, Subscription
from shared.stream.log import ownership
from tests.support import reactivation_worker, referral_worker
from tests.support.builders import day, event, order, tick
from tests.support.lifecycle_worker import POLICY
from tests.support.pipeline import publish, rows, running, settled, worker_settings
from tests.support.reactivation_worker import changed
from tests.support.referral_codes import code_of
from tests.support.server_stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_topics")

FAILURES: Final = 3
DEADLINES: Final = "stammkunde_deadlines_fired_total"
PARKED: Final = "stammkunde_customers_parked_total"


@dataclass(frozen=True)
class Case:
    """A service, what it is sent by topic, where a bug parks `bad`, and what is stored of it."""

    subscription: Subscription
    new_handler: Callable[[Stack, str], tuple[Any, Callable[[Reader], Handler[Any]]]]
    records: Mapping[str, Sequence[dict[str, Any]]]
    bug: tuple[Any, str]
    stored: Mapping[str, str]


def _lifecycle(stack: Stack, database: str) -> tuple[Any, Callable[[Reader], Handler[Any]]]:
    settings = worker_settings(stack, database)
    return settings, lambda reader: LifecycleHandler(reader, settings, PolicyFile(POLICY))


def _reactivation(stack: Stack, database: str) -> tuple[Any, Callable[[Reader], Handler[Any]]]:
    settings = reactivation_worker.settings(stack, database)
    return settings, handler(settings)


def _referral(stack: Stack, database: str) -> tuple[Any, Callable[[Reader], Handler[Any]]]:
    settings = referral_worker.settings(stack, database)
    return settings, lambda reader: ReferralHandler(reader, settings)


def _broken(kind: str) -> dict[str, Any]:
    return {**event("ada", kind, 2), "data": {"order_id": 7}}


_ADVOCATE: Final[dict[str, Any]] = {
    "to": "advocate",
    "occurred_at": day(0).isoformat(),
    "historical": False,
}

_PARKED_IN: Final = {"lifecycle": "customer", "reactivation": "customer", "referral": "member"}

CASES: Final = {
    "lifecycle": Case(
        LIFECYCLE,
        _lifecycle,
        {
            CUSTOMER_EVENTS: [
                order("ada", 0),
                event("bad", "page.viewed", 0),
                _broken("order.completed"),
            ]
        },
        (folds, "fold_on"),
        {
            "stammkunde_transitions_total": "SELECT count(*) FROM lifecycle.transition",
            "stammkunde_dead_letters_total": "SELECT count(*) FROM lifecycle.dead_letter",
            DEADLINES: "SELECT count(*) FROM lifecycle.transition WHERE rule = 'silence_begins'",
            PARKED: "SELECT count(*) FROM lifecycle.customer WHERE parked IS NOT NULL",
        },
    ),
    "reactivation": Case(
        REACTIVATION,
        _reactivation,
        {
            CUSTOMER_EVENTS: [_broken("order.completed")],
            PHASE_TRANSITIONS: [changed("bad", 1, 0), changed("ada", 1, 0)],
        },
        (recomputation, "fold_history"),
        {
            "stammkunde_dead_letters_total": "SELECT count(*) FROM reactivation.dead_letter",
            PARKED: "SELECT count(*) FROM reactivation.customer WHERE parked IS NOT NULL",
        },
    ),
    "referral": Case(
        REFERRAL,
        _referral,
        {
            CUSTOMER_EVENTS: [
                event("bad", "customer.signed_up", 0, referral_code=code_of("ada")),
                event("bo", "customer.signed_up", 0, referral_code=code_of("ada")),
                order("bo", 1, amount=9000),
                _broken("order.completed"),
            ],
            PHASE_TRANSITIONS: [
                event("ada", "phase.changed", 0, **_ADVOCATE),
            ],
        },
        (verdicts, "judge"),
        {
            "stammkunde_dead_letters_total": "SELECT count(*) FROM referral.dead_letter",
            DEADLINES: "SELECT count(DISTINCT customer) FROM referral.entry"
            " WHERE account = 'customer:available'",
            PARKED: "SELECT count(*) FROM referral.member WHERE parked IS NOT NULL",
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_what_batches_do_that_fail_at_their_commit_is_counted_once_they_succeed(
    name: str, stack: Stack, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    _plant_bug(monkeypatch, *case.bug)
    failures = _fail_commits(monkeypatch)
    settings, new_handler = case.new_handler(stack, blank)
    before = {counter: _total(counter) for counter in case.stored}
    ticks = {topic: [tick(100)] for topic in (CUSTOMER_EVENTS, PHASE_TRANSITIONS)}
    for records_by_topic in (case.records, ticks):
        failures.clear()
        for topic, records in records_by_topic.items():
            await publish(stack.bootstrap, records, topic=topic)
        async with running(case.subscription, settings, new_handler):
            await settled(stack, blank, name)
        assert len(failures) == FAILURES
    counted = {counter: _total(counter) - before[counter] for counter in case.stored}
    stored = {counter: (await rows(blank, query))[0][0] for counter, query in case.stored.items()}
    assert counted == stored
    assert all(stored.values())
    assert await _texts_that_name_a_customer(blank, name) == []


async def _texts_that_name_a_customer(database: str, service: str) -> list[str]:
    """What is stored of errors, where it names a customer."""
    parked = f"SELECT parked FROM {service}.{_PARKED_IN[service]} WHERE parked IS NOT NULL"
    letters = f"SELECT reason || ' ' || detail FROM {service}.dead_letter"
    texts = [row[0] for query in (parked, letters) for row in await rows(database, query)]
    assert texts
    return [text for text in texts if re.search(r"\b(ada|bad|bo)\b", text)]


def _fail_commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the last statements of the first batches fail; returns a list of these failures."""
    failures: list[str] = []
    advance = ownership.advance

    async def advance_or_fail(tx: Any, moves: Any, clocks: Any) -> None:
        await advance(tx, moves, clocks)
        if len(failures) < FAILURES:
            failures.append("failed")
            raise Retryable("the commit has failed")

    monkeypatch.setattr(ownership, "advance", advance_or_fail)
    return failures


def _plant_bug(monkeypatch: pytest.MonkeyPatch, module: Any, function: str) -> None:
    original = getattr(module, function)

    def fail_for_bad(*arguments: Any, **named: Any) -> Any:
        if re.search(r"'bad['-]", repr(arguments)):
            raise ZeroDivisionError("a bug, with bad")
        return original(*arguments, **named)

    monkeypatch.setattr(module, function, fail_for_bad)


def _total(counter: str) -> float:
    """The sum of a counter over all its labels."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name == counter)
