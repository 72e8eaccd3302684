"""The report of a run: one HTML file that needs nothing else. `html.py` writes the page of facts."""
