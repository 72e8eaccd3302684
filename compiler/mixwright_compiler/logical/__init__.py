"""The logical plan: what is done to which rows, in which order, before it becomes a plan
(`mixwright_compiler.plan.lower`).

    program ──build──▶ logical plan ──PASSES──▶ logical plan ──lower──▶ plan

`nodes` are its data, `build` makes them of a program as it is written, each of `passes` changes or completes them.
"""
