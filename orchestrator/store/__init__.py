"""Floor 4: the state of runs, and the commits that change it."""
