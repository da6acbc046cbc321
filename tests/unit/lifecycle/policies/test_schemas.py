"""What the API of policies shows: differences, progress, versions; and what `against` may say."""

from typing import Final

import pytest

from services.lifecycle.domain.edition import EDITION
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import MAX_VERSION, differing_fields, next_version
from services.lifecycle.policies.registry import has_same_content
from services.lifecycle.policies.repository import RearmingProgress, StoredPolicy
from services.lifecycle.policies.schemas import (
    Difference,
    PolicyDiff,
    PolicySummary,
    RearmingView,
    units,
)
from services.lifecycle.policies.service import parse_against
from services.lifecycle.policies.status import PolicyState, PolicyStatus
from shared.clock import CLOCK_START
from shared.errors import Problem
from tests.support.builders import day

STRICT: Final = Policy(name="strict", version=3, at_risk_days=60, currency="USD")


@pytest.mark.parametrize(
    ("taken", "version"),
    [
        ((), 1),
        ((1,), 2),
        ((1, 4), 5),
        ((MAX_VERSION - 1,), MAX_VERSION),
        ((MAX_VERSION,), 1),
        ((1, 2, 4, MAX_VERSION), 3),
    ],
)
def test_the_next_version_is_the_one_after_the_greatest_or_else_the_least_free_one(
    taken: tuple[int, ...], version: int
) -> None:
    assert next_version(taken) == version


def test_content_is_all_but_the_version() -> None:
    assert has_same_content(Policy(version=1), Policy(version=7))
    assert not has_same_content(Policy(), Policy(name="other"))
    assert not has_same_content(Policy(), Policy(at_risk_days=89))


def test_differing_fields_come_in_the_order_of_the_document_without_name_and_version() -> None:
    assert differing_fields(Policy(), STRICT) == ["currency", "at_risk_days"]
    assert differing_fields(Policy(), Policy(name="other", version=9)) == []


def test_a_difference_has_both_values_and_their_unit() -> None:
    diff = PolicyDiff.of(STRICT, Policy())
    assert (diff.one.name, diff.one.version) == ("strict", 3)
    assert (diff.other.name, diff.other.version) == ("default", 1)
    assert diff.differences == [
        Difference(field="currency", unit=None, one="USD", other="EUR"),
        Difference(field="at_risk_days", unit="days", one=60, other=90),
    ]


def test_every_threshold_has_a_unit() -> None:
    without = {name for name, unit in units().items() if unit is None}
    assert without == {
        "name",
        "version",
        "account",
        "currency",
        "silence",
        "free_orders_count",
    }


def test_a_version_without_a_status_is_a_draft_since_it_was_stored() -> None:
    stored = StoredPolicy(STRICT, day(5))
    summary = PolicySummary.of(stored, {("default", 1): PolicyStatus(PolicyState.ACTIVE, day(0))})
    assert (summary.state, summary.since) == (PolicyState.DRAFT, day(5))


def test_a_version_that_judges_from_the_beginning_has_no_instant() -> None:
    stored = StoredPolicy(STRICT, day(5))
    summary = PolicySummary.of(
        stored, {("strict", 3): PolicyStatus(PolicyState.ACTIVE, CLOCK_START)}
    )
    assert (summary.state, summary.since) == (PolicyState.ACTIVE, None)


def test_the_progress_of_all_partitions_is_their_sum_and_finished_when_all_are() -> None:
    finished = RearmingProgress(
        partition=0, target=2, edition=EDITION, done=5, total=5, finished=True
    )
    begun = RearmingProgress(
        partition=1, target=2, edition=EDITION, done=3, total=7, finished=False
    )
    view = RearmingView.of([finished, begun])
    assert (view.done, view.total, view.finished) == (8, 12, False)
    assert [part.partition for part in view.partitions] == [0, 1]
    assert RearmingView.of([finished]).finished
    assert not RearmingView.of([finished._replace(edition=EDITION - 1)]).finished, "other rules"
    assert RearmingView.of([]).finished


@pytest.mark.parametrize(
    ("against", "key"),
    [
        ("default/1", ("default", 1)),
        ("a/b/2", ("a/b", 2)),
        (f"x/{MAX_VERSION}", ("x", MAX_VERSION)),
    ],
)
def test_against_names_a_version(against: str, key: tuple[str, int]) -> None:
    assert parse_against(against) == key


@pytest.mark.parametrize(
    "against", ["", "default", "/1", "default/", "default/0", "default/01", f"x/{MAX_VERSION + 1}"]
)
def test_against_that_names_no_version_is_refused(against: str) -> None:
    with pytest.raises(Problem) as refusal:
        parse_against(against)
    assert (refusal.value.status, refusal.value.code) == (422, "invalid")
    assert [error.field for error in refusal.value.errors] == ["against"]
