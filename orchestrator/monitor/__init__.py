"""What watches runs and queues, and can neither slow nor break a run: readers of the feed, samples of queues."""
