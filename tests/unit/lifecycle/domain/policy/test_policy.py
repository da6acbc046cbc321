"""The spans of a policy: each follows its field, and none leads beyond the end of time."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import CADENCE, Policy
from shared.bounds import LAST_INSTANT, later
from tests.support.builders import day

SPANS: Final = {
    "at_risk_days": ("at_risk", timedelta(days=7)),
    "inactive_days": ("inactive", timedelta(days=7)),
    "former_after_inactive_days": ("former_after", timedelta(days=7)),
    "prospect_days": ("prospect_fades", timedelta(days=7)),
    "advocate_days": ("advocacy", timedelta(days=7)),
    "complaint_overdue_hours": ("complaint_overdue", timedelta(hours=7)),
    "contact_days": ("contact_fades", timedelta(days=7)),
    "renewal_grace_days": ("renewal_grace", timedelta(days=7)),
    "act_within_days": ("act_within", timedelta(days=7)),
    "survey_days": ("survey", timedelta(days=7)),
    "onboarding_days": ("onboarding", timedelta(days=7)),
    "renewal_notice_days": ("renewal_notice", timedelta(days=7)),
    "incentive_days": ("incentive", timedelta(days=7)),
    "answer_hours": ("answer", timedelta(hours=7)),
    "notice_days": ("notice", timedelta(days=7)),
}
WITHOUT_SPAN: Final = {"active_days", "horizon_days", "min_at_risk_days"}


def with_seven(field: str) -> Policy:
    changes: dict[str, Any] = {field: 7}
    return Policy(**changes)


@pytest.mark.parametrize("field", SPANS)
def test_a_span_is_as_long_as_its_field_says(field: str) -> None:
    name, expected = SPANS[field]
    assert getattr(with_seven(field), name) == expected


def test_every_field_of_time_has_its_span() -> None:
    of_time = {field.name for field in fields(Policy) if field.name.endswith(("_days", "_hours"))}
    assert of_time == set(SPANS) | WITHOUT_SPAN


def test_the_shortest_silence_is_that_of_the_model() -> None:
    fixed = Policy(at_risk_days=90, min_at_risk_days=30)
    assert fixed.shortest_silence == timedelta(days=90)
    by_rhythm = Policy(at_risk_days=90, min_at_risk_days=30, silence=CADENCE)
    assert by_rhythm.shortest_silence == timedelta(days=30)
    assert Policy(at_risk_days=20, silence=CADENCE).shortest_silence == timedelta(days=20)


def test_a_quiet_policy_judges_alike_and_gives_no_hint() -> None:
    policy = Policy(version=3, at_risk_days=60, notice_days=7)
    quiet = policy.quiet
    assert (quiet.version, quiet.at_risk, quiet.gives_notice) == (3, policy.at_risk, False)
    hints = (quiet.survey_days, quiet.onboarding_days, quiet.renewal_notice_days)
    assert (*hints, quiet.incentive_days, quiet.answer_hours) == (0, 0, 0, 0, 0)


def fit(version: int, at: datetime) -> Fit:
    return Fit(version, at, r=0.6, alpha=7.0, a=0.8, b=1.2)


def test_the_latest_fit_that_is_in_force_counts() -> None:
    policy = Policy(fits=(fit(1, day(10)), fit(2, day(20))))
    versions = [found and found.version for found in map(policy.fit_at, map(day, (9, 10, 19, 20)))]
    assert versions == [None, 1, 1, 2]


def test_fits_are_no_part_of_a_policy() -> None:
    assert Policy(fits=(fit(1, day(10)),)) == Policy()


@pytest.mark.parametrize(
    ("anchor", "span", "expected"),
    [
        (day(0), timedelta(days=2), day(2)),
        (LAST_INSTANT, timedelta(days=1), LAST_INSTANT),
        (day(0), timedelta.max, LAST_INSTANT),
    ],
)
def test_later_ends_with_the_last_instant(
    anchor: datetime, span: timedelta, expected: datetime
) -> None:
    assert later(anchor, span) == expected
