"""The routes, one file a resource. Each has a `router`; `app.py` lists them."""
