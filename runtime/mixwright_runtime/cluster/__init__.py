"""Leases of work to other processes and machines; the run that gives them out alone writes."""
