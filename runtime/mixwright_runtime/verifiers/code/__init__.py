"""Judges code by tests: what a candidate is asked to do is told to it, what should come out never is.

    response ──fences.py──▶ candidate source ──languages.py──▶ static check, compiled once
    tests    ──suites.py──▶ Suite: which kind of tests they are, in which language
                 │  asserts.py      Python asserts → calls to make + checks on what comes back
                 │  foreign.py      asserts of six other languages → two programs: one asks, one knows
                 ▼
             judge.py       runs it in the sandbox, compares outside  ──▶ Verdict: passed of how many, the first failures

The grades of a verdict, strongest first:

    outside        the candidate's process never held an expected value; comparison is ours
    second job     the test program ran in a job of its own and called the candidate's by plain data
    same program   candidate and tests were one program: its exit status and a word printed at its end are all there is
"""
