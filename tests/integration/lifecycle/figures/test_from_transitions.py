"""Figures made from transitions on a real PostgreSQL equal a slow look at every history."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

import pytest

from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.figures.period import Account, Period
from tests.support.figure_shop import Life, Past, simulated_past, stays
from tests.support.server_stack import Stack

IN_TOUCH: Final = {Phase.NEW, Phase.ESTABLISHED, Phase.AT_RISK, Phase.WON_BACK}
GONE: Final = {Phase.INACTIVE, Phase.FORMER}
DAY: Final = timedelta(days=1)

CASES: Final = [
    pytest.param(
        Period(date.fromisoformat(begins), date.fromisoformat(ends)),
        account,
        id=f"{begins}-{ends}-{account}",
    )
    for begins, ends, account in (
        ("2023-01-01", "2025-01-01", None),
        ("2024-02-01", "2024-03-01", None),
        ("2024-03-01", "2024-06-10", None),
        ("2024-06-10", "2024-12-01", None),
        ("2024-10-10", "2024-10-11", None),
        ("2022-01-01", "2022-12-01", None),
        ("2023-06-07", "2023-11-18", "b2c"),
        ("2024-02-01", "2025-01-01", "b2b"),
    )
]


@pytest.fixture(scope="module")
async def past(stack: Stack, template: str) -> AsyncIterator[Past]:
    async with simulated_past(stack, template) as past:
        yield past


def active(life: Life, instant: datetime) -> bool:
    phase, first = life.phase(instant), life.state.first_order_at
    return phase in IN_TOUCH or (phase is Phase.ADVOCATE and first is not None and first < instant)


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


async def detail(
    past: Past, name: str, period: Period, account: Account | None, **more: Any
) -> Any:
    found = await past.figure(name, from_=period.begins, to=period.ends, account=account, **more)
    return found["result"]


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_who_is_active_stays_and_is_lost(
    past: Past, period: Period, account: Account | None
) -> None:
    lives = past.of(account)
    begin = [life for life in lives if active(life, period.since)]
    kept = [life for life in begin if active(life, period.until)]
    lost = [life for life in begin if life.phase(period.until) in GONE]
    phases = Counter(life.phase(period.until) for life in lives)
    now = sum(active(life, period.until) for life in lives)
    assert await detail(past, "active_passive", period, account) == {
        "value": now,
        "passive": sum(life.phase(period.until) in GONE for life in lives),
        "active_at_begin": len(begin),
        "passive_at_begin": sum(life.phase(period.since) in GONE for life in lives),
        "advocates_without_order": sum(phases[phase] for phase in (*IN_TOUCH, Phase.ADVOCATE))
        - now,
        "phases": {phase: phases[phase] for phase in Phase},
    }
    assert await detail(past, "retention", period, account) == {
        "value": share(len(kept), len(begin)),
        "active_at_begin": len(begin),
        "kept": len(kept),
    }
    assert await detail(past, "churn", period, account) == {
        "value": share(len(lost), len(begin)),
        "active_at_begin": len(begin),
        "lost": len(lost),
    }


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_prospects_who_become_new(
    past: Past, period: Period, account: Account | None
) -> None:
    prospects, converted = 0, 0
    for life in past.of(account):
        within = [move for move in life.moves if period.since <= move.occurred_at < period.until]
        ever = {life.phase(period.since), *(move.to for move in within)}
        prospects += Phase.PROSPECT in ever
        converted += any((move.from_, move.to) == (Phase.PROSPECT, Phase.NEW) for move in within)
    assert await detail(past, "conversion", period, account) == {
        "value": share(converted, prospects),
        "prospects": prospects,
        "converted": converted,
    }


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_who_recommends(past: Past, period: Period, account: Account | None) -> None:
    lives, recommending, referrals = past.of(account), set[str](), 0
    for life in lives:
        standing: dict[Any, bool] = {}
        for told, data in life.data(
            period.since, period.until, "referral.succeeded", "referral.annulled"
        ):
            claim = data.get("claim_id") or (data.get("referee"), data.get("order_id"))
            standing[claim] = told.type == "referral.succeeded"
        referrals += sum(standing.values())
        recommending |= {life.customer} if any(standing.values()) else set()
    now = sum(active(life, period.until) for life in lives)
    assert await detail(past, "recommendation_rate", period, account) == {
        "value": share(len(recommending), now),
        "recommending": len(recommending),
        "referrals": referrals,
        "active": now,
    }


def longer(
    within: list[tuple[datetime, datetime | None]], until: datetime
) -> Iterator[tuple[int, int, int, float]]:
    """The curve, day by day: everybody is looked at when the stay is 0, 1, 2, … days old."""
    survival = 1.0
    for day in range((until - min((since for since, _ in within), default=until)).days + 2):
        seen = [
            (since, end) for since, end in within if end is not None or since + day * DAY <= until
        ]
        at_risk = [
            (since, end) for since, end in seen if end is None or end > since + (day - 1) * DAY
        ]
        ended = [end for since, end in at_risk if end is not None and end <= since + day * DAY]
        if ended:
            survival *= 1 - len(ended) / len(at_risk)
            yield day, len(at_risk), len(ended), survival


@pytest.mark.parametrize(("period", "account"), CASES)
async def test_how_long_stays_last(past: Past, period: Period, account: Account | None) -> None:
    found = await detail(past, "dwell_times", period, account)
    told: dict[Phase, list[tuple[datetime, datetime | None]]] = {phase: [] for phase in Phase}
    for life in past.of(account):
        for phase, since, end in stays(life, period.until):
            if since >= period.since:
                told[phase].append((since, end))
    assert [view["phase"] for view in found["phases"]] == [phase for phase in Phase if told[phase]]
    for view in found["phases"]:
        within = told[Phase(view["phase"])]
        curve = list(longer(within, period.until))
        assert (view["stays"], view["ended"]) == (
            len(within),
            sum(end is not None for _, end in within),
        )
        assert [tuple(step.values())[:3] for step in view["survival"]] == [
            step[:3] for step in curve
        ]
        assert [step["survival"] for step in view["survival"]] == pytest.approx(
            [step[3] for step in curve]
        )
        assert view["median_days"] == next((day for day, *_, left in curve if left <= 0.5), None)
    everybody = [stay for within in told.values() for stay in within]
    assert found["value"] == next(
        (day for day, *_, left in longer(everybody, period.until) if left <= 0.5), None
    )


def bucket(day: date, per: str) -> date:
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[
        per
    ]


@pytest.mark.parametrize("per", ["day", "week", "month"])
@pytest.mark.parametrize(("period", "account"), CASES)
async def test_moves_between_phases(
    past: Past, period: Period, account: Account | None, per: str
) -> None:
    if per == "day" and period.days > 366:
        period = Period(date(2024, 1, 1), period.ends)
    counts = Counter(
        (bucket(move.occurred_at.date(), per), move.from_, move.to)
        for life in past.of(account)
        for move in life.moves
        if period.since <= move.occurred_at < period.until
    )
    found = await detail(past, "flows", period, account, per=per)
    assert {
        (date.fromisoformat(span["begins"]), flow["from"], flow["to"]): flow["transitions"]
        for span in found["spans"]
        for flow in span["flows"]
    } == counts
    whole = Counter[tuple[Any, Any]]()
    for (_, before, after), n in counts.items():
        whole[before, after] += n
    assert {(flow["from"], flow["to"]): flow["transitions"] for flow in found["flows"]} == whole
    assert found["value"] == counts.total()
