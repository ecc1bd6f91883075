"""What watches runs and the fleet: readers of the feed, samples of queues."""
