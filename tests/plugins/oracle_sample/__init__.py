"""A plugin of the tests: entities with every kind of field, for the independent oracle."""
