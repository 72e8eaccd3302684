"""Steps of a pipeline, one file each. `protocol.py` says what a step must offer."""
