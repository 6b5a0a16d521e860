"""The values that requests and responses carry, with their bounds.

Bodies are read strictly: a number is a number and no string of digits. A query string has only
strings, so that its numbers are decimal digits and nothing else.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

LARGEST_ID = 2**53 - 1
"""The largest whole number that ReQL and JavaScript hold exactly."""


class Body(BaseModel):
    """A JSON object with the given members and no others."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _decimal(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch("[0-9]+", value):
        raise PydanticCustomError("decimal", "Input should be decimal digits")
    return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Decimal = BeforeValidator(_decimal)
"""For a number in a query string; the last of the annotations, or JSON Schema loses the bounds."""
Whole = BeforeValidator(_whole)
"""For a number in a body, where 1.0 is 1: JSON has one kind of number. The last, for the same."""
PlayerId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Field(ge=1, le=100, description="A whole number from 1 to 100."), Decimal]
State = Literal["playing", "finished"]
