"""What runs inside the box. Written for Python 3.10 and the standard library alone: the box's Python may be the system's.

`zygote.py` is process 1 of the box and never runs untrusted code; `job.py` is process 1 of each job.
"""
