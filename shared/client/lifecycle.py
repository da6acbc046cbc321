"""The client of lifecycle, under the name that programs import it by."""

from shared.client.generated.lifecycle import *  # noqa: F403
