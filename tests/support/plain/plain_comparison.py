"""Tells a life by the service's fold and by the plain one, in the same words, and shrinks it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.lifecycle.domain.fold import Folded, fold
from services.lifecycle.domain.policy.schedule import Activation, Schedule
from services.lifecycle.domain.state.customer import Customer, Move
from shared.orders.journal import WithoutEffect
from tests.support.customer_events import CUSTOMER, RawEvent
from tests.support.lives import day_number, happenings
from tests.support.plain.plain_fold import plain_fold
from tests.support.plain.plain_life import PlainLife, PlainMove
from tests.support.plain.plain_lives import PlainLifeStory

Teller = Callable[[PlainLifeStory], list[str]]


def tell(story: PlainLifeStory) -> list[str]:
    """Return the life as the service folds it."""
    folded = fold(happenings(story.raws), schedule_of(story), until=story.until)
    return [*describe(folded), *sorted(map(_remark, folded.without_effect))]


def schedule_of(story: PlainLifeStory) -> Schedule:
    """Return the activations of a life as the service keeps them."""
    return Schedule(
        [Activation(each.policy.version, each.at, each.policy) for each in story.activations]
    )


def describe(folded: Folded) -> list[str]:
    """Return what the service has folded, line by line."""
    customer = folded.customer
    return [*map(_move, folded.moves), *_end(customer)]


def tell_plainly(story: PlainLifeStory) -> list[str]:
    """Return the life as the plain fold sees it."""
    life = plain_fold(story.raws, story.activations, story.until)
    remarks = [_plain_remark(*remark) for remark in life.orders.remarks.items()]
    return [*_describe_plainly(life), *sorted(remarks)]


def tell_plainly_without_remarks(story: PlainLifeStory) -> list[str]:
    """Return the life as the plain fold sees it, but not which events had no effect."""
    return _describe_plainly(plain_fold(story.raws, story.activations, story.until))


def _describe_plainly(life: PlainLife) -> list[str]:
    return [*map(_plain_move, life.moves), *_plain_end(life)]


@dataclass(frozen=True)
class LifeComparison:
    """Two that tell a life in the same words: the service and the plain fold."""

    service: Teller
    plain: Teller

    def expect_same(self, story: PlainLifeStory) -> None:
        """Fail with the smallest life of which both tell different things."""
        if self._differ(story):
            raise AssertionError(self._report(self._smallest(story)))

    def _differ(self, story: PlainLifeStory) -> bool:
        return self.service(story) != self.plain(story)

    def _smallest(self, story: PlainLifeStory) -> PlainLifeStory:
        """Leave out events and activations as long as both still differ."""
        for smaller in _smaller(story):
            if self._differ(smaller):
                return self._smallest(smaller)
        return story

    def _report(self, story: PlainLifeStory) -> str:
        events = [f"{_day(_time(raw))} {raw}" for raw in sorted(story.raws, key=_time)]
        policies = [f"{_day(each.at)} {each.policy}" for each in story.activations]
        lines = ["", *events, *policies, f"until {_day(story.until)}"]
        told = ["the service:", *self.service(story), "the plain fold:", *self.plain(story)]
        return "\n".join([*lines, *told])


def _smaller(story: PlainLifeStory) -> Iterator[PlainLifeStory]:
    for place in range(len(story.raws)):
        yield replace(story, raws=_without(story.raws, place))
    for place in range(1, len(story.activations)):
        left = [each for n, each in enumerate(story.activations) if n != place]
        yield replace(story, activations=left)


def _without(raws: Sequence[RawEvent], place: int) -> list[RawEvent]:
    return [raw for n, raw in enumerate(raws) if n != place]


def _time(raw: RawEvent) -> datetime:
    return datetime.fromisoformat(raw["time"])


# -- the words -------------------------------------------------------------------------------------


def _day(instant: datetime | None) -> str:
    return "never" if instant is None else f"{day_number(instant):.8g}"


def _move(move: Move) -> str:
    events = move.evidence.events
    because = events[0].id if events else "time"
    policy = f"policy {move.policy.version}"
    phases = f"{move.from_} to {move.to}"
    return f"{_day(move.occurred_at)} {move.rule}: {phases}, {because}, {move.episode}, {policy}"


def _plain_move(move: PlainMove) -> str:
    because = move.because or "time"
    policy = f"policy {move.policy.version}"
    phases = f"{move.from_} to {move.to}"
    return f"{_day(move.at)} {move.rule}: {phases}, {because}, {move.episode}, {policy}"


def _end(customer: Customer) -> list[str]:
    since = customer.since if customer.phase else None
    revenue = {currency: amount for currency, amount in customer.revenue.items() if amount}
    last = _day(customer.last_order_at)
    return [
        f"{customer.phase} since {_day(since)} because of {sorted(customer.causes)}",
        f"episode {customer.episode}",
        f"{customer.orders} orders, the last {last}: {sorted(revenue.items())}",
        f"{customer.purchase_days} days with one, the first {_day(customer.first_order_at)}",
    ]


def _plain_end(life: PlainLife) -> list[str]:
    orders = life.standing
    revenue = {currency: amount for currency, amount in life.revenue.items() if amount}
    last = _day(life.last_purchase)
    bought = [order.purchased_at for order in orders]
    dates = {instant.date() for instant in bought}
    return [
        f"{life.phase} since {_day(life.since)} because of {sorted(life.causes)}",
        f"episode {life.episode}",
        f"{len(orders)} orders, the last {last}: {sorted(revenue.items())}",
        f"{len(dates)} days with one, the first {_day(min(bought, default=None))}",
    ]


def _remark(remark: WithoutEffect) -> str:
    fact = remark.fact
    return f"{fact.source} {fact.id} of {fact.origin or CUSTOMER}: {remark.reason}"


def _plain_remark(identity: tuple[str, str, str], reason: str) -> str:
    source, id, subject = identity
    return f"{source} {id} of {subject}: {reason}"
