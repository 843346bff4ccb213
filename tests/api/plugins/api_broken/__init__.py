"""A plugin that fails while it is switched on."""
