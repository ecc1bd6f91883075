"""The dashboard: pages over the client's own services, mounted in the API's process."""
