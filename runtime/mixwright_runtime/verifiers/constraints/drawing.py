"""Draw constraints for a row: kinds that can stand together, with arguments made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mixwright_compiler.catalog.constraint_kinds import FAMILIES, Constraint, first_conflict
from mixwright_runtime.values.choices import Choices
from mixwright_runtime.verifiers.constraints.asking import sentence_of
from mixwright_runtime.verifiers.constraints.language import LANGUAGE_NAMES
from mixwright_runtime.verifiers.constraints.registry import Argument, Kind, kinds, schemas
from mixwright_runtime.verifiers.constraints.word_lists import word_list

ARGUMENT_ATTEMPTS = 8
"""How often arguments are drawn anew when they conflict with those of another constraint: a keyword that is forbidden."""

ENGLISH_WORDS = word_list(
    """
    anchor apple arrow autumn balance bamboo basket beacon bicycle blanket bottle bridge bright bucket button cabin
    camera candle canvas carpet castle cedar chalk chapter cherry cinnamon circle clever cloud coast compass copper
    corner cotton courage cradle crystal curious curtain dawn desert diamond dolphin dragon drift eagle echo ember
    engine evening fabric falcon feather fern festival flame forest fountain frost galaxy garden gentle ginger glacier
    golden granite gravity guitar hammer harbor harvest hazel hollow honest honey horizon ink island ivory jasmine
    journey jungle kettle kitchen ladder lantern lavender lemon library lighthouse magnet marble market meadow melody
    mirror moment morning mountain mystery needle nimble north novel oak ocean olive orchard orchid paper patience
    pearl pebble pepper piano pilgrim planet pocket prairie puzzle quiet quilt rabbit railway rainbow raven ribbon
    river rocket saddle saffron sail sapphire scarlet season shadow shelter silver sketch slender spark spiral spring
    square station steady storm summit sunrise table tender thread thunder timber tower traffic trumpet tunnel twilight
    umbrella valley velvet village violet voyage walnut water whisper willow window winter wisdom wonder
    """
)
CHINESE_WORDS = word_list(
    """
    春天 夏夜 秋风 冬雪 山谷 河流 海洋 森林 月亮 星空 阳光 彩虹 花园 竹林 茶叶 书店 图书馆 火车 灯塔 桥梁 村庄 城市
    市场 厨房 苹果 柠檬 蜂蜜 丝绸 玻璃 铜钱 钢琴 吉他 歌声 故事 旅行 梦想 勇气 耐心 智慧 友谊 时间 记忆 希望 安静
    明亮 温柔 好奇 平衡 科学 历史 艺术 音乐 建筑 数学 健康 教育 环境 创新 传统 未来
    """
)


@dataclass(frozen=True)
class ConstraintPool:
    """What constraints are drawn from.

    kinds: those that can be drawn under the language; words: where keywords come from; least: with `count` above it,
        a row gets a random number of constraints from `least` on.
    """

    kinds: tuple[Kind, ...]
    language: str = "en"
    words: tuple[str, ...] = ()
    least: int = 0

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> ConstraintPool:
        """The pool of a lowered call `constraints(ifeval, language = zh)`."""
        keywords = call.get("keywords") or {}
        language = str(keywords.get("language") or "en")
        wanted = [str(name) for name in call.get("args") or ("ifeval",)]
        without = set(keywords.get("without") or ())
        chosen = tuple(
            kind
            for id, kind in kinds().items()
            if (id in wanted or (kind.schema.family in wanted and kind.schema.family in FAMILIES))
            and id not in without
            and kind.schema.is_drawable
            and language in kind.schema.languages
        )
        words = keywords.get("words") or (CHINESE_WORDS if language == "zh" else ENGLISH_WORDS)
        return cls(chosen, language, tuple(map(str, words)), int(keywords.get("least") or 0))

    def draw(self, choices: Choices, count: int) -> list[dict[str, Any]]:
        """Constraints for one row, as `{id, kwargs, sentence}`. Fewer than asked when no more can stand together."""
        if 0 < self.least < count:
            count = self.least + choices.below(count - self.least + 1)
        drawn = self._drawn(choices, count, self.kinds)
        if len(drawn) < count:
            # A kind that dictates the response leaves no room for others.
            others = tuple(kind for kind in self.kinds if not kind.schema.alone)
            drawn = max(drawn, self._drawn(choices, count, others), key=len)
        return [
            {"id": c.id, "kwargs": dict(c.arguments), "sentence": sentence_of(c, self.language)}
            for c in drawn
        ]

    def _drawn(self, choices: Choices, count: int, kinds: Sequence[Kind]) -> list[Constraint]:
        drawn: list[Constraint] = []
        # Every word is used once a row, so that no two constraints are about the same one.
        words = choices.shuffled(self.words)
        for kind in choices.shuffled(kinds):
            if len(drawn) == count:
                break
            fitting = self._fitting(choices, kind, drawn, words)
            if fitting is not None:
                drawn.append(fitting)
        return drawn

    def _fitting(
        self, choices: Choices, kind: Kind, drawn: Sequence[Constraint], words: Iterator[str]
    ) -> Constraint | None:
        for _ in range(ARGUMENT_ATTEMPTS if kind.arguments else 1):
            arguments = {a.name: self._value(choices, a, words) for a in kind.arguments}
            constraint = Constraint(kind.id, arguments)
            if None not in arguments.values() and first_conflict([*drawn, constraint], schemas()) is None:
                return constraint
        return None

    def _value(self, choices: Choices, argument: Argument, words: Iterator[str]) -> Any:
        """A value; None when `words` has too few left."""
        match argument.type:
            case "count":
                return argument.low + choices.below(argument.high - argument.low + 1)
            case "word":
                return argument.words[choices.below(len(argument.words))]
            case "texts":
                number = argument.low + choices.below(argument.high - argument.low + 1)
                taken = list(islice(words, number))
                return taken if len(taken) == number else None
        if argument.pool == "words":
            return next(words, None)
        pool = self._pool(argument)
        return pool[choices.below(len(pool))]

    def _pool(self, argument: Argument) -> Sequence[str]:
        match argument.pool:
            case "letters":
                return "的一是不了" if self.language == "zh" else "abcdefghijklmnopqrstuvwxyz"
            case "languages":
                return list(LANGUAGE_NAMES)
            case str(unknown):
                raise AssertionError(f"no pool of texts called {unknown}")
        return argument.pool
