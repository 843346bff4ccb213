"""The audit trail: every change, with who, when, from where, old and new."""
