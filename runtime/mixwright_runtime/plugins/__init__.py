"""What ships and what is brought: declarations, shapes, loading."""
