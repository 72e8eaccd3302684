"""Stop words. English: the words that NLTK's list has, which began as Snowball's (BSD-3-Clause), by what they are.
Chinese: the words that join others and name nothing by themselves, in both forms of writing."""

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

_CHINESE_PARTICLES = """
的 地 得 了 着 著 过 過 吗 嗎 呢 吧 啊 呀 哇 哦 噢 喔 嗯 嘛 啦 咯 喽 么 麼 之 所 们 們 个 個 些 等 等等
"""
_CHINESE_PRONOUNS = """
我 你 您 他 她 它 咱 我们 我們 你们 你們 他们 他們 她们 她們 它们 它們 咱们 咱們 自己 大家 人家 谁 誰 其 其他 其它
其余 其餘 这 這 那 哪 这个 這個 那个 那個 哪个 哪個 这些 這些 那些 哪些 这样 這樣 那样 那樣 这么 這麼 那么 那麼 这里
這裡 那里 那裡 哪里 哪裡 什么 什麼 怎么 怎麼 怎样 怎樣 如何 为什么 為什麼 为何 為何 何 某 某些 各 各个 各個 每 每个
每個 一个 一個 一些 某个 某個
"""
_CHINESE_LINKS = """
和 与 與 及 以及 或 或者 还是 還是 并 並 并且 並且 而 而且 且 但 但是 可是 不过 不過 然而 却 卻 因 因为 因為 所以
因此 于是 於是 由于 由於 如果 若 假如 虽然 雖然 虽 雖 尽管 儘管 即使 只要 只有 除非 无论 無論 不管 既 既然 则 則
那就 从而 從而 此外
"""
_CHINESE_PREPOSITIONS = """
在 于 於 从 從 自 自从 自從 到 向 往 对 對 对于 對於 关于 關於 把 被 让 讓 给 給 为 為 为了 為了 以 用 由 跟 同 按
按照 根据 根據 通过 通過 随着 隨著 除了 比 将 將
"""
_CHINESE_ADVERBS_AND_VERBS = """
是 有 没 沒 没有 沒有 不 不是 会 會 能 能够 能夠 可 可以 要 应 應 应该 應該 也 都 就 才 又 再 还 還 很 太 更 最 极
極 非常 已 已经 已經 曾 曾经 曾經 正 正在 只 仅 僅 另 另外 便 即 如 像 似乎 上 下 里 裡 中 内 內 外
"""

CHINESE_STOP_WORDS = frozenset(
    word
    for words in (
        _CHINESE_PARTICLES,
        _CHINESE_PRONOUNS,
        _CHINESE_LINKS,
        _CHINESE_PREPOSITIONS,
        _CHINESE_ADVERBS_AND_VERBS,
    )
    for word in words.split()
)
