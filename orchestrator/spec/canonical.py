"""The one text of a spec, whichever way it was written, and its digest."""

from __future__ import annotations

import hashlib
import json

import rfc8785

from orchestrator.spec.fields import CANONICAL, MAX_WHOLE_NUMBER
from orchestrator.spec.workflow import WorkflowSpec


def canonical_json(spec: WorkflowSpec) -> str:
    """RFC 8785: snake_case, durations in milliseconds, fields at their default left out."""
    return rfc8785.dumps(spec.model_dump(mode="json", exclude_defaults=True)).decode()


def digest(spec: WorkflowSpec) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()


def from_canonical(text: str) -> WorkflowSpec:
    """The spec that `canonical_json` wrote."""
    return WorkflowSpec.model_validate(json.loads(text, parse_int=_number), context=CANONICAL)


def _number(text: str) -> int | float:
    """RFC 8785 writes 1e16 without an exponent; only a fraction can be that large."""
    number = int(text)
    return number if abs(number) <= MAX_WHOLE_NUMBER else float(number)
