"""The report of a run: one HTML file that needs nothing else. `facts.py` reads the store, `html.py` writes the page."""
