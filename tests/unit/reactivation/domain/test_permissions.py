"""Who must not be told of offers gets none, and the case says why."""

from dataclasses import replace

import pytest

from services.reactivation.domain.cases import State
from services.reactivation.domain.changes import CaseEvent
from services.reactivation.domain.permissions import LetGoReason, PermissionKind
from tests.support.winback_lives import (
    TERMS,
    Step,
    cancelled,
    changes_of,
    day,
    fold,
    history,
    lapse,
    order,
    said,
)

CLOSED = said(PermissionKind.CLOSED, 5)
WITHDRAWN = said(PermissionKind.CONSENT_WITHDRAWN, 5)
UNSUBSCRIBED = said(PermissionKind.UNSUBSCRIBED, 5)
TABLE: list[tuple[str, list[Step], LetGoReason | None]] = [
    ("nothing was said", [], None),
    ("closed", [CLOSED], LetGoReason.CUSTOMER_CLOSED),
    ("closed by the lapse itself", [said(PermissionKind.CLOSED, 10)], LetGoReason.CUSTOMER_CLOSED),
    ("closed afterwards", [said(PermissionKind.CLOSED, 11)], None),
    ("closed, and signed up again", [CLOSED, said(PermissionKind.SIGNED_UP, 6)], None),
    ("closed, and bought again", [CLOSED, order(6)], None),
    (
        "closed, and an order since undone",
        [CLOSED, order(6), cancelled(7)],
        LetGoReason.CUSTOMER_CLOSED,
    ),
    ("withdrawn", [WITHDRAWN], LetGoReason.CONSENT_WITHDRAWN),
    ("withdrawn afterwards", [said(PermissionKind.CONSENT_WITHDRAWN, 11)], None),
    ("granted again", [WITHDRAWN, said(PermissionKind.CONSENT_GRANTED, 6)], None),
    ("subscribed again", [WITHDRAWN, said(PermissionKind.SUBSCRIBED, 6)], None),
    (
        "granted before",
        [said(PermissionKind.CONSENT_GRANTED, 4), WITHDRAWN],
        LetGoReason.CONSENT_WITHDRAWN,
    ),
    (
        "granted in the same instant",
        [said(PermissionKind.CONSENT_GRANTED, 5), WITHDRAWN],
        LetGoReason.CONSENT_WITHDRAWN,
    ),
    ("unsubscribed", [UNSUBSCRIBED], LetGoReason.NEWSLETTER_UNSUBSCRIBED),
    (
        "subscribed in the same instant",
        [said(PermissionKind.SUBSCRIBED, 5), UNSUBSCRIBED],
        LetGoReason.NEWSLETTER_UNSUBSCRIBED,
    ),
    ("subscribed later", [UNSUBSCRIBED, said(PermissionKind.SUBSCRIBED, 6)], None),
    ("closed and withdrawn", [CLOSED, WITHDRAWN], LetGoReason.CUSTOMER_CLOSED),
]


@pytest.mark.parametrize(
    ("steps", "reason"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_no_offer_is_made_against_the_customers_will(
    steps: list[Step], reason: LetGoReason | None, backwards: bool
) -> None:
    arriving = reversed(steps) if backwards else steps
    (case,) = fold(lapse(10), *arriving, until=day(11))
    if reason is None:
        assert (case.state, case.reason) == (State.OFFERED, None)
    else:
        assert (case.state, case.ended_at, case.reason) == (State.LET_GO, day(10), reason)
        assert case.offer is None


def test_the_shop_may_make_offers_to_those_who_closed_their_account() -> None:
    terms = replace(TERMS, offers_to_closed=True)
    assert fold(lapse(10), CLOSED, until=day(11), terms=terms)[0].state is State.OFFERED
    (withdrawn,) = fold(lapse(10), CLOSED, WITHDRAWN, until=day(11), terms=terms)
    assert withdrawn.reason is LetGoReason.CONSENT_WITHDRAWN


def test_a_case_that_was_let_go_delays_no_other() -> None:
    later = lapse(40, "relationship_ended")
    granted = said(PermissionKind.CONSENT_GRANTED, 20)
    let_go, offered = fold(lapse(10), WITHDRAWN, granted, later, until=day(41))
    assert (let_go.state, offered.state) == (State.LET_GO, State.OFFERED)


def test_what_was_offered_stands_if_an_objection_is_known_too_late() -> None:
    known = fold(lapse(10), until=day(11))
    (case,) = fold(lapse(10), WITHDRAWN, known=known, until=day(12))
    assert case.state is State.OFFERED


def test_a_case_that_was_let_go_is_announced_and_so_is_an_offer_after_all() -> None:
    steps = history(lapse(10), WITHDRAWN)
    (told,) = changes_of(steps, day(11))
    assert told.events == (CaseEvent.CASE_OPENED, CaseEvent.CASE_CLOSED)
    granted = said(PermissionKind.CONSENT_GRANTED, 6)
    more = history(lapse(10), WITHDRAWN, granted, known=[told.case])
    (after_all,) = changes_of(more, day(12))
    assert after_all.events == (CaseEvent.OFFER_MADE,)
    assert (after_all.case.id, after_all.case.version) == (told.case.id, 3)
