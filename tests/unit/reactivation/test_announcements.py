"""What reactivation publishes of a changed case."""

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pytest

from services.reactivation.announcements import messages_of
from services.reactivation.domain.cases import Case, Lapse, State, Terms
from services.reactivation.domain.changes import CaseChange, CaseEvent
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History
from shared.events.envelope import Envelope, decode
from shared.instants import parse, render
from shared.kafka.topics import WINBACK_EVENTS
from tests.support.builders import day
from tests.support.winback_lives import offer_of

TERMS = Terms(secret=b"secret")
LAPSE = Lapse(day(1), "fell_silent", "inactive")
NOW = day(50)
(OFFERED,) = fold_history(History("ada", (LAPSE,)), TERMS, day(1)).cases
WON_BACK = replace(
    OFFERED, state=State.WON_BACK, ended_at=day(9), order_id="o-1", with_code=True, version=3
)
EXPIRED = replace(OFFERED, state=State.EXPIRED, ended_at=day(31), version=3)
CANCELLED = replace(
    OFFERED, state=State.CANCELLED, ended_at=NOW, reason="transition_withdrawn", version=4
)
LET_GO = replace(
    OFFERED, state=State.LET_GO, offer=None, ended_at=day(1), reason="customer_closed", version=2
)


def published(case: Case, before: Case | None, *events: CaseEvent) -> list[Envelope]:
    messages = messages_of(CaseChange(case, before, events), 2, NOW)
    assert {(m.partition, m.topic, m.key) for m in messages} == {(2, WINBACK_EVENTS, "ada")}
    return [decode(message.body) for message in messages]


def data_of(event: Envelope) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(event.data)
    return data


class Published(NamedTuple):
    """A change to a case, the time of its record, and what the record says beyond the head."""

    case: Case
    before: Case | None
    event: CaseEvent
    time: datetime
    says: dict[str, Any]


@pytest.mark.parametrize(
    "change",
    [
        Published(
            OFFERED,
            None,
            CaseEvent.OFFER_MADE,
            day(1),
            {"code": offer_of(OFFERED).code, "incentive": {"kind": "percent", "value": 10}},
        ),
        Published(
            WON_BACK,
            OFFERED,
            CaseEvent.CASE_CLOSED,
            day(9),
            {"state": "won_back", "order_id": "o-1", "with_code": True},
        ),
        Published(
            EXPIRED,
            OFFERED,
            CaseEvent.CASE_CLOSED,
            day(31),
            {"state": "expired", "order_id": None, "with_code": False},
        ),
        Published(
            replace(OFFERED, state=State.REOPENED, version=4),
            WON_BACK,
            CaseEvent.CASE_REOPENED,
            NOW,
            {"due_at": render(day(31))},
        ),
        Published(
            LET_GO,
            None,
            CaseEvent.CASE_CLOSED,
            day(1),
            {"state": "let_go", "reason": "customer_closed"},
        ),
        Published(
            CANCELLED,
            WON_BACK,
            CaseEvent.CASE_CANCELLED,
            NOW,
            {"reason": "transition_withdrawn", "was": "won_back"},
        ),
    ],
    ids=lambda change: str(change.case.state.value),
)
def test_a_record_has_the_time_of_what_it_tells_of(change: Published) -> None:
    (event,) = published(change.case, change.before, change.event)
    assert (event.type, event.subject, event.source) == (change.event, "ada", "/reactivation")
    assert event.time == change.time
    data = data_of(event)
    assert data.items() >= change.says.items()
    assert (data["case_id"], data["customer"]) == (str(change.case.id), "ada")
    assert parse(data["recorded_at"]) == NOW


def test_an_opening_tells_which_transition_was_the_trigger() -> None:
    opened, made = published(
        replace(OFFERED, version=2), None, CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE
    )
    trigger = data_of(opened)["trigger"]
    assert (trigger["rule"], trigger["to"]) == ("fell_silent", "inactive")
    assert parse(trigger["occurred_at"]) == parse(data_of(opened)["opened_at"]) == day(1)
    assert (parse(data_of(made)["made_at"]), parse(data_of(made)["expires_at"])) == (
        day(1),
        day(31),
    )


def test_the_records_of_a_change_end_with_the_version_of_the_case() -> None:
    both = (CaseEvent.CASE_OPENED, CaseEvent.OFFER_MADE)
    versions = [data_of(event)["version"] for event in published(EXPIRED, None, *both)]
    assert versions == [2, 3]


def test_the_same_change_makes_the_same_ids_and_another_version_another_id() -> None:
    (first,) = published(WON_BACK, OFFERED, CaseEvent.CASE_CLOSED)
    (again,) = published(WON_BACK, OFFERED, CaseEvent.CASE_CLOSED)
    (later,) = published(replace(WON_BACK, version=4), WON_BACK, CaseEvent.CASE_CLOSED)
    assert first.id == again.id != later.id


def test_a_change_that_announces_nothing_has_no_records() -> None:
    assert messages_of(CaseChange(WON_BACK, OFFERED, ()), 2, NOW) == []
