"""The effects of contracts concluded, renewed, cancelled and ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.contact import last_contact
from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect
from services.lifecycle.domain.effects.purchases import CLEARED_BY_A_PURCHASE
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import ContractTerms, EventKind, Happening
from services.lifecycle.domain.state.open_items import Contract
from shared.orders.book import OrderBook

_CANCELLATION: Final = "cancellation:"
DEFAULT_TERM_MONTHS: Final = 12
"""The term of a contract whose events have named none."""


def contracts_after(
    contracts: Mapping[str, Contract], happening: Happening
) -> Mapping[str, Contract]:
    """Return the running contracts after an event that begins, renews or cancels one of them."""
    terms = _terms(happening)
    id = terms.contract_id
    running = contracts.get(id)
    if happening.kind is not EventKind.CANCELLED:
        if running is None or happening.kind is EventKind.CONCLUDED:
            return {**contracts, id: _new_contract(terms, happening.time)}
        return {**contracts, id: _renewed_contract(running, terms)}
    if running is None:
        return contracts
    if _ends_at_once(terms, happening.time):
        return {other: contract for other, contract in contracts.items() if other != id}
    notified = replace(running, cancelled_at=happening.time, ends_at=terms.effective_at)
    return {**contracts, id: notified}


def _new_contract(terms: ContractTerms, time: datetime) -> Contract:
    term = terms.months or DEFAULT_TERM_MONTHS
    if terms.renews_at:
        return Contract(terms.renews_at, 0, term)
    return Contract(time, term, term)


def _renewed_contract(running: Contract, terms: ContractTerms) -> Contract:
    months = terms.months or running.term
    return Contract(running.anchor, running.months + months, months)


def _ends_at_once(terms: ContractTerms, time: datetime) -> bool:
    return terms.effective_at is None or terms.effective_at <= time


def conclude_contract(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Begin a contract; one that runs already is concluded anew, and counts once."""
    is_new = _terms(happening).contract_id not in customer.contracts
    signed = replace(
        customer,
        contracts=contracts_after(customer.contracts, happening),
        contracts_ever=customer.contracts_ever + is_new,
        contracts_since_return=customer.contracts_since_return + is_new,
        contact_at=last_contact(customer, happening),
    )
    return Effect(signed, EventKind.CONCLUDED, NO_CAUSES, _is_cleared_by_a_contract)


def renew_contract(
    customer: Customer, happening: Happening, policy: Policy, orders: OrderBook | None
) -> Effect:
    """Add another term from the end of the present one; conclude a contract that is unknown."""
    if _terms(happening).contract_id not in customer.contracts:
        return conclude_contract(customer, happening, policy, orders)
    renewed = replace(
        customer,
        contracts=contracts_after(customer.contracts, happening),
        has_renewed=True,
        renewed_since_return=True,
        contact_at=last_contact(customer, happening),
    )
    return Effect(renewed, EventKind.RENEWED, NO_CAUSES, _is_cleared_by_a_contract)


def _is_cleared_by_a_contract(cause: str) -> bool:
    return cause in CLEARED_BY_A_PURCHASE or cause.startswith(_CANCELLATION)


def cancel_contract(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Make notice of a later end a cause; end the contract if it ends at once."""
    terms = _terms(happening)
    id = terms.contract_id
    running = customer.contracts.get(id)
    if running is None:
        return Effect(customer, EventKind.NO_EFFECT)
    if _ends_at_once(terms, happening.time):
        ended = {id: replace(running, cancelled_at=happening.time)}
        return end_contracts(customer, ended, EventKind.NO_EFFECT)
    notified = replace(customer, contracts=contracts_after(customer.contracts, happening))
    return Effect(notified, EventKind.CANCELLED, frozenset({_CANCELLATION + id}))


def end_contracts(
    customer: Customer, ended: Mapping[str, Contract], otherwise: EventKind
) -> Effect:
    """Remove these contracts.

    The effect is CONTRACT_ENDED if no other contract runs and no order has followed the
    cancellation, and `otherwise` if not. While another runs, their notices are causes no more.
    """
    left = {id: contract for id, contract in customer.contracts.items() if id not in ended}
    without = replace(customer, contracts=left)
    if left:
        return Effect(
            without, otherwise, NO_CAUSES, {_CANCELLATION + id for id in ended}.__contains__
        )
    ends_all = any(_is_final(contract, customer) for contract in ended.values())
    return Effect(without, EventKind.CONTRACT_ENDED if ends_all else otherwise)


def _is_final(ended: Contract, customer: Customer) -> bool:
    """Has no order followed the cancellation, if there was one?"""
    last_order_at = customer.last_order_at
    if ended.cancelled_at is None or last_order_at is None:
        return True
    return last_order_at <= ended.cancelled_at


def _terms(happening: Happening) -> ContractTerms:
    assert isinstance(happening.details, ContractTerms)  # noqa: S101
    return happening.details
