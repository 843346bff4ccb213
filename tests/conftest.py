"""The core's own tests: no plugin but the dummy."""
