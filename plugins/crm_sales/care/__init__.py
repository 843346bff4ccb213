"""Who looks after customers: those that nobody has followed up, and those that several people do."""
