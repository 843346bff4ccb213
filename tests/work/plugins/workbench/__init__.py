"""A plugin of the tests of jobs."""
