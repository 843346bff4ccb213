"""A plugin that extends another one's entity."""
