"""How long a training job takes and whether it fits, worked out from its data before it is launched.

mixwright_compiler/hardware/  a model's sizes, GPUs, bytes on each GPU   ┐
lengths.py          tokens of the examples                     ├─▶ forecast.py   fits or not, hours, what would
duration.py         seconds of a step                          ┘   job_of.py     a `train` block as a job
probe.py            the machine's constants from a short run
"""
