"""Themes: one folder each, with theme.cfg, templates/ and static/. No code."""
