"""What Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from orchestrator.api.access import METRICS, Viewer
from orchestrator.monitor.prometheus import Exposition

router = APIRouter()


@router.get(METRICS, include_in_schema=False)
def metrics(caller: Viewer, request: Request) -> Response:
    """Every series, as text for Prometheus, or OpenMetrics where that is asked for."""
    caller.check_unrestricted()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(Exposition(caller.client)), media_type=media_type)
