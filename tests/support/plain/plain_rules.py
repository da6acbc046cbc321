"""The table of rules for events, and what a move changes."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tests.support.plain.plain_feedback import is_cool, is_praise
from tests.support.plain.plain_life import BONDED, GONE, PlainLife, PlainMove
from tests.support.plain.plain_triggers import (
    Trigger,
    announced_cancellation,
    causes_brought,
    dissatisfaction,
    is_complaining,
    weakened_bond,
)

CREATES_NOBODY: Final = (
    "customer.closed",
    "customer.erasure_requested",
    "consent.granted",
    "consent.withdrawn",
    "referral.succeeded",
)


def _first_purchase(life: PlainLife, trigger: Trigger) -> str | None:
    if life.phase in GONE and _bought_earlier(life, trigger):
        return None
    return "new" if _buys(life, trigger) else None


def _bought_earlier(life: PlainLife, trigger: Trigger) -> bool:
    orders = len(life.standing) - len(trigger.bought)
    contracts = len(life.contracts.began) - trigger.concluded
    return orders + contracts > 0


def _buys(life: PlainLife, trigger: Trigger) -> bool:
    """Is it a purchase? An order that stands again needs one after the phase began, if gone."""
    if trigger.concluded:
        return True
    for order in trigger.bought:
        is_now = trigger.event.type == "order.completed" and order.purchased_at == life.now
        gone_since = life.since if life.phase in GONE else None
        if is_now or gone_since is None or order.purchased_at > gone_since:
            return True
    return False


def _first_contact(life: PlainLife, trigger: Trigger) -> str | None:
    if life.phase == "inactive" and not life.faded:
        return None
    return None if trigger.event.type in CREATES_NOBODY else "prospect"


def _has_habit(life: PlainLife) -> bool:
    enough = len(life.standing) >= life.policy.established_after_orders
    return enough or bool(life.contracts.renewed)


def _habit_formed(life: PlainLife, _: Trigger) -> str | None:
    return "established" if _has_habit(life) else None


def _recommends(life: PlainLife, trigger: Trigger) -> str | None:
    if trigger.event.type == "referral.succeeded":
        return "advocate"
    praised = is_praise(trigger.event) and not is_complaining(life)
    return "advocate" if life.phase == "established" and praised else None


def after_enthusiasm(life: PlainLife) -> str:
    if _has_habit(life):
        return "established"
    return "new" if life.has_bought else "prospect"


def _enthusiasm_faded(life: PlainLife, trigger: Trigger) -> str | None:
    annulled = trigger.event.type == "referral.annulled" and not life.evidence
    return after_enthusiasm(life) if annulled or is_cool(trigger.event) else None


def _at_risk(rule: Callable[[PlainLife, Trigger], str | None]) -> "Condition":
    return lambda life, trigger: "at_risk" if rule(life, trigger) is not None else None


def _recovered(life: PlainLife, _: Trigger) -> str | None:
    return life.before if not life.causes else None


def _relationship_ended(_: PlainLife, trigger: Trigger) -> str | None:
    return "former" if trigger.event.type == "customer.closed" or trigger.contract_ended else None


def _returned(life: PlainLife, trigger: Trigger) -> str | None:
    renewed = trigger.event.type == "contract.renewed" and not trigger.concluded
    if not _bought_earlier(life, trigger):
        return None
    return "won_back" if renewed or _buys(life, trigger) else None


def _settled(life: PlainLife, _: Trigger) -> str | None:
    enough = len(life.orders_of_episode) >= life.policy.settle_after_orders
    return "established" if enough or life.has_renewed else None


def _first_purchase_undone(life: PlainLife, trigger: Trigger) -> str | None:
    if not trigger.undone or life.orders_of_episode or life.contracts_of_episode:
        return None
    return "prospect" if life.back is None else life.back[0]


def _habit_undone(life: PlainLife, _: Trigger) -> str | None:
    if not _undone_since_habit(life):
        return None
    if life.back is None:
        return None if _has_habit(life) else "new"
    enough = len(life.orders_of_episode) >= life.policy.settle_after_orders
    return None if enough or life.has_renewed else "won_back"


def _undone_since_habit(life: PlainLife) -> bool:
    """Did an order that stood cease to stand, at any event since the habit was formed?"""
    for place in range(life.habit_place + 1, len(life.events)):
        before = {o.key for o in life.orders_after(place).standing}
        after = {o.key for o in life.orders_after(place + 1).standing}
        if before - after:
            return True
    return False


Condition = Callable[[PlainLife, Trigger], str | None]
PURCHASED: Final = ("new", "established", "at_risk", "won_back")
TABLE: Final[tuple[tuple[str, tuple[str | None, ...], Condition], ...]] = (
    ("first_purchase", (None, "prospect", *GONE), _first_purchase),
    ("first_contact", (None, "inactive"), _first_contact),
    ("habit_formed", ("new",), _habit_formed),
    ("recommends", (None, "prospect", "new", "established", "won_back"), _recommends),
    ("enthusiasm_faded", ("advocate",), _enthusiasm_faded),
    ("dissatisfied", BONDED, _at_risk(dissatisfaction)),
    ("bond_weakens", BONDED, _at_risk(weakened_bond)),
    ("cancellation_announced", BONDED, _at_risk(announced_cancellation)),
    ("recovered", ("at_risk",), _recovered),
    ("relationship_ended", ("prospect", *BONDED, "at_risk", "inactive"), _relationship_ended),
    ("returned", GONE, _returned),
    ("settled", ("won_back",), _settled),
    ("first_purchase_undone", PURCHASED, _first_purchase_undone),
    ("habit_undone", ("established",), _habit_undone),
)


def offer(life: PlainLife, trigger: Trigger) -> None:
    """Offer an event to the rules, and after each move again, each rule at most once.

    A cancellation that ends the last contract at once is for one rule alone.
    """
    used = set[str]()
    while True:
        for rule, phases, condition in TABLE:
            if rule in used or life.phase not in phases:
                continue
            if trigger.contract_ended and rule != "relationship_ended":
                continue
            to = condition(life, trigger)
            if to is not None:
                used.add(rule)
                move(life, rule, to, trigger)
                break
        else:
            return


def move(life: PlainLife, rule: str, to: str, trigger: Trigger | None) -> None:
    assert life.now is not None
    from_ = life.phase
    came_from = (from_, life.since)
    life.phase = to
    life.since = life.now
    if to == "at_risk":
        life.before = from_
        life.causes = set() if trigger is None else causes_brought(life, trigger)
    else:
        life.before = None
        life.causes = set()
    life.faded = rule == "prospect_faded"
    if rule == "enthusiasm_faded":
        life.evidence = {}
    if trigger is not None:
        _begin(life, rule, trigger, came_from)
    because = None if trigger is None else trigger.event.id
    moved = PlainMove(from_, to, rule, life.now, because, life.episode, life.policy)
    life.moves.append(moved)


def _begin(
    life: PlainLife, rule: str, trigger: Trigger, came_from: tuple[str | None, datetime | None]
) -> None:
    """Note what an episode or a habit begins with, and what an undone one goes back to."""
    place = len(life.events) - 1
    if rule in ("first_purchase", "returned"):
        dates = [order.purchased_at for order in trigger.bought]
        life.start = min(dates, default=life.now)
        life.start_place = place
        life.habit_place = place
        life.back = None
    if rule == "returned":
        life.episode += 1
        phase, since = came_from
        assert phase is not None
        assert since is not None
        life.back = (phase, since)
    if rule in ("habit_formed", "settled"):
        life.habit_place = place
    if rule == "first_purchase_undone" and life.back is not None:
        life.since = life.back[1]
        life.back = None
