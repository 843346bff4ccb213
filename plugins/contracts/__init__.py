"""Contracts: what was agreed with customers."""
