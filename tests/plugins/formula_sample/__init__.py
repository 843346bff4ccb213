"""Plugin for the tests of computed fields."""
