"""The sentence that asks for a constraint, in English or Chinese."""

from __future__ import annotations

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.language import LANGUAGE_NAMES
from mixwright_runtime.verifiers.constraints.registry import kinds

_CHINESE = {"less than": "少于", "at least": "不少于"}
_CHINESE_LANGUAGES = {
    "en": "英语", "zh": "中文", "es": "西班牙语", "fr": "法语", "de": "德语", "ru": "俄语", "ja": "日语", "ko": "韩语",
    "it": "意大利语", "pt": "葡萄牙语", "ar": "阿拉伯语", "hi": "印地语", "th": "泰语", "vi": "越南语", "pl": "波兰语",
    "uk": "乌克兰语", "bn": "孟加拉语", "ur": "乌尔都语", "ta": "泰米尔语", "te": "泰卢固语", "bg": "保加利亚语",
    "he": "希伯来语", "fa": "波斯语", "ne": "尼泊尔语", "sw": "斯瓦希里语", "kn": "卡纳达语", "mr": "马拉地语",
    "gu": "古吉拉特语", "pa": "旁遮普语", "ml": "马拉雅拉姆语", "fi": "芬兰语", "el": "希腊语", "tr": "土耳其语",
    "nl": "荷兰语", "ro": "罗马尼亚语",
}  # fmt: skip


def sentence_of(constraint: Constraint, language: str = "en") -> str:
    """The sentence, in Chinese when `language` is `zh` and the kind has one, else in English."""
    asks = kinds()[constraint.id].asks
    is_chinese = language == "zh" and "zh" in asks
    words = {name: _words(name, value, is_chinese) for name, value in constraint.arguments.items()}
    template = asks["zh" if is_chinese else "en"]
    for name, text in words.items():
        template = template.replace(f"{{{name}}}", text)
    return template.replace("{{", "{").replace("}}", "}")


def _words(name: str, value: object, is_chinese: bool) -> str:
    if isinstance(value, list):
        return ("、" if is_chinese else ", ").join(map(str, value))
    if name == "language":
        return (_CHINESE_LANGUAGES if is_chinese else LANGUAGE_NAMES).get(str(value), str(value))
    if is_chinese and value in _CHINESE:
        return _CHINESE[value]
    return str(value)
