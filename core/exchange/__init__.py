"""Import and export: tables that people keep in files, in and out through the one door."""
