"""Works messages off: the Celery task, slices, leases, the sweeper."""
