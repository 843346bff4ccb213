"""A plugin of the fault tests: it writes down each effect, so that two of one can be told."""
