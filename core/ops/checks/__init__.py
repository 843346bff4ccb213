"""Checks of the doctor by what they look at; `core.ops.doctor` runs them."""
