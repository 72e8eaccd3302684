"""What can be written, and what is known of it: entries with their traits, blocks, tables of facts."""
