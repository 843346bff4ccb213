"""A plugin for the tests of REST: notes with lines, masks and a verb."""
