"""The operations that ship: small, typed, and meant to be read as examples."""
