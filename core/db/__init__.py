"""Engines, column types and migrations."""
