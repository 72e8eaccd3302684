"""Steps of a pipeline, one file each. `shapes.py` says what a step must offer, `protocol.py` what it may use."""
