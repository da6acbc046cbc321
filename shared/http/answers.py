"""Answers that routes of several services give."""

from typing import Literal

from pydantic import BaseModel, Field


class Requested(BaseModel):
    """The request was accepted and will be carried out."""

    status: Literal["requested"] = Field(
        default="requested", description="It happens in the background."
    )
