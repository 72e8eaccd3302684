"""What `code_verdicts.py` judges: mutants, solutions in other languages, and the truth about each.

`translated/` has solutions written by hand for tasks of MultiPL-E, which come with tests only; each goes on from its
prompt.
"""
