"""A plugin of the tests that fails where it is told to."""
