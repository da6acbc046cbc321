"""What contracts concluded, renewed, cancelled and ended add to what is known."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NOTHING, Effect, last_contact
from services.lifecycle.domain.effects.purchases import ENDED_BY_A_PURCHASE
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import Agreement, Happening, Kind
from services.lifecycle.domain.state.open_items import Contract
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase

TERM_MONTHS: Final = 12
"""The term of a contract that is first heard of by a renewal without one."""


def agreed(contracts: Mapping[str, Contract], happening: Happening) -> Mapping[str, Contract]:
    """The contracts that run after an event about one of them: begun, prolonged, under notice, or ended at once."""
    said = _agreement(happening)
    running = contracts.get(said.contract_id)
    if happening.kind is not Kind.CANCELLED:
        begins = running is None or happening.kind is Kind.CONCLUDED
        return {
            **contracts,
            said.contract_id: _begun(said, happening.time) if begins else _prolonged(running, said),
        }
    if running is None:
        return contracts
    if _ends_at_once(said, happening.time):
        return {id: c for id, c in contracts.items() if id != said.contract_id}
    return {
        **contracts,
        said.contract_id: replace(running, cancelled_at=happening.time, ends_at=said.effective_at),
    }


def _begun(said: Agreement, time: datetime) -> Contract:
    term = said.months or TERM_MONTHS
    return Contract(said.renews_at, 0, term) if said.renews_at else Contract(time, term, term)


def _prolonged(running: Contract | None, said: Agreement) -> Contract:
    assert running is not None  # noqa: S101
    months = said.months or running.term
    return Contract(running.anchor, running.months + months, months)


def _ends_at_once(said: Agreement, time: datetime) -> bool:
    return said.effective_at is None or said.effective_at <= time


def _by_a_contract(cause: str) -> bool:
    return cause in ENDED_BY_A_PURCHASE or cause.startswith("cancellation:")


def concluded(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    """A contract begins; after the end of the relationship also one that still ran."""
    said = _agreement(happening)
    is_new = said.contract_id not in customer.contracts or customer.phase is Phase.FORMER
    signed = replace(
        customer,
        contracts=agreed(customer.contracts, happening),
        contracts_ever=customer.contracts_ever + is_new,
        contracts_since_return=customer.contracts_since_return + is_new,
        contact_at=last_contact(customer, happening),
    )
    return Effect(signed, Kind.CONCLUDED, NOTHING, _by_a_contract)


def renewed(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """Another term from the end of the present one; an unknown contract is concluded."""
    said = _agreement(happening)
    if said.contract_id not in customer.contracts:
        return concluded(customer, happening, policy, orders)
    prolonged = replace(
        customer,
        contracts=agreed(customer.contracts, happening),
        has_renewed=True,
        contact_at=last_contact(customer, happening),
    )
    return Effect(prolonged, Kind.RENEWED, NOTHING, _by_a_contract)


def cancelled(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Effect:
    """Notice of an end to come is a cause; an end in effect may be that of the relationship."""
    said = _agreement(happening)
    running = customer.contracts.get(said.contract_id)
    if running is None:
        return Effect(customer, Kind.NO_EFFECT)
    if _ends_at_once(said, happening.time):
        return without(
            customer,
            {said.contract_id: replace(running, cancelled_at=happening.time)},
            Kind.NO_EFFECT,
        )
    notified = replace(customer, contracts=agreed(customer.contracts, happening))
    return Effect(notified, Kind.CANCELLED, frozenset({f"cancellation:{said.contract_id}"}))


def without(customer: Customer, ended: Mapping[str, Contract], otherwise: Kind) -> Effect:
    """The state without these contracts; what that means depends on what is left and what was bought since."""
    left = {id: contract for id, contract in customer.contracts.items() if id not in ended}
    bought_at = customer.last_order_at
    final = not left and any(
        c.cancelled_at is None or bought_at is None or bought_at <= c.cancelled_at
        for c in ended.values()
    )
    return Effect(replace(customer, contracts=left), Kind.CONTRACT_ENDED if final else otherwise)


def _agreement(happening: Happening) -> Agreement:
    assert isinstance(happening.content, Agreement)  # noqa: S101
    return happening.content
