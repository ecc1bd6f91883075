"""What watches runs and the fleet: readers of the feed, samples of queues. It can neither slow nor break a run."""
