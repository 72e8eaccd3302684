"""Requests to models: cache, budget, faults, width, the service that stops."""
