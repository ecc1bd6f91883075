"""Pure: plan, view and happening in, decision out."""
