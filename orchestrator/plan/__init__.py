"""Pure: a spec becomes a plan, and a plan a canvas."""
