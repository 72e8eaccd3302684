"""The commands and words that the reader knows, by what they are."""

from __future__ import annotations

_GREEK = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma
varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar
"""
GREEK = frozenset(_GREEK.split())
ACCENTS = {
    "hat": "hat",
    "widehat": "hat",
    "bar": "bar",
    "overline": "bar",
    "tilde": "tilde",
    "widetilde": "tilde",
    "vec": "vec",
    "overrightarrow": "vec",
    "dot": "dot",
    "ddot": "ddot",
    "underline": "underline",
    "mathcal": "calligraphic",
    "mathfrak": "fraktur",
    "mathbf": "bold",
    "boldsymbol": "bold",
    "bm": "bold",
}
"""What stands over a name or changes its letters, by the mark that it leaves in the name."""

OPAQUE = frozenset(("tr", "rank", "dim", "ker", "deg", "sgn", "erf", "Var", "Cov", "nabla"))
"""Functions without a value here: they are equal where their arguments are."""

_FUNCTIONS = """
sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh arctanh
exp ln log lg sqrt max min gcd lcm det Re Im arg mod choose frac sum prod int lim
"""
FUNCTIONS = {
    **{name: name for name in (*OPAQUE, *_FUNCTIONS.split())},
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "pi": "pi",
    "Pi": "pi",
    "theta": "theta",
    "alpha": "alpha",
    "beta": "beta",
    "infty": "infty",
    "infinity": "infty",
    "inf": "infty",
    "oo": "infty",
}
"""What may be written without a backslash."""

PLAIN_COMMANDS = {
    "**": "^",
    "\\bmod": "\\mod",
    "\\lvert": "|",
    "\\rvert": "|",
    "\\vert": "|",
    "\\lVert": "\\|",
    "\\rVert": "\\|",
    "\\Vert": "\\|",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\ge": ">=",
    "\\le": "<=",
    "\\ne": "!=",
    "\\lt": "<",
    "\\gt": ">",
    "\\prime": "'",
    "\\R": "\\mathbb",
    "\\backslash": "\\setminus",
    "\\rightarrow": "\\to",
    "\\dbinom": "\\binom",
    "\\tbinom": "\\binom",
    "\\ast": "*",
    "\\intercal": "\\top",
    "\\land": "\\wedge",
    "\\quad": "",
    "\\colon": ":",
    "\\arcsinh": "\\arcsinh",
}
"""Commands that say what another token says."""

SIGNS = {
    "=": "=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "!=": "!=",
    "\\in": "in",
}

_SHORT_WORDS = """
all any are but can day each even for from get given has her his how if its may more nor not no odd of off one only our
out per she six some such ten than that the then they this too two was way were what when where which who with yes yet
you your
"""
SHORT_WORDS = frozenset(_SHORT_WORDS.split())
"""Words that are no products of letters; runs of more than three letters never are."""

JOINING_WORDS = frozenset(
    ("an", "as", "at", "be", "by", "do", "in", "is", "it", "on", "so", "to", "up", "we")
)
"""Words that are products of letters as well (`ax + by`, `u + at`): words where they stand between two values."""
