"""The Celery app of this fleet: the operations of the setting `operations`, or those that ship."""

from orchestrator import Settings, worker_app

NAMES = ("payments", "email", "notify", "http", "travel", "batch", "examples")
SHIPPED = [f"workers.operations.{name}" for name in NAMES]

_settings = Settings()
app = worker_app(_settings.model_copy(update={"operations": _settings.operations or SHIPPED}))
