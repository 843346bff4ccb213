"""Leads, the pools they are claimed from, and the campaigns that bring them."""
