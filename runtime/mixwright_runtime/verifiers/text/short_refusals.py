"""Refusals that are the whole answer: `Sorry, I cannot.`, `No.`, `不行。`; and apologies with nothing behind them.

A short answer is cut into clauses, and each of them must be a refusal, an apology or a courtesy from end to end. So a
short answer that says anything else is none, whatever words it has.
"""

from __future__ import annotations

import re

from mixwright_runtime.verifiers.text.refusal_phrases import compiled

SHORT_CHARACTERS = 160
DECLINED, APOLOGY, NO = 1.0, 0.8, 0.6

_EN_DO = (
    "help|assist|talk|speak|chat|generate|comply|do|answer|say|tell|discuss|share|provide|support|continue|proceed|respond|engage|write|make|give"
    "|create|allow|accept|fulfil|fulfill|participate"
)
_EN_WHAT = (
    r"(?: (?:you|with|about|to|on|in|for|of|that|this|it|so|these|those|such|any|the"
    r"|your|request|requests|question"
    r"|questions|topic|task|things?|kind|sort|here|now|right|at|time|today|either"
    r"|anymore|any further|information))*"
)
_NO = (
    r"no|nope|nah|no way|no thanks?|never|not? (?:a chance|happening|possible|allowed)|no can do|denied"
    r"|(?:absolutely|definitely|certainly|of course|probably|rather) not",
    r"不|不行|不可以|不能|不会|不要|不可能|不同意|没门|免谈",
    r"nein|auf keinen fall|unmöglich|non|pas question|impossible|imposible|imposs[íi]vel|impossibile|n[ãa]o",
    r"нет|невозможно|いいえ|いえ|無理|無理です|だめです|駄目です|아니[요오]|아뇨|안 ?됩니다|안 ?돼요?",
)
"""What refuses a request, and answers a question that asks for yes or no."""
_DECLINES = (
    # en
    rf"(?:(?:i|we) )?(?:simply |just |really |also |currently )*(?:can ?not|can'?t"
    rf"|won'?t|will not|may not|must not)"
    rf"(?: (?:be able to )?(?:{_EN_DO}))?{_EN_WHAT}",
    rf"(?:(?:i|we)(?:'m|'re| am| are) )?(?:unable|not (?:able|allowed|willing|going"
    rf"|permitted))(?: to)?(?: (?:{_EN_DO}))?{_EN_WHAT}",
    rf"(?:i |we )?(?:must |have to |will |respectfully |politely )*(?:refuse"
    rf"|decline)(?: to)?(?: (?:{_EN_DO}))?{_EN_WHAT}",
    rf"i(?:'d| would) (?:rather|prefer) not(?: to)?(?: (?:{_EN_DO}))?{_EN_WHAT}",
    rf"i (?:don'?t|do not) (?:want|wish) to(?: (?:{_EN_DO}))?{_EN_WHAT}",
    rf"(?:that|this|it)(?:'s| is) not (?:something|a thing) (?:that )?(?:i|we)(?:'m"
    rf"|'ll)? (?:can|will|am able to|able to)"
    rf"(?: (?:{_EN_DO}))?{_EN_WHAT}",
    r"(?:your |the |this )?(?:request|access) (?:is |was |has been )?(?:denied|refused|declined|rejected)",
    r"(?:that|this|it)(?:'s| is) (?:not (?:possible|allowed|permitted|appropriate|okay)|impossible)",
    # zh
    r"(?:这个?|那个?|此事|这件事)?(?:我们?|本人)?(?:真的|实在|恐怕)?(?:也|是|就)?"
    r"(?:不行|不可以|不能够?|不会|不愿意?|不想|做不到|办不到|没办法|没法|无法|拒绝|帮不了|帮不上)"
    r"(?:这么|这样|那么|那样|就此|对此)?(?:做|说|回答|帮(?:助|忙)?|告诉|提供|协助|满足)?(?:到|出)?"
    r"(?:你|您|忙|这个|该|此)?(?:的)?(?:要求|请求|问题|事|帮助|协助)?(?:了|的|哦|啊|呢)?",
    r"恕难从命|无可奉告|爱莫能助|恕不能?(?:奉告|回答|相助)?",
    # es, pt, fr, it
    r"(?:yo )?no (?:puedo|podr[ée]|voy a|quiero)(?: (?:ayudarte|ayudarle|ayudar"
    r"|hacerlo|hacer eso|hacer esto|responder|decirlo"
    r"|con eso|con esto|a eso))*|me niego",
    r"(?:eu )?n[ãa]o (?:posso|consigo|vou|quero)(?: (?:ajudar|te ajudar"
    r"|ajud[áa]-l[oa]|fazer isso|fazer isto|responder|com isso"
    r"|a isso))*|(?:eu )?me recuso",
    r"je (?:ne )?(?:peux|veux|vais|pourrai) pas(?: (?:vous aider|t'aider|aider"
    r"|le faire|faire ça|faire cela|r[ée]pondre|le dire"
    r"|à cela|avec ça))*|je refuse|c'est impossible",
    r"(?:io )?non (?:posso|voglio|lo farò)(?: (?:aiutarti|aiutarla|aiutare|farlo"
    r"|fare questo|rispondere|dirlo))*|mi rifiuto",
    # de
    r"(?:das |dabei |dazu )?(?:geht|kann ich|mache ich|darf ich|werde ich)(?: das| dir| ihnen| leider)* nicht"
    r"(?: (?:helfen|tun|machen|beantworten|sagen))?",
    r"ich (?:kann|darf|will|werde|möchte)(?: das| dir| ihnen| dabei"
    r"| leider)* nicht(?: (?:helfen|tun|machen|beantworten|sagen))?"
    r"|ich (?:weigere mich|lehne (?:das )?ab)",
    # ru, ja, ko
    r"(?:я )?не (?:могу|буду|стану|хочу|смогу)(?: (?:помочь|это|этого|сделать"
    r"|ответить|вам|тебе|с этим|говорить))*"
    r"|я отказываюсь|отказано",
    r"(?:それは|これは|その件は|私には?)?(?:お手伝い|お答え|対応|回答)?(?:は|が)?(?:できません|出来ません|いたしかねます"
    r"|致しかねます"
    r"|できかねます|お断りします|お断りいたします|遠慮します|答えられません)",
    r"(?:그건|그것은|저는|그 요청은|도와드릴|답변할|말할)? ?(?:할 수 없(?:습니다|어요|네요)|수 없(?:습니다|어요)"
    r"|못 ?합니다|못 ?해요"
    r"|불가능합니다|거절합니다|거절하겠습니다|싫습니다|싫어요)",
)
_APOLOGIES = (
    r"(?:i'm|i am|we're|we are)?\s*(?:so |very |really |truly |terribly )*(?:sorry"
    r"|afraid)(?: about that| for (?:that|this"
    r"|the inconvenience))?(?: that)?",
    r"(?:i |we )?(?:do |sincerely |must )*apologi[sz]e(?: for (?:that|this"
    r"|any inconvenience|the inconvenience))?|(?:my )?apologies"
    r"|unfortunately|regrettably",
    r"我?(?:很|非常|十分|真的|实在|真)?(?:抱歉|对不起|遗憾|不好意思)(?:了|啊|哦)?|请(?:您)?(?:原谅|谅解|见谅)",
    r"lo siento(?: mucho)?|lo lamento|disculp[ae](?:me)?|perd[óo]n|(?:me )?desculp[ae]|sinto muito|lamento",
    r"(?:je suis )?(?:vraiment )?d[ée]sol[ée]e?|pardon|je m'excuse|mi (?:dispiace|scuso)|scusa(?:mi)?|scusi",
    r"(?:es )?tut mir(?: sehr| echt)? leid|leider|entschuldig(?:ung|en sie|e)(?: bitte)?",
    r"(?:мне )?(?:очень )?жаль|извини(?:те)?|прости(?:те)?|к сожалению",
    r"(?:大変|誠に|本当に)?(?:申し訳(?:ありません|ございません|ないです)が?|すみませんが?|すいません|ごめんなさい|ごめん"
    r"|残念ながら)",
    r"(?:정말 |대단히 )?(?:죄송합니다만?|죄송하지만|죄송해요|미안합니다|미안해요|미안하지만|유감입니다"
    r"|유감스럽게도)",
)
_COURTESIES = (
    r"thank(?:s| you)(?: .{1,40})?|please(?: .{1,40})?|i hope you understand|goodbye"
    r"|bye|sir|friend|ok|okay|yet|still"
    r"|(?:is there|can i|how can i|how else can i|let me know|feel free) .{1,60}|as an ai(?: .{1,30})?",
    r"谢谢.{0,10}|感谢.{0,12}|希望.{0,12}|您?有(?:其他|别的).{0,16}",
    r"gracias(?: .{1,30})?|obrigad[oa](?: .{1,30})?|merci(?: .{1,30})?"
    r"|grazie(?: .{1,30})?|danke(?: .{1,30})?|спасибо(?: .{1,30})?",
)
_CLAUSE_END = re.compile(
    r"[.!?。！？،，、,;；:：…—–\n]+|(?:^|\s)(?:but|and|aber|pero|mas|mais|ma|но|и|但是?|可是)(?=\s|$)",
    re.IGNORECASE,
)
_no, _decline, _apology, _courtesy = (compiled(each) for each in (_NO, _DECLINES, _APOLOGIES, _COURTESIES))


def short_refusal(text: str) -> tuple[float, str]:
    """How far a short answer refuses, and the words: 1 declines, 0.8 apologises alone, 0.6 says no, 0 none of these."""
    if len(text) > SHORT_CHARACTERS:
        return 0.0, ""
    score, phrase = 0.0, ""
    said: set[float] = set()
    for clause in _CLAUSE_END.split(text):
        found = _of_clause(clause.strip())
        if found is None:
            return 0.0, ""
        said.add(found)
        if found > score:
            score, phrase = found, clause.strip()
    return (DECLINED if said >= {NO, APOLOGY} else score), phrase


def _of_clause(clause: str) -> float | None:
    """The score of one clause, 0 for a courtesy; None when it says something else."""
    if not clause or _courtesy.fullmatch(clause):
        return 0.0
    if _no.fullmatch(clause):
        return NO
    if _decline.fullmatch(clause):
        return DECLINED
    if _apology.fullmatch(clause):
        return APOLOGY
    # `Sorry I can't`, `죄송하지만 할 수 없습니다`.
    apology = _apology.match(clause)
    rest = clause[apology.end() :].strip() if apology else ""
    if rest and (_decline.fullmatch(rest) or _no.fullmatch(rest)):
        return DECLINED
    return None
