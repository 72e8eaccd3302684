"""A translation against its source."""
