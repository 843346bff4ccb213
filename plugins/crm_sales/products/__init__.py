"""Products, what they cost whom, and quotes."""
