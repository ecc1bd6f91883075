"""The shape of what crosses the border of the operations here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class OperationModel(BaseModel):
    """An input or output: camelCase outside, snake_case inside, and nothing that is not declared."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
