"""A plugin that implements every hook; the only one that the core's own tests know."""
