"""Settings: declared in groups, stored as JSON, read from the snapshot."""
