"""Floor 6: readers of what happened, and what keeps it."""
