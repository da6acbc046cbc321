"""What the API takes and shows of codes."""

from pydantic import BaseModel, ConfigDict, Field

from services.referral.api.fields import AS_OF, CODE, CUSTOMER
from shared.events.fields import Subject
from shared.http import Instant


class CodeRequest(BaseModel):
    """The customer to give a code to."""

    model_config = ConfigDict(extra="forbid")

    customer: Subject = Field(description="The customer.", examples=[CUSTOMER])


class CodeView(BaseModel):
    """A customer's code."""

    customer: str = Field(description="The customer who has the code.", examples=[CUSTOMER])
    code: str = Field(
        description="What new customers enter to say who recommended the shop.", examples=[CODE]
    )
    issued_at: Instant = Field(description="The clock when it was issued.")
    as_of: Instant = AS_OF
