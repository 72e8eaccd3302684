"""From a program to a plan, and what is asked of plans."""
