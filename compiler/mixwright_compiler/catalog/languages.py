"""Languages by their codes: names, scripts, and what people write instead of a code.

The languages are those that fastText's `lid.176` tells apart (Joulin et al. 2017), under its labels: ISO 639-1 where
there is such a code, else ISO 639-3. Script codes are ISO 15924.
"""

from __future__ import annotations

from functools import cache, lru_cache

from mixwright_dsl.lazy_dataclass import dataclass

_LATIN = """
af Afrikaans|als Alemannic|an Aragonese|ast Asturian|az Azerbaijani|bar Bavarian|bcl Central Bikol|br Breton
bs Bosnian|ca Catalan|cbk Chavacano|ceb Cebuano|co Corsican|cs Czech|cy Welsh|da Danish|de German|diq Zazaki
dsb Lower Sorbian|eml Emilian|en English|eo Esperanto|es Spanish|et Estonian|eu Basque|fi Finnish|fr French
frr North Frisian|fy West Frisian|ga Irish|gd Scottish Gaelic|gl Galician|gn Guarani|gv Manx|hif Fiji Hindi
hr Croatian|hsb Upper Sorbian|ht Haitian Creole|hu Hungarian|ia Interlingua|id Indonesian|ie Interlingue
ilo Ilocano|io Ido|is Icelandic|it Italian|jbo Lojban|jv Javanese|ku Kurdish|kw Cornish|la Latin|lb Luxembourgish
li Limburgish|lmo Lombard|lt Lithuanian|lv Latvian|mg Malagasy|min Minangkabau|ms Malay|mt Maltese|mwl Mirandese
nah Nahuatl|nap Neapolitan|nds Low German|nl Dutch|nn Norwegian Nynorsk|no Norwegian|oc Occitan|pam Pampanga
pfl Palatine German|pl Polish|pms Piedmontese|pt Portuguese|qu Quechua|rm Romansh|ro Romanian|sc Sardinian
scn Sicilian|sco Scots|sk Slovak|sl Slovenian|so Somali|sq Albanian|su Sundanese|sv Swedish|sw Swahili|tk Turkmen
tl Tagalog|tr Turkish|vec Venetian|vep Veps|vi Vietnamese|vls West Flemish|vo Volapük|wa Walloon|war Waray
yo Yoruba
"""
_OTHER = """
Cyrl: av Avar|ba Bashkir|be Belarusian|bg Bulgarian|bxr Buryat|ce Chechen|cv Chuvash|kk Kazakh|krc Karachay-Balkar
Cyrl: kv Komi|ky Kyrgyz|lez Lezgian|mhr Meadow Mari|mk Macedonian|mn Mongolian|mrj Hill Mari|myv Erzya|os Ossetian
Cyrl: ru Russian|rue Rusyn|sah Yakut|tg Tajik|tt Tatar|tyv Tuvan|uk Ukrainian|xal Kalmyk
Cyrl Latn: sh Serbo-Croatian|sr Serbian|uz Uzbek
Arab: ar Arabic|arz Egyptian Arabic|azb South Azerbaijani|ckb Central Kurdish|fa Persian|lrc Northern Luri
Arab: mzn Mazanderani|pnb Western Punjabi|ps Pashto|sd Sindhi|ug Uyghur|ur Urdu
Deva: bh Bihari|dty Dotyali|gom Goan Konkani|hi Hindi|mai Maithili|mr Marathi|ne Nepali|new Newari|sa Sanskrit
Beng: as Assamese|bn Bengali|bpy Bishnupriya
Hani: wuu Wu Chinese|yue Cantonese|zh Chinese
Hani Hira Kana: ja Japanese
Hang Hani: ko Korean
Hebr: he Hebrew|yi Yiddish
Grek: el Greek
Thai: th Thai
Laoo: lo Lao
Khmr: km Khmer
Mymr: my Burmese
Tibt: bo Tibetan
Ethi: am Amharic
Geor: ka Georgian|xmf Mingrelian
Armn: hy Armenian
Taml: ta Tamil
Telu: te Telugu
Knda: kn Kannada
Mlym: ml Malayalam
Sinh: si Sinhala
Gujr: gu Gujarati
Guru: pa Punjabi
Orya: or Odia
Thaa: dv Divehi
"""

_THREE_LETTERS = (
    "afr=af amh=am ara=ar arb=ar asm=as azj=az aze=az bel=be ben=bn bul=bg bod=bo bos=bs cat=ca ces=cs cmn=zh cym=cy "
    "dan=da deu=de ger=de ell=el eng=en epo=eo est=et ekk=et eus=eu fas=fa pes=fa per=fa fin=fi fra=fr fre=fr gle=ga "
    "glg=gl guj=gu hat=ht heb=he hin=hi hrv=hr hun=hu hye=hy ind=id isl=is ita=it jav=jv jpn=ja kan=kn kat=ka kaz=kk "
    "khm=km kir=ky kor=ko lao=lo lat=la lav=lv lvs=lv lit=lt ltz=lb mal=ml mar=mr mkd=mk mlt=mt mon=mn khk=mn msa=ms "
    "zsm=ms mya=my nep=ne npi=ne nld=nl nno=nn nob=no nor=no oci=oc ory=or pan=pa pol=pl por=pt pus=ps pbt=ps ron=ro "
    "rum=ro rus=ru sin=si slk=sk slv=sl snd=sd som=so spa=es sqi=sq als=als srp=sr sun=su swa=sw swh=sw swe=sv tam=ta "
    "tat=tt tel=te tgk=tg tgl=tl fil=tl tha=th tuk=tk tur=tr uig=ug ukr=uk urd=ur uzb=uz uzn=uz vie=vi yid=yi ydd=yi "
    "yor=yo zho=zh chi=zh nb=no iw=he"
)
"""ISO 639-3 and 639-2/B codes, as data sets such as FLORES write them, and a few old ones."""

_MISTAKES = (
    "cn=zh jp=ja kr=ko cz=cs ua=uk gr=el dk=da se=sv vn=vi il=he ir=fa ge=ka by=be rs=sr ee=et al=sq us=en gb=en "
    "chs=zh-Hans cht=zh-Hant mandarin=zh 中文=zh 日本語=ja 한국어=ko русский=ru farsi=fa castilian=es brazilian=pt-BR "
    "filipino=tl flemish=nl moldovan=ro deutsch=de français=fr francais=fr español=es espanol=es italiano=it "
    "português=pt portugues=pt türkçe=tr turkce=tr"
)
"""Country codes, other names and native names that are written for a language."""

_SCRIPT_OF_REGION = {"CN": "Hans", "SG": "Hans", "MY": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}
"""In which script Chinese is written there."""

SCRIPTS_OF_CHINESE = ("Hans", "Hant")

COVERS = {
    "zh": ("yue", "wuu"),
    "no": ("nn",),
    "sh": ("sr", "hr", "bs"),
    "ar": ("arz",),
    "sr": ("sh",),
    "hr": ("sh",),
    "bs": ("sh",),
    "nn": (),
    "az": ("azb",),
}
"""Labels that count as a language too: members of a macrolanguage (ISO 639-3), and Serbo-Croatian, a label that
Serbian, Croatian and Bosnian text often gets."""


@dataclass(frozen=True)
class Language:
    """A language as the identification knows it.

    code: the label of `lid.176`.
    scripts: ISO 15924 codes of the scripts it is written in; the common ones, all that may mix in one text.
    """

    code: str
    name: str
    scripts: tuple[str, ...]

    @property
    def labels(self) -> frozenset[str]:
        """Every label that counts as this language."""
        return frozenset((self.code, *COVERS.get(self.code, ())))


@dataclass(frozen=True)
class Tag:
    """A language, and the script it must be written in where the tag says so."""

    language: Language
    script: str = ""

    @property
    def name(self) -> str:
        """For people and prompts: `Chinese`, `Traditional Chinese`, `Serbian (Latn)`."""
        match self.script:
            case "":
                return self.language.name
            case "Hans":
                return f"Simplified {self.language.name}"
            case "Hant":
                return f"Traditional {self.language.name}"
            case script:
                return f"{self.language.name} ({script})"


@cache
def languages() -> dict[str, Language]:
    """Every language by code."""
    found: dict[str, Language] = {}
    lines = [("Latn", line) for line in _LATIN.split("\n")]
    lines += [(scripts, rest) for scripts, _, rest in (line.partition(": ") for line in _OTHER.split("\n"))]
    for scripts, line in lines:
        for item in filter(None, line.split("|")):
            code, _, name = item.strip().partition(" ")
            found[code] = Language(code, name, tuple(scripts.split()))
    return found


@cache
def _pairs(text: str) -> dict[str, str]:
    return dict(item.split("=") for item in text.split())


@lru_cache(maxsize=1024)
def tag_of(text: str) -> Tag | None:
    """The language that a tag names: `zh`, `zh-Hant`, `zh_TW`, `pt-BR`, `eng_Latn`; None when there is none.

    A region only tells the script of Chinese. Extensions and variants are not read.
    """
    parts = text.strip().replace("_", "-").split("-")
    code = parts[0].lower()
    language = languages().get(_pairs(_THREE_LETTERS).get(code, code))
    if language is None:
        return None
    script = ""
    for part in parts[1:]:
        if len(part) == 4 and part.isalpha():
            script = part.title()
        elif (len(part) == 2 and part.isalpha()) or (len(part) == 3 and part.isdigit()):
            script = script or (_SCRIPT_OF_REGION.get(part.upper(), "") if language.code == "zh" else "")
        else:
            return None
    if script in SCRIPTS_OF_CHINESE:
        return Tag(language, script) if language.code in ("zh", "yue", "wuu") else None
    if script and script not in language.scripts:
        # `ja-Jpan` and `ko-Kore` name mixtures of scripts; what is left is a script nobody writes it in, or one that
        # the table lacks.
        return Tag(language) if script in ("Jpan", "Kore") else Tag(language, script)
    return Tag(language, script if len(language.scripts) > 1 else "")


def suggestion_for(text: str) -> str | None:
    """The code that somebody meant who wrote `chinese`, `cn` or `Englsh`; None for no idea."""
    from mixwright_compiler.suggest import nearest

    word = text.strip().lower().replace("_", "-")
    by_name = {language.name.lower(): code for code, language in languages().items()}
    mistakes = _pairs(_MISTAKES)
    first = word.split("-")[0]
    for known in (by_name, mistakes):
        for candidate in (word, first):
            if candidate in known:
                return known[candidate]
    if len(word) > 3 and (near := nearest(word, by_name)) is not None:
        return by_name[near]
    return None
