"""Short deadlines and terms, so that much happens in the half year of a fault test."""

from typing import Final

from services.lifecycle.domain.policy.policy import Policy

POLICY: Final = Policy(
    name="hasty", at_risk_days=20, inactive_days=40, former_after_inactive_days=60, prospect_days=50
)
TERMS: Final = {
    "offer_days": 15,
    "attribution_days": 10,
    "case_cooldown_days": 10,
    "claim_days": 40,
}
"""Settings of reactivation and referral, for the workers and for the APIs beside them."""
