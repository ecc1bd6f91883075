"""The design system: what pages are made of."""
