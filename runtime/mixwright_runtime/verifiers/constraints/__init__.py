"""Verifiable constraints on a response: "fewer than 300 words", "no commas", "every word in title case".

A constraint is a kind with arguments: `length_constraints:number_words` with `num_words = 300`. A kind is one decorated
function (`kinds/*.py`), which says what it found in a response and whether that follows the constraint. Everything
else hangs on the registry: the sentence that asks a model for it (`asking.py`), checking in strict and loose
reading (`check.py`), drawing sets that can stand together (`drawing.py`), and the compiler's table of kinds
(`mixwright_compiler/catalog/constraint_kinds.json`).

    text.py        a response, and what is counted in it, measured once     ◀── punkt.py, treebank.py, scripts.py
    registry.py    kinds by name
    kinds/         112 kinds: IFEval's 25, IFBench's 58, the 29 that open-instruct trains on
"""
