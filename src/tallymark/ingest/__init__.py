"""Finding deliveries, reading them fast or carefully, and landing their rows."""
