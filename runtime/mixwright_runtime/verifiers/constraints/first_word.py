"""Is the first word of a response a verb? By a list of verbs and the endings of their forms, or by NLTK's
tagger.

NLTK's tagger is an averaged perceptron (Collins 2002) whose weights, 5.7 MB, are in the user's nltk_data or
nowhere. The tag of a first word depends on no other tag, so one prediction is all that is needed of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mixwright_runtime.verifiers.constraints.word_lists import word_set

_VERBS = """
accept achieve acquire act adapt add address adjust admire adopt advise affirm aim align allocate allow analyze
analyse announce answer anticipate apologize appear apply appreciate approach appoint approve argue arrange arrive
articulate ask assemble assess assign assist assume assure attach attempt attend avoid bake balance ban base be beat
become beg begin behave believe bend blend blow boil boost borrow bounce bow break breathe brew bring build burn buy
calculate call calm cancel capture care carry cast catch celebrate challenge change charge chase chat check choose
chop circle clarify classify clean clear click climb close collaborate collect combine come comfort commit
communicate compare compile complete compose compute concentrate conclude conceive conduct confirm connect consider
consist construct consult contact contain continue contribute control convert cook copy correct count cover craft
create cross cry cultivate customize cut dance dare deal debate decide declare decrease dedicate deepen define
delete deliver demand demonstrate deny depend describe design determine develop devise dig discover discuss display
dissolve distribute dive divide do donate download draft drag draw dream dress drink drive drop earn eat edit
educate elevate eliminate embark embrace emphasize employ empower enable encourage end engage enhance enjoy ensure
enter envision establish estimate evaluate examine exceed exchange execute exercise exist expand expect experiment
explain explore express extend face facilitate fail fall fasten fear feed feel fetch fight figure fill filter find
finish fit fix flip float flow fly focus fold follow forge forget forgive form foster freeze fry fulfill gain gather
generate get give glance go grab grasp grate greet grind grow guarantee guess guide handle hang happen harness hate
have head hear heat help hesitate hide highlight hike hire hold hope host hug hunt identify ignite ignore illustrate
imagine implement imply improve include increase indicate infer influence inform initiate insert inspect inspire
install integrate intend introduce invest investigate invite involve iterate join judge jump justify keep kick kill
kiss know label laugh launch lay lead lean learn leave lend let leverage lie lift limit link listen live load locate
log look lose love maintain make manage manipulate map mark master match maximize mean measure meet melt mention
merge minimize mix model modify monitor motivate move navigate negotiate note notice nurture obey observe obtain
offer open operate optimize order organize outline overcome owe own pack paint participate pass pause pay peel
perform permit persuade pick picture place plan plant play please plot point ponder pour practice pray predict
prefer prepare present preserve press pretend prevent print prioritize proceed process produce promise promote
propose protect prove provide publish pull purchase push put query quit quote raise reach react read realize recall
receive recognize recommend reconsider record recreate reduce refer refine reflect refrain refuse regard register
relate relax release rely remain remember remind remove rename render renew repeat replace reply report represent
request require research resolve respect respond rest restore result retrieve return reveal review revise revisit
rewrite ride rinse rise roll rotate run rush save say scan schedule score scroll search season secure see seek seem
select sell send separate serve set settle shake shape share shift shine shoot show shred shut sift simplify sing
sit skip sleep slice slide smile smooth solve sort sound spark speak specify spend split spread sprinkle stand start
state stay step stick stir stop store strengthen strike strive structure study submit substitute subtract succeed
suggest summarize supply support suppose surround sustain swim switch take talk taste teach tell thank think thrive
throw tie toss touch track trade train transfer transform translate travel treat trim trust try turn type uncover
understand undertake unleash unlock unveil update upgrade upload urge use utilize validate value verify view visit
visualize wait wake walk want warn wash watch wear weave welcome whisk win wipe wish witness wonder work worry wrap
write yield zoom
"""
_FORMS = """
am is are was were been being has had does did done went gone came became began broke brought built bought caught
chose drew drove ate fell felt fought found flew forgot gave got grew heard held kept knew led left lent lost made
meant met paid rode ran said saw sold sent shook shone shot shown sang sat slept spoke spent stood took taught told
thought threw understood woke wore won wrote written taken given seen known shall
"""
_NO_FORMS = word_set(
    """
    during spring morning evening nothing something anything everything king ring thing ceiling indeed bed
    red hundred sacred need seed feed speed breed
    """
)


@cache
def _verbs() -> frozenset[str]:
    return frozenset(_VERBS.split())


@cache
def _forms() -> frozenset[str]:
    return frozenset(_FORMS.split())


def begins_with_verb(words: Sequence[str]) -> bool:
    """Is the first of these words a verb or a form of one, participles included?

    A word that is a noun as often (`plan`, `sound`) counts as a verb, unless the next word is itself a form of a verb
    that such a noun would have (`Plan is`).
    """
    word = words[0].lower()
    following = words[1].lower() if len(words) > 1 else ""
    if word in _forms():
        return True
    if word in _verbs():
        return following not in ("is", "was", "are", "were", "has", "had")
    if word in _NO_FORMS:
        return False
    if word.endswith("ing") and len(word) > 5:
        return True
    return any(stem in _verbs() for stem in _stems(word))


def _stems(word: str) -> list[str]:
    """What verbs a word may be a form of: `mixing`, `tried`, `running`, `makes`."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            stem = word.removesuffix(ending)
            stems = [stem, stem + "e"]
            if stem[-1] == "i":
                stems.append(stem[:-1] + "y")
            if len(stem) > 2 and stem[-1] == stem[-2]:
                stems.append(stem[:-1])
            return stems
    return []


@dataclass(frozen=True)
class FirstTag:
    """Tags first words by a perceptron's weights.

    weights: feature -> tag -> weight; fixed: words that always have one tag; tags: all there are.
    """

    weights: Mapping[str, Mapping[str, float]]
    fixed: Mapping[str, str]
    tags: tuple[str, ...]

    @classmethod
    def load(cls, directory: Path) -> FirstTag:
        """From NLTK's `averaged_perceptron_tagger_eng`: three tables as JSON. Nothing is unpickled.

        Raises:
            OSError, ValueError: they cannot be read.
        """
        parts = ("weights", "tagdict", "classes")
        weights, fixed, tags = (
            json.loads(
                (directory / f"averaged_perceptron_tagger_eng.{part}.json").read_text(encoding="utf-8")
            )
            for part in parts
        )
        return cls(weights, fixed, tuple(tags))

    def of(self, words: Sequence[str]) -> str:
        """The Penn Treebank tag of the first word, read as the start of a sentence."""
        word = words[0]
        if word in self.fixed:
            return self.fixed[word]
        scores = dict.fromkeys(self.tags, 0.0)
        for feature in _features(words):
            for tag, weight in self.weights.get(feature, {}).items():
                scores[tag] = scores.get(tag, 0.0) + weight
        return max(scores, key=lambda tag: (scores[tag], tag))


def _features(words: Sequence[str]) -> list[str]:
    word, folded = words[0], _folded(words[0])
    following = [*(_folded(w) for w in words[1:3]), "-END-", "-END2-"]
    return [
        "bias",
        f"i suffix {word[-3:]}",
        f"i pref1 {word[:1]}",
        "i-1 tag -START-",
        "i-2 tag -START2-",
        "i tag+i-2 tag -START- -START2-",
        f"i word {folded}",
        f"i-1 tag+i word -START- {folded}",
        "i-1 word -START2-",
        "i-1 suffix T2-",
        "i-2 word -START-",
        f"i+1 word {following[0]}",
        f"i+1 suffix {following[0][-3:]}",
        f"i+2 word {following[1]}",
    ]


def _folded(word: str) -> str:
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word[:1].isdigit() else word.lower()
