"""The deployable fleet: `celery -A workers worker` and `celery -A workers beat`."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Celery finds the app here; it is made when it is asked for, so that specs can import operations alone."""
    if name == "celery":
        from workers.app import app  # noqa: PLC0415  # see above

        return app
    raise AttributeError(f"module 'workers' has no attribute {name!r}")
