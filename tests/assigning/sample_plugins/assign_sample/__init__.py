"""Errands that rules give to people: docs/plugins/assigning.md shows this plugin."""
