"""What a change of a spec does: two revisions compiled side by side, their difference as facts, and as text."""
