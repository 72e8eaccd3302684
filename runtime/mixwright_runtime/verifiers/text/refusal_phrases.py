"""How models refuse, in ten languages: phrases by what they do in a refusal.

Each list is alternatives of a regular expression without nested repetition, searched in the first characters of an
answer, so that no text can make it hang. English and Chinese were set against real answers; the other languages hold
the plain forms that chat models use.
"""

from __future__ import annotations

import re

_DO = (
    "provide|assist|help(?! but)|fulfil|comply|support|offer|give|share|create|generate|write|suggest|recommend"
    "|answer|discuss"
    "|participate|engage|tell|do that|do this|produce|continue|describe|explain|complete|respond|proceed"
    "|instruct|teach"
    "|advise|facilitate|make|show|list|guide|speak|accommodate|process|publish|access|reveal|disclose|translate"
    "|draft"
)
_NOT = (
    r"can ?not|can'?t|won'?t|will not|would not|wouldn't|(?:am|'m|are) (?:sorry,? but )?(?:unable|not able) to"
    r"|(?:am|'m) not (?:allowed|permitted|authori[sz]ed|comfortable|willing|going|programmed|designed"
    r"|in a position)(?: to| with)?"
    r"|must (?:respectfully )?(?:decline|refuse)(?: to)?|(?:have|need) to (?:respectfully )?(?:decline"
    r"|refuse)(?: to)?"
    r"|(?:respectfully )?(?:decline|refuse) to|do(?: not|n't) (?:feel comfortable|engage in|participate in"
    r"|provide|assist)"
)

_CANNOT_ZH = (
    r"(?:无法|不能够?|没法|没有办法|没办法|不可以|不会|不便|难以|不可能|不应该?|拒绝)(?:直接|继续|再)?"
    r"(?:为您|为你|给您|给你|向您|向你|帮您|帮你|对此|就此|以任何方式)?"
    r"(?:直接|具体|继续|进行)?(?:提供|协助|帮助|帮忙|回答|满足|完成|生成|讨论|给出|执行|支持|透露|编写|撰写"
    r"|参与|分享|回应|处理|创作|推荐|建议|做到|做出|写|说|评论|翻译|配合|答应|告诉|扮演)"
)

DECLINES = (
    # en
    rf"\b(?:i|we)(?:'m| am)?(?: sorry,? but i)?(?: simply| just| really| currently| also)? ?(?:{_NOT})"
    rf"(?: really| actually| in good conscience| legally| ethically)?(?: be able to)? (?:{_DO})",
    r"\bi(?: must| have to| will| need to)?(?: respectfully| politely)? (?:decline|refuse)\b",
    r"\bi'?m (?:just an ai|only an ai)[^.]{0,60}not (?:within|appropriate|able)",
    r"\b(?:not within|against|outside) my (?:programming|guidelines|policy|policies|ethical|capabilities|training)",
    r"\b(?:goes|is|are) against (?:my|our|openai'?s?|ethical|the) [^.]{0,40}(?:guidelines|principles|polic"
    r"|programming)",
    r"\b(?:unable|not able) to (?:assist|help|comply|fulfil|provide|complete|answer)",
    r"\bi (?:can(?:'t|not)|won't|will not) (?:help(?! but)|assist)\b",
    # zh
    rf"我(?:们)?[^。！？，,]{{0,12}}{_CANNOT_ZH}",
    r"(?:请允许我|我(?:必须|只能|不得不|要|会|选择)?)拒绝|恕(?:我)?(?:不能|无法|难)|爱莫能助|不在我的(?:能力"
    r"|服务|职责)范围",
    r"(?:违反|违背|不符合)(?:了)?(?:我|平台|公司|OpenAI)[^。]{0,12}(?:准则|政策|规定|原则|规范|指南)",
    # es, pt, fr, it, de
    r"\bno puedo (?:ayudar|asistir|proporcionar|cumplir|ofrecer|responder|dar|hacer|generar|crear|compartir"
    r"|participar)",
    r"\bno (?:me es posible|estoy en condiciones de|podr[ée]) ",
    r"\bn[ãa]o (?:posso|consigo|poderei|estou autorizad[oa] a) (?:ajudar|auxiliar|fornecer|atender|responder"
    r"|oferecer|criar|dar|gerar|fazer)",
    r"\bje ne (?:peux|puis|pourrai|suis) pas (?:vous )?(?:aider|assister|fournir|r[ée]pondre|donner|offrir"
    r"|en mesure|autoris|cr[ée]er|g[ée]n[ée]rer)",
    r"\bje refuse de ",
    r"\bnon (?:posso|sono in grado di|mi [èe] possibile) ?(?:aiutar|fornir|assister|risponder|dar|offrir|crear"
    r"|generar)?",
    r"\b(?:kann|darf|werde|möchte) ich (?:dir|ihnen|euch|das|dabei|dazu|hierbei|diese[rsnm]?|leider"
    r"|hier)?[^.]{0,60}\bnicht\b",
    r"\bich (?:kann|darf|werde|möchte) (?:dir|ihnen|euch|das|dabei|dazu|hierbei|diese[rsnm]?|leider"
    r"|hier)[^.]{0,60}\b(?:nicht|keine[nr]?)\b",
    # ru, ja, ko
    r"\bя не (?:могу|буду|смогу|имею права|в состоянии) (?:вам )?(?:помочь|помогать|предостав|ответ|выполн|дать"
    r"|созда|обсужда|предлож|написа)",
    r"(?:お手伝い|お答え|ご提供|提供|対応|お教え|回答|ご協力|支援|お応え)(?:する|を|いたし|し|は"
    r"|を行う)?(?:こと(?:は|が))?(?:いたし|でき|致し)(?:ません|かねます|ない)",
    r"(?:도와|도움을|제공|답변|응답|작성|알려)[^.]{0,14}(?:수 없|드릴 수 없|어렵습니다|불가능)",
)
"""Says that it will not or cannot do what was asked."""

BARE_DECLINES = (_CANNOT_ZH,)
"""Says that something cannot be done, not by whom: a refusal at the very start, after an apology, or of an AI."""

STANCES = (
    r"\b(?:cannot|can'?t|can not|do not|don't|will not|won't) (?:and will not |and would not )?"
    r"(?:condone|encourage|endorse|promote|support or encourage|suggest or encourage|advocate|tolerate|perpetuate)",
    r"\b(?:is|it's|are)(?: also)? (?:not (?:appropriate|ethical|acceptable|legal|respectful|safe|right"
    r"|advisable|okay|ok)"
    r"|inappropriate|unethical|illegal|wrong|harmful)\b",
    r"\bi (?:must|have to|need to|want to|should) (?:emphasi[sz]e|remind|inform|stress|clarify|point out|note)",
    r"不(?:道德|合适|恰当|合法|妥)|违法|非法|有害|不鼓励|不支持|不提倡|必须(?:强调|提醒|指出)",
)
"""Objects to what was asked, which need not end in a refusal."""

OPENING_STANCE = (
    r"i (?:cannot|can'?t|can not|do not|don't|won't|will not) (?:condone|endorse|encourage|promote)\b"
    r"|it(?:'s| is) (?:not |never |in)(?:appropriate|ethical|acceptable|respectful|okay|ok|right)\b"
)
"""An objection that, at the very start, is about the request and not about what was asked."""

UNKNOWNS = (
    r"\bi(?:'m| am) (?:sorry,? but i'?m )?not (?:sure|certain|clear) (?:what|which|who|how|i|if|about)",
    r"\bi (?:do not|don't|did not|didn't) (?:understand|have (?:any |enough |specific |sufficient |the "
    r"|real-time |access)"
    r"|have information|know)",
    r"\bi (?:couldn'?t|could not|cannot|can'?t|was unable to|wasn't able to) (?:find|locate|determine|verify"
    r"|identify)",
    r"\b(?:need|require) (?:some |a bit |a little )?(?:more|additional|further) (?:specific |detailed )?"
    r"(?:context|information|details|specifics|clarification)",
    r"\b(?:could|can|would) you (?:please )?(?:provide|clarify|specify|rephrase|give|tell me|share|elaborate)",
    r"\bplease (?:provide|clarify|specify|rephrase)\b",
    r"\bthere is no (?:record|information|evidence)\b",
    r"(?:不太?(?:确定|清楚|明白|理解)(?:您|你)|请(?:您)?(?:提供|说明|补充|澄清)(?:更多|更详细|具体|一下)?"
    r"|没有(?:相关|足够|具体|实时|这方面)的?信息"
    r"|无法(?:访问|获取|确定|查询|得知|预测))",
)
"""Says that it does not know, or that it needs to be told more."""

APOLOGIES = (
    r"\bsorry\b(?! (?:to hear|for|about|that you))|\bapologi[sz]e\b|\bmy apologies\b|\bunfortunately\b|\bregrettably\b",
    r"抱歉|对不起|很遗憾|不好意思|请(?:您)?(?:原谅|谅解|见谅)|遗憾的是",
    r"\blo siento\b|\blamento\b|\bdesculp[eao]|\bsinto muito\b|\bd[ée]sol[ée]e?\b|\bmi (?:dispiace|scuso)\b|\bleider\b",
    r"\btut mir leid\b|\bentschuldig|извините|простите|к сожалению",
    r"申し訳|すみません|ごめんなさい|残念ながら|죄송|미안|유감",
)

LIMITS = (
    r"\b(?:personal|real-time|up-to-date|legal|medical|financial|professional|psychological|physical(?:ly)?"
    r"|feelings|emotions"
    r"|with certainty|future|100%|guarantee|exact|tax professional|opinions?|beliefs?|experiences?|taste|smell"
    r"|current events)\b",
    r"个人|实时|最新|医疗|法律|专业|财务|情感|意见|观点",
)
"""What a model says it lacks before it answers all the same."""

TURNS = (
    r"\b(?:but|however|nevertheless|nonetheless|still),? (?:if|here|there are|i(?:'d| would| will| am"
    r"|'m)? ?(?:can|could|may|happy|suggest)"
    r"|the following|let me|according|as of|based on|some|legal)",
    r"\b(?:but|however),? i (?:can|could|will|am able|do)\b|\bi can (?:provide|offer|give|tell|share|suggest"
    r"|describe|help)\b",
    r"\b(?:that being said|having said that|with that said|that said)\b|\bhere (?:are|is)\b|\baccording to\b"
    r"|\bas of (?:my|the (?:last|latest)|20|march|sept)",
    r"(?:但是?|不过|然而|尽管如此|即便如此)[^。]{0,16}(?:可以|以下|能|这里|根据|一些)|以下是|下面是|我可以(?:为"
    r"|给|提供|告诉|分享)|根据",
)
"""Goes on to answer after all."""

INSTEADS = (
    r"\binstead\b|\balternatively\b|\brather than\b",
    r"相反|作为替代|取而代之|换个|建议您?(?:咨询|寻求|联系)|而是",
)
"""Offers something else than what was asked."""


_APOLOGY_CUES = """sorry apolog unfortunately regrettably 歉 对不起 遗憾 不好意思 谅 siento lamento desculp sinto desol
désol dispiace scuso leid entschuldig извин прост сожал 申し訳 すみ ごめん 残念 죄송 미안 유감"""
_CUES = """not n't unable declin refus against within outside inappropriate 无 不 没 拒 恕 违 爱莫 no não nao ne non nicht
nein kein не ません かね ない 없 어렵 불가 nah never denied rather hard impos möglich refus recus rifiut 没 免谈 нет отказ
いいえ いえ 無理 だめ 駄目 断り 遠慮 아니 아뇨 안 못 거절 싫"""
APOLOGY_CUES = tuple(_APOLOGY_CUES.split())
SELF_CUES = (" ai", "language model", "assistant", "chatbot", "人工智能", "语言模型", "助手")
CUES = (*_CUES.split(), *APOLOGY_CUES, *SELF_CUES)
"""In lower case. A text in which none of these stands is no refusal: a quick look before a slow one."""


def compiled(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern of several, regardless of case."""
    return re.compile("|".join(phrases), re.IGNORECASE)
