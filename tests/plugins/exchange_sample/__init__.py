"""A small plugin whose entities take every kind of cell."""
