"""Nothing but a need."""
