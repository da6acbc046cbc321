"""Fields, examples and problems that several nouns show alike."""

from typing import Any, Final

from pydantic import Field

from shared.http import ProblemKind

CUSTOMER: Final = "customer-1"
REFEREE: Final = "customer-2"
CODE: Final = "X5EC5P7EH"
CLAIM_ID: Final = "e71ff6cb-6b3e-58f8-bc01-b5074807dd17"
ORDER: Final = "o-2001"
AS_OF: Final[Any] = Field(
    description="The clock of the customer's partition, at which this was true."
)
CURRENCY: Final[Any] = Field(description="ISO 4217.", examples=["EUR"])

NOT_A_CUSTOMER_ID: Final = ProblemKind(
    422, "not_a_customer_id", "The id is blank, or a word that stands for no customer."
)
CLOCK_NOT_STARTED: Final = ProblemKind(
    503, "clock_not_started", "No worker has read this partition's clock yet."
)
