"""Figures computed ahead on a real PostgreSQL, by one process: the latest periods, and others."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from services.lifecycle.figures import precompute
from services.lifecycle.figures.catalogue import FIGURES
from services.lifecycle.figures.period import Account, Period
from services.lifecycle.figures.precompute import Precomputation
from services.lifecycle.figures.service import FigureService
from shared.database import connection as db
from shared.database.leases import hold
from shared.errors import Retryable
from tests.support.builders import day, event, order
from tests.support.fresh_servers import eventually
from tests.support.pipeline import rows
from tests.support.policy_shop import Shop, new_shop
from tests.support.server_stack import Stack
from tests.support.simulation_shop import Raw, api, store_lives

CLOCK: Final = 200
TODAY: Final = date(2024, 7, 19)
WINTER: Final = Period(date(2024, 1, 7), date(2024, 2, 29))
LIVES: Final[dict[str, list[Raw]]] = {
    "ada": [event("ada", "customer.signed_up", 5, account="b2b"), order("ada", 10)],
    "ben": [order("ben", 120)],
}
WHOLE: Final = len(precompute.periods_ahead(TODAY)) * len(FIGURES)
"""Figures of all customers; there are b2b ones beside them."""


class Ahead:
    """A small shop, and processes that compute its figures."""

    def __init__(self, shop: Shop, pool: db.Pool) -> None:
        self.shop, self.pool, self.figures = shop, pool, FigureService(pool)

    def process(self) -> Precomputation:
        return Precomputation(self.pool, self.figures)

    async def one(self, name: str, period: Period, account: Account | None = None) -> Any:
        return await self.figures.answer(FIGURES[name], period, account)

    async def stored(self) -> dict[tuple[Any, ...], Any]:
        """When the figures were computed, by name, beginning, end and account."""
        found = await rows(
            self.shop.url, "SELECT name, begins, ends, account, computed_at FROM lifecycle.figure"
        )
        return {(*key,): at for *key, at in found}

    async def restate(self, number: int) -> None:
        """Something of a day that is over has changed."""
        await rows(
            self.shop.url,
            "INSERT INTO lifecycle.restated (partition, day, at) VALUES (0, $1, now())"
            " ON CONFLICT (partition, day) DO UPDATE SET number = restated.number + 1",
            day(number).date(),
        )


@pytest.fixture
async def ahead(stack: Stack, template: str) -> AsyncIterator[Ahead]:
    async with new_shop(stack, template) as shop:
        await shop.set_clock(day(0))
        await shop.adopt(None, day(0))
        await store_lives(shop, day(CLOCK), LIVES)
        async with await db.create_pool(shop.url, "lifecycle") as pool:
            yield Ahead(shop, pool)


async def test_what_is_asked_for_most_is_there_before_anybody_asks(ahead: Ahead) -> None:
    keeper = ahead.process()
    assert await keeper.look() == 0, "the day may be flying past"
    assert await keeper.look() == 2 * WHOLE
    stored = await ahead.stored()
    assert {key[3] for key in stored} == {"", "b2b"}, "nobody is b2c"
    june = Period(date(2024, 6, 1), date(2024, 7, 1))
    found = await ahead.one("churn", june, "b2b")
    assert found.computed_at == stored[FIGURES["churn"].key, june.begins, june.ends, "b2b"]
    assert await ahead.stored() == stored, "nothing was computed again"
    assert await keeper.look() == 0, "nothing has changed"
    assert await ahead.process().look() == 0


async def test_while_the_days_fly_past_nothing_is_computed_ahead(ahead: Ahead) -> None:
    keeper = ahead.process()
    for number in range(CLOCK, CLOCK + 4):
        await ahead.shop.set_clock(day(number))
        assert await keeper.look() == 0
    assert await keeper.look() == 2 * WHOLE


async def test_what_was_asked_for_of_late_is_computed_again_when_its_past_is_restated(
    ahead: Ahead,
) -> None:
    keeper = ahead.process()
    for name in ("churn", "retention", "conversion"):
        await ahead.one(name, WINTER)
    asked = "UPDATE lifecycle.figure SET asked_at = now() - $2::interval WHERE name = $1"
    await rows(ahead.shop.url, asked, FIGURES["churn"].key, timedelta(days=8))
    await rows(ahead.shop.url, asked, FIGURES["retention"].key, timedelta(days=8))
    await ahead.one("retention", WINTER)
    await keeper.look()
    assert await keeper.look() == 2 * WHOLE
    before = await ahead.stored()
    await ahead.restate(20)
    expected = (
        sum(period.ends > day(20).date() for period in precompute.periods_ahead(TODAY))
        * len(FIGURES)
        * 2
        + 2
    )
    assert await keeper.look() == expected
    after = await ahead.stored()
    renewed = {key[0] for key, at in after.items() if key[1] == WINTER.begins and at > before[key]}
    assert renewed == {FIGURES["retention"].key, FIGURES["conversion"].key}, (
        "nobody has asked for churn in a week"
    )
    assert await keeper.look() == 0


async def test_of_several_processes_one_computes_ahead(ahead: Ahead) -> None:
    first, second = ahead.process(), Precomputation(ahead.pool, FigureService(ahead.pool))
    await first.look()
    await second.look()
    async with hold(ahead.pool, precompute.LEASE) as theirs:
        assert theirs, "somebody else has the turn"
        assert await first.look() == 0
        assert await ahead.stored() == {}
    assert await first.look() == 2 * WHOLE
    assert await second.look() == 0, "all of it is there"


async def test_a_figure_that_does_not_end_in_time_does_not_keep_the_others_from_being_computed(
    ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, renew = ahead.process(), ahead.figures.renew
    slow = precompute.periods_ahead(TODAY)[0]

    async def late(figure: Any, period: Period, account: Account | None) -> None:
        if (figure.name, period) == ("churn", slow):
            raise Retryable("it took too long")
        await renew(figure, period, account)

    monkeypatch.setattr(ahead.figures, "renew", late)
    await keeper.look()
    assert await keeper.look() == 2 * WHOLE - 2
    assert await keeper.look() == 0, "it is not tried again at once"

    async def refused(*_: Any) -> None:
        raise Retryable("nothing answers")

    monkeypatch.setattr(ahead.figures, "renew", refused)
    await ahead.restate(20)
    with pytest.raises(Retryable):
        await keeper.look()


async def test_a_figure_that_divides_by_zero_ends_no_process(
    stack: Stack, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precompute, "INTERVAL_S", 0.01)

    async def divided(*_: Any) -> float:
        return 1 / 0

    monkeypatch.setattr(FigureService, "renew", divided)
    with capture_logs() as logs:
        async with api(stack, ahead.shop.url) as client:

            def failed() -> bool:
                lines = [line for line in logs if line["event"] == "background.failed"]
                return len(lines) > 1 and {line["work"] for line in lines} == {"figures"}

            await eventually(failed)
            assert (await client.get("/readyz")).is_success
            assert (await client.get("/v1/figures/churn")).is_success, "read, it is computed"
