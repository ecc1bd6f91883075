"""Pure: what authors write, expressions, operations, and the lint."""
