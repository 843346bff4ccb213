"""Import plans: several files in order, with their columns, values and look-ups, as one whole."""
