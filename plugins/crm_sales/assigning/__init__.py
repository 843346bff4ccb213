"""Rules that say who looks after which customers, which `core.assigning` asks."""
