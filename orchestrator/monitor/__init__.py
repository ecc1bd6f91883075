"""Readers of the feed: what watches runs, and can neither slow nor break one."""
