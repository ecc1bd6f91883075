"""What producers import: start, cancel, query, publish."""
