"""Running an installation: setting up, switching plugins, migrating."""
