"""The client of referral, under the name that programs import it by."""

from shared.client.generated.referral import *  # noqa: F403
