"""The company's own fields: described in a table, stored in real columns."""
