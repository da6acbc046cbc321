"""The arithmetic of figures by hand: what is made of the counts that a statement returns."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from services.lifecycle.domain.policy import cadence
from services.lifecycle.domain.policy.cadence import MONTH, Fit
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.definitions.active_customers import (
    active_passive,
    churn,
    retention,
)
from services.lifecycle.figures.definitions.complaint_topics import baseline_weeks, complaint_value
from services.lifecycle.figures.definitions.dwell_times import dwell_value
from services.lifecycle.figures.definitions.expected_revenue import (
    RhythmGroup,
    expected,
    in_force,
)
from services.lifecycle.figures.definitions.first_response import WaitCounts, first_response
from services.lifecycle.figures.definitions.flows import FLOWS, Span, flows_value
from services.lifecycle.figures.definitions.repurchase import CurrencyRevenue, best_share
from services.lifecycle.figures.definitions.satisfaction import csat, nps
from services.lifecycle.figures.period import Period, midnight
from services.lifecycle.figures.sources.phase_counts import (
    ActiveCohort,
    PhaseCount,
    cohort_of,
    in_phases,
)
from tests.support.builders import day

CDNOW: Final = Fit(7, day(0), 0.637, 7.31, 0.807, 1.228, 6.25, 3.74, 1544.0, "USD")
SHOP: Final = Counter(
    {
        Phase.PROSPECT: 9,
        Phase.NEW: 4,
        Phase.ESTABLISHED: 3,
        Phase.ADVOCATE: 2,
        Phase.AT_RISK: 2,
        Phase.INACTIVE: 5,
        Phase.FORMER: 1,
        Phase.WON_BACK: 1,
    }
)
"""Twelve in an active phase, six passive."""


def test_customers_in_a_phase_are_those_who_entered_it_less_those_who_left() -> None:
    flows = [
        ("", "prospect", 10),
        ("prospect", "new", 4),
        ("new", "established", 3),
        ("established", "at_risk", 2),
        ("at_risk", "established", 1),
    ]
    assert in_phases(flows) == Counter(
        {Phase.PROSPECT: 6, Phase.NEW: 1, Phase.ESTABLISHED: 2, Phase.AT_RISK: 1}
    )
    assert in_phases([]) == Counter()


@pytest.mark.parametrize(("without_order", "active"), [(0, 12), (1, 11), (2, 10)])
def test_advocates_without_an_order_are_not_active(without_order: int, active: int) -> None:
    count = PhaseCount(SHOP, without_order)
    assert (count.active, count.passive) == (active, 6)


def test_active_and_passive_customers_at_both_ends() -> None:
    begin = PhaseCount(Counter({Phase.NEW: 2, Phase.FORMER: 1}), 0)
    value = active_passive(begin, PhaseCount(SHOP, 1))
    assert (value.value, value.passive) == (11, 6)
    assert (value.active_at_begin, value.passive_at_begin) == (2, 1)
    assert value.advocates_without_order == 1
    assert value.phases == dict(SHOP)
    assert set(active_passive(begin, begin).phases) == set(Phase), "empty phases are shown as 0"


@pytest.mark.parametrize(
    ("moved", "cohort"),
    [
        ((0, 0, 0, 0, 0), (12, 12, 0)),
        ((3, 2, 0, 0, 0), (12, 9, 2)),
        ((0, 0, 1, 1, 0), (11, 11, 0)),
        ((3, 2, 2, 1, 1), (10, 8, 1)),
    ],
    ids=["nobody moved", "three left", "an advocate without order", "one of them was lost"],
)
def test_advocates_without_an_order_neither_stay_nor_are_lost(
    moved: tuple[int, ...], cohort: tuple[int, int, int]
) -> None:
    names = ("gone", "lost", "at_begin", "stayed", "lost_without_order")
    assert cohort_of(SHOP, dict(zip(names, moved, strict=True))) == ActiveCohort(*cohort)


@pytest.mark.parametrize(
    ("cohort", "kept", "lost"),
    [
        (ActiveCohort(active=8, kept=6, lost=1), 0.75, 0.125),
        (ActiveCohort(active=3, kept=3, lost=0), 1.0, 0.0),
        (ActiveCohort(active=0, kept=0, lost=0), None, None),
    ],
)
def test_retention_and_churn_are_shares_of_those_active_at_the_beginning(
    cohort: ActiveCohort, kept: float | None, lost: float | None
) -> None:
    stay, leave = retention(cohort), churn(cohort)
    assert (stay.value, stay.active_at_begin, stay.kept) == (kept, cohort.active, cohort.kept)
    assert (leave.value, leave.active_at_begin, leave.lost) == (lost, cohort.active, cohort.lost)


@pytest.mark.parametrize(
    ("scores", "value", "promoters", "passives", "detractors"),
    [
        ({10: 30, 9: 20, 8: 15, 7: 10, 6: 5, 0: 20}, 25.0, 50, 25, 25),
        ({9: 1}, 100.0, 1, 0, 0),
        ({6: 2}, -100.0, 0, 0, 2),
        ({8: 3, 7: 1}, 0.0, 0, 4, 0),
        ({}, None, 0, 0, 0),
    ],
)
def test_nps_by_hand(
    scores: Mapping[int, int],
    value: float | None,
    promoters: int,
    passives: int,
    detractors: int,
) -> None:
    found = nps(scores)
    assert found.value == value
    assert (found.promoters, found.passives, found.detractors) == (promoters, passives, detractors)
    assert found.customers == sum(scores.values())


@pytest.mark.parametrize(
    ("scores", "value", "mean", "satisfied"),
    [
        ({5: 3, 4: 1, 3: 1, 1: 3}, 0.5, 3.125, 4),
        ({3: 2}, 0.0, 3.0, 0),
        ({4: 1}, 1.0, 4.0, 1),
        ({}, None, None, 0),
    ],
)
def test_csat_by_hand(
    scores: Mapping[int, int], value: float | None, mean: float | None, satisfied: int
) -> None:
    found = csat(scores)
    assert (found.value, found.mean, found.satisfied) == (value, mean, satisfied)
    assert found.customers == sum(scores.values())


@pytest.mark.parametrize(
    ("days_before", "weeks"),
    [(None, 0), (-1, 0), (6, 0), (7, 1), (34, 4), (56, 8), (700, 8)],
)
def test_the_baseline_has_the_whole_weeks_since_the_first_complaint_and_at_most_eight(
    days_before: int | None, weeks: int
) -> None:
    begins = date(2024, 5, 6)
    midnight = datetime(2024, 5, 6, tzinfo=UTC)
    first = None if days_before is None else midnight - timedelta(days=days_before)
    assert baseline_weeks(first, begins) == weeks


def test_complaints_are_counted_in_the_period_and_judged_by_the_weeks_before() -> None:
    by_topic: dict[str | None, Counter[int]] = {
        "delivery": Counter(dict.fromkeys(range(8), 1) | {8: 12}),
        "price": Counter({5: 2, 8: 1, 9: 1}),
        "old news": Counter({3: 4}),
        None: Counter({8: 2}),
    }
    value = complaint_value(by_topic, days=14, known=8)
    assert (value.value, value.complaints, value.without_topic) == (1, 16, 2)
    assert value.baseline_weeks == 8
    assert [(topic.topic, topic.complaints, topic.above) for topic in value.topics] == [
        ("delivery", 12, True),
        ("price", 2, False),
    ], "those above first; a topic that nobody complained about in the period is left out"
    delivery = value.topics[0]
    assert (delivery.expected, delivery.weekly_mean, delivery.weekly_spread) == (2.0, 1.0, 0.0)


def test_without_a_baseline_topics_are_shown_and_nothing_is_above() -> None:
    value = complaint_value({"app": Counter({8: 100})}, days=7, known=3)
    assert (value.value, value.complaints) == (None, 100)
    (topic,) = value.topics
    assert (topic.above, topic.expected, topic.probability) == (False, None, None)


def test_only_the_known_weeks_are_the_baseline() -> None:
    weeks = Counter({0: 100, 1: 100, 2: 100, 3: 100, 4: 1, 5: 1, 6: 1, 7: 1, 8: 9})
    (young,) = complaint_value({"app": weeks}, days=7, known=4).topics
    (old,) = complaint_value({"app": weeks}, days=7, known=8).topics
    assert (young.weekly_mean, young.above) == (1.0, True)
    assert (old.weekly_mean, old.above) == (50.5, False)


def test_first_responses_by_hand() -> None:
    value = first_response(
        {
            None: WaitCounts(opened=22, responded=20, within=15, overdue=1, median=1.5),
            "complaint": WaitCounts(opened=2, responded=0, within=0, overdue=1),
        }
    )
    assert value.value == 1.5
    together = value.together
    assert (together.share_within_2_hours, together.open, together.open_over_2_hours) == (
        0.75,
        2,
        1,
    )
    complaints = value.complaints
    assert (complaints.share_within_2_hours, complaints.median_hours, complaints.open) == (
        None,
        None,
        2,
    )
    assert value.inquiries.opened == 0, "nobody inquired"
    assert first_response({}).value is None


def test_flows_are_summed_by_span_and_over_the_whole_period() -> None:
    april, may = date(2024, 4, 1), date(2024, 5, 1)
    rows = [
        (april, "", "prospect", 5),
        (april, "prospect", "new", 2),
        (may, "prospect", "new", 1),
    ]
    value = flows_value(rows, Span.MONTH)
    assert (value.value, value.per) == (8, Span.MONTH)
    assert [(span.begins, len(span.flows)) for span in value.spans] == [(april, 2), (may, 1)]
    assert [(flow.from_, flow.to, flow.transitions) for flow in value.flows] == [
        (None, Phase.PROSPECT, 5),
        (Phase.PROSPECT, Phase.NEW, 3),
    ]
    assert flows_value([], Span.DAY).value == 0


def test_the_median_stay_is_pooled_over_all_phases() -> None:
    ended = {phase: Counter[int]() for phase in Phase}
    running = {phase: Counter[int]() for phase in Phase}
    ended[Phase.NEW].update({10: 1, 20: 1})
    ended[Phase.AT_RISK].update({90: 1})
    running[Phase.AT_RISK].update({100: 1})
    value = dwell_value(ended, running)
    assert value.value == 20, "two of four have ended by then"
    assert [(view.phase, view.stays, view.ended) for view in value.phases] == [
        (Phase.NEW, 2, 2),
        (Phase.AT_RISK, 2, 1),
    ], "phases without stays are left out"
    assert [view.median_days for view in value.phases] == [10, 90]
    assert [step.survival for step in value.phases[1].survival] == [0.5]


def test_the_headline_of_the_best_buyers_is_that_of_the_currency_with_the_most_buyers() -> None:
    euro = CurrencyRevenue("EUR", 10, Decimal(1000), 2, Decimal(580)).view()
    yen = CurrencyRevenue("JPY", 1, Decimal(90_000), 1, Decimal(90_000)).view()
    value = best_share([euro, yen])
    assert value.value == 0.58
    assert [(item.currency, item.share) for item in value.currencies] == [("EUR", 0.58), ("JPY", 1)]
    assert (euro.buyers, euro.best_buyers, euro.revenue, euro.best_revenue) == (10, 2, 1000, 580)
    assert best_share([]).value is None
    assert CurrencyRevenue("EUR", 1, Decimal(0), 1, Decimal(0)).view().share is None


def test_expected_orders_and_revenue_are_sums_over_customers() -> None:
    one = RhythmGroup(x=3, tx=140, age=210, customers=1, valued=1, means=2000.0)
    orders, revenue = expected(CDNOW, [one])
    alone = cadence.expected_orders(CDNOW, 3, 20.0, 30.0, 12 * MONTH)
    value = cadence.expected_value(CDNOW, 3, 2000.0)
    assert value is not None
    assert orders == pytest.approx(alone)
    assert revenue == pytest.approx(alone * value)
    several = one._replace(customers=5, valued=4, means=8000.0)
    assert expected(CDNOW, [several]) == pytest.approx((5 * orders, 4 * revenue))
    both = expected(CDNOW, [one, several])
    assert both == pytest.approx((6 * orders, 5 * revenue))


def test_customers_without_revenue_in_the_currency_add_orders_and_no_money() -> None:
    group = RhythmGroup(x=1, tx=70, age=140, customers=3, valued=0, means=0.0)
    orders, revenue = expected(CDNOW, [group])
    assert orders > 0
    assert revenue == 0
    assert expected(CDNOW, []) == (0, 0)


def test_the_fit_in_force_is_the_last_one_before_the_end_of_the_period() -> None:
    fits = tuple(Fit(n, midnight(day(10 * n).date()), 1, 1, 1, 1) for n in (1, 2, 3))
    schedule = Schedule((Activation(1, day(0), Policy()),), fits)

    def version(end: int) -> int | None:
        fit = in_force(schedule, Period(day(0).date(), day(end).date()))
        return fit.version if fit else None

    assert [version(end) for end in (10, 11, 20, 21, 99)] == [None, 1, 1, 2, 3]


def test_every_figure_has_a_key_of_its_own_and_says_what_it_is() -> None:
    figures = [*FIGURES.values(), *(FLOWS[span] for span in Span if span is not Span.MONTH)]
    assert len({figure.key for figure in figures}) == len(figures)
    assert all(figure.title and figure.formula and figure.source for figure in figures)
    assert {figure.name for figure in FIGURES.values()} == set(FIGURES)
