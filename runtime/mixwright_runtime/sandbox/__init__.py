"""Runs untrusted programs: a bubblewrap box per worker, a pre-imported Python inside, own namespaces for each job.

    host                             box: bwrap, nobody, no network     job: own user, pid, mount and ipc namespaces
    pool.py    Sandbox.run(job) ───▶ guest/zygote.py  clone and kill ─▶ guest/job.py   mounts, limits, seccomp
    box.py     one box                                                      └─ guest/calls.py, guest/programs.py
    plain.py   typed plain data ◀──── one socket a job, JSON frames ────────┘  the untrusted code itself

`protocol.py` has the types that callers use. Expected values never enter the box: a job gets inputs and returns data,
and the caller compares.
"""
