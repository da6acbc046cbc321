"""The client of reactivation, under the name that programs import it by."""

from shared.client.generated.reactivation import *  # noqa: F403
