"""Places, and remarks about a record of any entity."""
