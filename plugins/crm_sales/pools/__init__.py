"""The pools of customers and opportunities: what is declared to `core.pools`, and what is particular."""
