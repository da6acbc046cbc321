"""What lifecycle is told of a recommendation that fails and holds again, and makes of it."""

from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

import pytest

from services.lifecycle.domain.state.phases import Phase
from shared.events.ranks import rank_of
from tests.support.builders import day, event, order
from tests.support.referral_codes import code_of
from tests.support.referral_world import World

Raw = dict[str, Any]
MICRO = timedelta(microseconds=1) / timedelta(days=1)


def buys(at: float, id: str, amount: int = 5000) -> Raw:
    return {**order("bob", at, amount=amount, id=id), "id": f"{id} {at}"} | {
        "data": {"order_id": id, "total": {"amount": amount, "currency": "EUR"}}
    }


def changes(kind: str, at: float, id: str, **more: Any) -> Raw:
    return event("bob", f"order.{kind}", at, order_id=id, **more)


def names(at: float) -> Raw:
    return event("bob", "customer.signed_up", at, referral_code=code_of("ann"))


def total(amount: int) -> Raw:
    return {"total": {"amount": amount, "currency": "EUR"}}


class Story(NamedTuple):
    """What comes after bob's order of day 2, one by one; what is announced; is ann an advocate?"""

    events: list[Raw]
    told: list[tuple[str, float]]
    is_advocate: bool = True


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            Story([buys(0, "o-0")], [("annulled", 2)], is_advocate=False),
            id="he was a customer before, as is known later",
        ),
        pytest.param(
            Story(
                [buys(0, "o-0"), changes("cancelled", 5, "o-0")],
                [("annulled", 2), ("succeeded", 5)],
            ),
            id="the order before is cancelled",
        ),
        pytest.param(
            Story(
                [
                    buys(3, "o-2"),
                    changes("refunded", 4, "o-1", refund_id="r"),
                    changes("refund_withdrawn", 6, "o-1", refund_id="r"),
                ],
                [("succeeded", 3), ("succeeded", 2)],
            ),
            id="another order takes its place until its refund is withdrawn",
        ),
        pytest.param(
            Story(
                [changes("cancelled", 3, "o-1"), buys(4, "o-1")],
                [("succeeded", 4)],
            ),
            id="the same order is paid after all, later",
        ),
        pytest.param(
            Story(
                [
                    changes("updated", 3, "o-1", **total(100)),
                    changes("updated", 4, "o-1", **total(900)),
                ],
                [("annulled", 3), ("succeeded", 4)],
            ),
            id="below the minimum for a day",
        ),
        pytest.param(
            Story(
                [
                    event("ann", "customer.merged", 4, into="bob"),
                    event("ann", "customer.unmerged", 6),
                ],
                [("annulled", 4), ("succeeded", 6)],
            ),
            id="two sides in one person, and apart again",
        ),
        pytest.param(
            Story([names(1.5)], [("annulled", 2), ("succeeded", 2)]),
            id="a later claim on the same code takes its place",
        ),
        pytest.param(
            Story(
                [
                    buys(0, "o-0"),
                    changes("cancelled", 0.5, "o-0"),
                    changes("refunded", 3, "o-0"),
                ],
                [("annulled", 2), ("succeeded", 2 + MICRO)],
            ),
            id="all of it known late",
        ),
    ],
)
def test_each_change_is_an_event_of_its_own_after_the_one_before(story: Story) -> None:
    world = World()
    random = Random(1)
    for number, made in enumerate([names(1), buys(2, "o-1"), *story.events]):
        world.take([made], day(10 + number))
        world.deliver(random, day(10 + number))
    told = world.outcomes
    expected = [("succeeded", 2), *story.told]
    assert [(each.type.partition(".")[2], each.time) for each in told] == [
        (kind, day(at)) for kind, at in expected
    ]
    assert {each.subject for each in told} == {"ann"}
    assert len({each.id for each in told}) == len(told)
    ours = [each for each in told if each.data == told[-1].data]
    last = max(ours, key=lambda each: (each.time, rank_of(each.type)))
    assert last.type == told[-1].type
    is_advocate = world.in_lifecycle()["ann"].phase is Phase.ADVOCATE
    assert is_advocate == story.is_advocate
