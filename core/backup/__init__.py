"""Backups: one file with everything, written, checked, kept for a while."""
