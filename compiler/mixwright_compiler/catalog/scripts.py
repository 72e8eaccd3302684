"""Which characters belong to a script: the one table of it, as the insides of `[…]` in a regular expression.

Blocks are taken whole, with their signs and unassigned places, so that a letter that Unicode adds is read right by an
older table; `tests/runtime/data/test_scripts.py` holds them against Unicode's own property.
"""

from __future__ import annotations

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""Han characters with their extensions."""
HAN = "々〇" + IDEOGRAPHS
"""And the marks that stand for one: repetition, zero."""
HIRAGANA = "\u3041-\u309f"
KATAKANA = "\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
THAI, LAO, BURMESE, KHMER = "\u0e00-\u0e7f", "\u0e80-\u0eff", "\u1000-\u109f", "\u1780-\u17ff"

UNSPACED = THAI + LAO + BURMESE + KHMER + "\u3040-\u30ff\u31f0-\u31ff" + IDEOGRAPHS
"""Scripts that put no space between words: a character counts where elsewhere a word does. 々 and 〇 are left to the
letters around them, as they stand alone between these anyway."""
