"""The report of a simulation: its counts, its examples, and the schedule that it folds by."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.simulations.comparison import (
    EXAMPLES,
    HistoryComparison,
    HistoryStep,
    candidate_schedule,
)
from services.lifecycle.simulations.report import SimulationReport
from tests.support.builders import day
from tests.support.random_lives import END, POLICY, lives, sampled

NEW = HistoryStep(day(0), "first_purchase", None, "new")
AT_RISK = HistoryStep(day(90), "silence_begins", "new", "at_risk")
SOONER = AT_RISK._replace(occurred_at=day(60))
INACTIVE = HistoryStep(day(120), "fell_silent", "at_risk", "inactive")


def compared(
    lives: Iterable[tuple[str, list[HistoryStep], list[HistoryStep]]],
    begin: float = 30,
    end: float = 200,
) -> SimulationReport:
    comparison = HistoryComparison(day(begin), day(end))
    for life in lives:
        comparison.add(*life)
    return comparison.report(events=0)


def matrix(report: SimulationReport) -> list[tuple[str | None, str | None, int]]:
    return [(cell.live, cell.candidate, cell.customers) for cell in report.matrix]


def test_customers_are_counted_by_where_both_histories_end() -> None:
    report = compared(
        [
            ("ada", [NEW, AT_RISK], [NEW, SOONER, INACTIVE]),
            ("ben", [NEW], [NEW]),
            ("cem", [NEW, AT_RISK], [NEW, SOONER, INACTIVE]),
            ("dora", [], [NEW]),
            ("eva", [], []),
        ]
    )
    assert (report.customers, report.differing) == (4, 3)
    assert matrix(report) == [(None, "new", 1), ("new", "new", 1), ("at_risk", "inactive", 2)]


def test_transitions_count_from_the_first_instant_on_and_before_the_last() -> None:
    report = compared([("ada", [NEW, AT_RISK], [NEW, SOONER, INACTIVE])], begin=60, end=120)
    assert [(t.rule, t.month, t.live, t.candidate) for t in report.transitions] == [
        ("silence_begins", "2024-03", 1, 1)
    ], "day 120 is the end: 30 April"
    assert [(e.phase, e.live, e.candidate) for e in report.entered] == [
        ("inactive", 0, 0),
        ("former", 0, 0),
    ]
    assert matrix(report) == [("at_risk", "inactive", 1)], (
        "where they stand is told as of the last instant"
    )


def test_transitions_count_by_rule_and_month_of_utc() -> None:
    report = compared(
        [("ada", [NEW, AT_RISK], [NEW, SOONER, INACTIVE]), ("ben", [NEW, AT_RISK], [NEW, AT_RISK])]
    )
    assert [(t.rule, t.month, t.live, t.candidate) for t in report.transitions] == [
        ("fell_silent", "2024-04", 0, 1),
        ("silence_begins", "2024-03", 2, 2),
    ]
    assert [(e.phase, e.live, e.candidate) for e in report.entered] == [
        ("inactive", 0, 1),
        ("former", 0, 0),
    ]


def test_who_differs_before_the_candidate_judges_is_told_apart() -> None:
    lives = [
        ("ada", [NEW, AT_RISK], [NEW, SOONER]),
        ("ben", [NEW, AT_RISK], [NEW]),
        ("cem", [NEW], [NEW, INACTIVE]),
    ]
    assert compared(lives, begin=60).unsettled == 0
    assert compared(lives, begin=61).unsettled == 1
    assert compared(lives, begin=91).unsettled == 2


def test_of_each_kind_of_difference_one_is_shown_the_most_frequent_first_and_then_a_second() -> (
    None
):
    sooner = [(f"s{n}", [NEW, AT_RISK], [NEW, SOONER]) for n in (3, 1, 2)]
    later = [(f"l{n}", [NEW, AT_RISK], [NEW]) for n in (2, 1)]
    lost = [("x", [NEW, AT_RISK], [NEW, SOONER, INACTIVE])]
    shown = compared([*lost, *later, *sooner]).examples
    assert [(e.customer, e.alike) for e in shown] == [
        ("s1", 3), ("l1", 2), ("x", 1), ("s2", 3), ("l2", 2), ("s3", 3)
    ]  # fmt: skip
    assert [step.rule for step in shown[2].candidate] == [
        "first_purchase",
        "silence_begins",
        "fell_silent",
    ]


def test_of_a_kind_those_with_the_shortest_histories_are_shown() -> None:
    long = [NEW, AT_RISK, AT_RISK._replace(to="new"), AT_RISK]
    shown = compared(
        [("ada", [*long, AT_RISK], [*long, SOONER]), ("ben", [NEW, AT_RISK], [NEW, SOONER])]
    ).examples
    assert [(e.customer, e.alike) for e in shown] == [("ben", 2), ("ada", 2)]


def test_no_more_are_shown_than_a_person_reads_and_the_order_of_customers_is_no_matter() -> None:
    lives = [(f"c{n:03}", [NEW, AT_RISK], [NEW, SOONER]) for n in range(100)]
    shown = compared(lives)
    assert [e.customer for e in shown.examples] == [f"c{n:03}" for n in range(EXAMPLES)]
    assert compared(reversed(lives)) == shown


LIVE = Schedule(
    [
        Activation(1, day(0), Policy()),
        Activation(2, day(10), Policy(name="business", account="b2b")),
        Activation(3, day(50), Policy(name="later")),
        Activation(4, day(60), Policy(name="business later", account="b2b")),
    ]
)


def judges(schedule: Schedule, account: str | None) -> list[str]:
    return [schedule.at(day(at), account).name for at in (0, 20, 29, 30, 55, 70)]


def test_the_candidate_judges_from_its_instant_on_whatever_came_later_for_its_kind() -> None:
    tried = candidate_schedule(LIVE, Policy(name="tried"), day(30))
    assert judges(tried, None) == ["default", "default", "default", "tried", "tried", "tried"]
    assert judges(tried, "b2c") == judges(tried, None)
    assert judges(tried, "b2b") == ["default", *["business"] * 4, "business later"]


def test_a_candidate_for_one_kind_of_account_leaves_the_others_as_they_were() -> None:
    tried = candidate_schedule(LIVE, Policy(name="tried", account="b2b"), day(30))
    assert judges(tried, "b2b") == ["default", "business", "business", "tried", "tried", "tried"]
    assert judges(tried, None) == judges(LIVE, None)


def test_a_candidate_displaces_what_was_activated_at_the_same_instant() -> None:
    assert candidate_schedule(LIVE, Policy(name="tried"), day(50)).at(day(50)).name == "tried"


@sampled(200)
@given(lives())
def test_hints_make_no_difference_to_where_a_customer_goes(life: list[Happening]) -> None:
    schedule = Schedule(
        [Activation(1, day(0), POLICY), Activation(2, day(90), replace(POLICY, at_risk_days=10))]
    )
    loud, quiet = (fold(life, policies, until=END) for policies in (schedule, schedule.quiet))
    assert [HistoryStep.of(move) for move in loud.moves] == [
        HistoryStep.of(move) for move in quiet.moves
    ]
