"""Which facts held of a customer: some models of the life cycle look at more than the phase."""

from datetime import datetime

from services.lifecycle.domain.phase_models import CustomerFact


def facts_held(
    at: datetime, *, signed_up_at: datetime | None, activated_at: datetime | None, acted: bool
) -> frozenset[CustomerFact]:
    """The facts that held at an instant; `acted`: within the policy's `active_days` before it."""
    held = {
        CustomerFact.SIGNED_UP: signed_up_at is not None and signed_up_at <= at,
        CustomerFact.ACTIVATED: activated_at is not None and activated_at <= at,
        CustomerFact.ACTED: acted,
    }
    return frozenset(fact for fact, holds in held.items() if holds)
