"""Measures this orchestrator beside a plain Celery canvas of the same shape, in the same run, on the same machine."""
