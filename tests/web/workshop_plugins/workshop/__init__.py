"""A plugin for the tests of the generic pages: one entity with a field of every type."""
