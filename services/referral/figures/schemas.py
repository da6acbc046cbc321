"""What the API shows of the program as a whole."""

from pydantic import BaseModel, Field

from shared.http import Instant


class CountsView(BaseModel):
    """How many codes, claims and rewards there are."""

    as_of: Instant = Field(description="The least clock of all partitions.")
    codes: int = Field(description="Number of customers who have a code.", examples=[120])
    claims: dict[str, int] = Field(
        description="Number of claims by state; states without claims count 0.",
        examples=[
            {
                "accepted": 4,
                "superseded": 1,
                "expired": 9,
                "refused": 2,
                "qualified": 31,
                "unqualified": 3,
            }
        ],
    )
    rewards: dict[str, int] = Field(
        description="Number of rewards of both sides by state; states without rewards count 0.",
        examples=[{"pending": 6, "available": 52, "reversed": 3, "annulled": 1}],
    )
