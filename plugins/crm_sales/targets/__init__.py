"""Targets of people and departments, what is foreseen, and who sold how much."""
