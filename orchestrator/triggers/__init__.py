"""What moves runs by itself: beat."""
