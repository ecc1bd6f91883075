"""The Celery app of this fleet: the operations of the setting `operations`, or those that ship."""

from orchestrator import Settings, worker_app

SHIPPED = [f"workers.operations.{name}" for name in ("payments", "email", "notify", "http", "travel", "examples")]

_settings = Settings()
app = worker_app(_settings.model_copy(update={"operations": _settings.operations or SHIPPED}))
