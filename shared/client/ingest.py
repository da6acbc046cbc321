"""The client of ingest, under the name that programs import it by."""

from shared.client.generated.ingest import *  # noqa: F403
