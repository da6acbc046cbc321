"""Settings of ingest."""

from pydantic import Field, SecretStr

from shared.events.customer_ids import NO_CUSTOMERS
from shared.settings import Settings, Words


class IngestSettings(Settings):
    """What ingest needs beyond the common settings; it has no database."""

    database_url: SecretStr = Field(
        default=SecretStr(""), description="Not used: ingest has no database."
    )
    publish_timeout_s: float = Field(
        default=10.0, gt=0, description="Answer 503 if Kafka has not acknowledged by then."
    )
    no_customers: Words = Field(
        default=frozenset(NO_CUSTOMERS),
        description="Words, with commas between them, that are no customer ids in any case; "
        "empty: all are taken.",
    )
