"""Customers, the people there, and the opportunities that are won or lost through stages."""
