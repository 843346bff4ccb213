"""Leads that are not ready for sales yet: touched in steps until their score says that they are (S-008)."""
