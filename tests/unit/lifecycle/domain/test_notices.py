"""Changes that time will bring are announced days before, and withdrawn if they will not come."""

from typing import Any

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.notices import hints_to_withdraw
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from tests.support.builders import day, event, order
from tests.support.lives import day_number, happenings


def policy(notice_days: int = 7) -> Policy:
    """Only notices, no other hints."""
    return Policy(
        notice_days=notice_days, survey_days=0, onboarding_days=0, incentive_days=0, answer_hours=0
    )


def notices(
    *events: dict[str, Any], until: float, notice_days: int = 7
) -> list[tuple[str, float, str]]:
    """Name, day and rule of each notice."""
    hints = fold(happenings(events), policy(notice_days), until=day(until)).hints
    found = [hint for hint in hints if hint.name.startswith("phase.")]
    return [
        (hint.name.removeprefix("phase.change_"), day_number(hint.at), hint.data["rule"])
        for hint in found
    ]


def test_each_change_by_time_is_announced_as_many_days_before() -> None:
    assert notices(order("ada", 0), until=180) == [
        ("due", 83, "silence_begins"),
        ("due", 173, "fell_silent"),
    ]


def test_a_change_that_comes_true_is_not_taken_back() -> None:
    assert notices(order("ada", 0), until=100) == [("due", 83, "silence_begins")]


def test_an_order_takes_the_notice_back_and_later_there_is_another() -> None:
    assert notices(order("ada", 0), order("ada", 85), until=168) == [
        ("due", 83, "silence_begins"),
        ("withdrawn", 85, "silence_begins"),
        ("due", 168, "silence_begins"),
    ]


def test_a_log_in_that_changes_nothing_takes_nothing_back() -> None:
    assert notices(order("ada", 0), event("ada", "session.signed_in", 85), until=89) == [
        ("due", 83, "silence_begins")
    ]


def test_a_closed_relationship_takes_back_what_can_no_longer_come() -> None:
    closed = event("ada", "customer.closed", 85)
    assert notices(order("ada", 0), closed, until=400)[1:] == [("withdrawn", 85, "silence_begins")]


def test_a_change_nearer_than_the_notice_is_announced_at_once() -> None:
    assert notices(order("ada", 0), until=90, notice_days=91) == [
        ("due", 0, "silence_begins"),
        ("due", 90, "fell_silent"),
    ]


def test_a_change_that_comes_near_suddenly_is_announced_at_once() -> None:
    events = (
        event("ada", "contract.concluded", 0, contract_id="v", term_months=24),
        event("ada", "contract.cancelled", 10, contract_id="v", effective_at=day(13).isoformat()),
    )
    assert notices(*events, until=13) == [("due", 10, "relationship_ended")]


def test_a_notice_is_given_by_the_policy_that_is_in_force_then() -> None:
    """On day 85 a policy begins that announces changes ten days ahead."""
    schedule = Schedule([Activation(1, day(-1), policy(0)), Activation(2, day(85), policy(10))])
    hints = fold(happenings([order("ada", 0)]), schedule, until=day(90)).hints
    assert [(hint.name, day_number(hint.at)) for hint in hints if "change" in hint.name] == [
        ("phase.change_due", 85)
    ]


def test_a_notice_is_not_put_off_by_another_policy() -> None:
    schedule = Schedule([Activation(1, day(-1), policy(10)), Activation(2, day(85), policy(10))])
    hints = fold(happenings([order("ada", 0)]), schedule, until=day(90)).hints
    assert [(hint.name, day_number(hint.at)) for hint in hints if "change" in hint.name] == [
        ("phase.change_due", 80)
    ]


def test_notices_are_off_unless_the_policy_asks() -> None:
    assert notices(order("ada", 0), until=400, notice_days=0) == []


def test_deadlines_that_move_nobody_are_not_announced() -> None:
    """Silence joins the complaint as a cause on day 90; the next change is the long silence."""
    events = order("ada", 0), event("ada", "complaint.opened", 10, complaint_id="c")
    assert notices(*events, until=180) == [("due", 173, "fell_silent")]


def test_a_late_event_takes_back_what_the_new_life_does_not_know() -> None:
    before = fold(happenings([order("ada", 0)]), policy(), until=day(85))
    anew = fold(happenings([order("ada", 0), order("ada", 80)]), policy(), until=day(85))
    assert [
        (h.name, h.data["rule"])
        for h in hints_to_withdraw(before.customer, anew.customer, anew.moves)
    ] == [("phase.change_withdrawn", "silence_begins")]
    assert hints_to_withdraw(before.customer, before.customer, before.moves) == ()


def test_a_late_event_does_not_take_back_what_has_come_true() -> None:
    before = fold(happenings([order("ada", 0)]), policy(), until=day(85))
    anew = fold(
        happenings([order("ada", 0), event("ada", "session.signed_in", 3)]), policy(), until=day(91)
    )
    assert hints_to_withdraw(before.customer, anew.customer, anew.moves) == ()
