"""Fields and examples that several nouns show alike."""

from typing import Any, Final

from pydantic import Field

CUSTOMER: Final = "customer-3"
CASE_ID: Final = "317ad9d1-b130-58af-bcf8-4d4b77fbbdad"
CODE: Final = "DT4E6BP2242NJD57J"
ORDER: Final = "o-1004"
PARKED: Final[Any] = Field(
    description="Folding failed: the case stands still until an operator releases the customer."
)
CUSTOMER_OF_CASE: Final[Any] = Field(
    description="The customer whom the case is about.", examples=[CUSTOMER]
)
AS_OF: Final[Any] = Field(
    description="The clock of the customer's partition, at which this was true."
)
