"""Sends canvases: Celery."""
