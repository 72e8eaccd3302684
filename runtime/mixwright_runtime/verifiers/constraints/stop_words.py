"""English stop words: the words that NLTK's list has, which began as Snowball's (BSD-3-Clause), by what they are."""

from __future__ import annotations

_PRONOUNS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
itself they them their theirs themselves what which who whom this that these those
"""
_VERBS = "am is are was were be been being have has had having do does did doing can will should now just"
_ARTICLES_AND_CONJUNCTIONS = "a an the and but if or because as until while than so"
_PREPOSITIONS = """
of at by for with about against between into through during before after above below to from up down in out on off over
under
"""
_ADVERBS = """
again further then once here there when where why how all any both each few more most other some such no nor not only own
same too very
"""
_CONTRACTED = """
he'd he'll he's i'd i'll i'm i've it'd it'll it's she'd she'll she's they'd they'll they're they've we'd we'll we're we've
you'd you'll you're you've that'll should've aren't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't
mustn't needn't shan't shouldn't wasn't weren't won't wouldn't
"""
_PARTS = """
s t d ll m o re ve y ain aren couldn didn doesn don hadn hasn haven isn ma mightn mustn needn shan shouldn wasn weren won
wouldn
"""
"""What is left of contractions when a text is split at apostrophes."""

STOP_WORDS = frozenset(
    word
    for words in (
        _PRONOUNS,
        _VERBS,
        _ARTICLES_AND_CONJUNCTIONS,
        _PREPOSITIONS,
        _ADVERBS,
        _CONTRACTED,
        _PARTS,
    )
    for word in words.split()
)
