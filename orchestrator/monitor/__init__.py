"""Readers of the feed, and what archives: what watches runs, and can neither slow nor break one."""
