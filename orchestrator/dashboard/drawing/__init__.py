"""Pictures of plans and runs, as SVG made on the server."""
