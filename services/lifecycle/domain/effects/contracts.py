"""What contracts concluded, renewed, cancelled and ended add to what is known."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import NO_CAUSES, Effect, last_contact
from services.lifecycle.domain.effects.purchases import ENDED_BY_A_PURCHASE
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import ContractTerms, EventKind, Happening
from services.lifecycle.domain.state.open_items import Contract
from services.lifecycle.domain.state.orders import Orders
from services.lifecycle.domain.state.phases import Phase

TERM_MONTHS: Final = 12
"""The term of a contract that is first heard of by a renewal without one."""


def contracts_after(
    contracts: Mapping[str, Contract], happening: Happening
) -> Mapping[str, Contract]:
    """The contracts that run after an event about one of them: begun, prolonged, under notice, or ended at once."""
    said = _terms(happening)
    running = contracts.get(said.contract_id)
    if happening.kind is not EventKind.CANCELLED:
        begins = running is None or happening.kind is EventKind.CONCLUDED
        return {
            **contracts,
            said.contract_id: _new_contract(said, happening.time)
            if begins
            else _renewed_contract(running, said),
        }
    if running is None:
        return contracts
    if _ends_at_once(said, happening.time):
        return {id: c for id, c in contracts.items() if id != said.contract_id}
    return {
        **contracts,
        said.contract_id: replace(running, cancelled_at=happening.time, ends_at=said.effective_at),
    }


def _new_contract(said: ContractTerms, time: datetime) -> Contract:
    term = said.months or TERM_MONTHS
    return Contract(said.renews_at, 0, term) if said.renews_at else Contract(time, term, term)


def _renewed_contract(running: Contract | None, said: ContractTerms) -> Contract:
    assert running is not None  # noqa: S101
    months = said.months or running.term
    return Contract(running.anchor, running.months + months, months)


def _ends_at_once(said: ContractTerms, time: datetime) -> bool:
    return said.effective_at is None or said.effective_at <= time


def _by_a_contract(cause: str) -> bool:
    return cause in ENDED_BY_A_PURCHASE or cause.startswith("cancellation:")


def conclude_contract(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """A contract begins; after the end of the relationship also one that still ran."""
    said = _terms(happening)
    is_new = said.contract_id not in customer.contracts or customer.phase is Phase.FORMER
    signed = replace(
        customer,
        contracts=contracts_after(customer.contracts, happening),
        contracts_ever=customer.contracts_ever + is_new,
        contracts_since_return=customer.contracts_since_return + is_new,
        contact_at=last_contact(customer, happening),
    )
    return Effect(signed, EventKind.CONCLUDED, NO_CAUSES, _by_a_contract)


def renew_contract(
    customer: Customer, happening: Happening, policy: Policy, orders: Orders | None
) -> Effect:
    """Another term from the end of the present one; an unknown contract is concluded."""
    said = _terms(happening)
    if said.contract_id not in customer.contracts:
        return conclude_contract(customer, happening, policy, orders)
    prolonged = replace(
        customer,
        contracts=contracts_after(customer.contracts, happening),
        has_renewed=True,
        contact_at=last_contact(customer, happening),
    )
    return Effect(prolonged, EventKind.RENEWED, NO_CAUSES, _by_a_contract)


def cancel_contract(
    customer: Customer, happening: Happening, _: Policy, __: Orders | None
) -> Effect:
    """Notice of an end to come is a cause; an end in effect may be that of the relationship."""
    said = _terms(happening)
    running = customer.contracts.get(said.contract_id)
    if running is None:
        return Effect(customer, EventKind.NO_EFFECT)
    if _ends_at_once(said, happening.time):
        return end_contracts(
            customer,
            {said.contract_id: replace(running, cancelled_at=happening.time)},
            EventKind.NO_EFFECT,
        )
    notified = replace(customer, contracts=contracts_after(customer.contracts, happening))
    return Effect(notified, EventKind.CANCELLED, frozenset({f"cancellation:{said.contract_id}"}))


def end_contracts(
    customer: Customer, ended: Mapping[str, Contract], otherwise: EventKind
) -> Effect:
    """The state without these contracts; what that means depends on what is left and what was bought since."""
    left = {id: contract for id, contract in customer.contracts.items() if id not in ended}
    bought_at = customer.last_order_at
    final = not left and any(
        c.cancelled_at is None or bought_at is None or bought_at <= c.cancelled_at
        for c in ended.values()
    )
    return Effect(
        replace(customer, contracts=left), EventKind.CONTRACT_ENDED if final else otherwise
    )


def _terms(happening: Happening) -> ContractTerms:
    assert isinstance(happening.content, ContractTerms)  # noqa: S101
    return happening.content
