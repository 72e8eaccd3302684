"""Attacks that a working sandbox withstands: run by `mixwright doctor` on this machine, and by the tests.

`fakes.py` has candidates that want to be judged correct without being so; `escapes.py` has programs that want to read,
write or take what is not theirs.
"""
