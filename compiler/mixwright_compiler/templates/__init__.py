"""Templates: messages, their texts, and what they read."""
