"""Steps of a pipeline, one file each. `plugins/shapes.py` says what a step must offer,
`plugins/protocol.py` what it may use."""
