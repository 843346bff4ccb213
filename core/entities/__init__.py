"""Entities: the one door that writes (`service`), the one window that reads (`query`)."""
