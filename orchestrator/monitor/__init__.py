"""What watches runs and the fleet, and what archives. It can neither slow nor break a run."""
