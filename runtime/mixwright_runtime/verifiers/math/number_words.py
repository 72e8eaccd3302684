"""Words for numbers, by value: the common ones of some thirty languages, in the forms that texts use most.

They only help: a number in digits may be a word in a translation. A word that means something else as well (`may`,
`once`) does no harm, since no word asks for a number.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

_WORDS = """
0: zero null cero zéro ноль нуль sıfır không μηδέν शून्य صفر nul noll nol sifuri ศูนย์ 영
1: one once first eins ein eine einer einem einen erste ersten erster erstes un una uno primer primera primero
1: une premier première um uma primeiro primeira prima primul întâi один одна одно одного одной первый первая
1: первого первой первое первые bir ilk birinci một nhất ένα ένας μία μια πρώτη πρώτο πρώτος एक पहला पहली पहले
1: واحد واحدة أول الأول الأولى een eerste en ett första moja kwanza satu pertama หนึ่ง แรก 하나 첫
2: two twice second pair both double zwei zweite zweiten zweiter zweimal dos segundo segunda ambos deux deuxième
2: dois duas doi două doua due secondo два две двух второй вторая второго двое iki ikinci hai δύο δυο δεύτερη
2: δεύτερο δεύτερος δεύτερου दो दूसरा दूसरी दूसरे اثنان اثنين اثنتين ثاني الثاني الثانية twee tweede två andra
2: mbili pili dua kedua สอง 둘 두 thứ
3: three third drei dritte dritten dritter tres tercer tercero tercera trois troisième três terceiro trei treia
3: treilea tre terzo три трех трёх третий третья третьего üç üçüncü ba τρεις τρία τρίτη τρίτο τρίτος तीन तीसरा
3: तीसरी तीसरे ثلاثة ثلاث ثالث الثالث الثالثة drie derde tredje tatu tiga ketiga สาม 셋 세
4: four fourth quarter vier vierte vierten cuatro cuarto cuarta quatre quatrième quatro quarto quarta patru
4: patra quattro четыре четырех четырёх четвертый четвертая dört dördüncü bốn tư τέσσερις τέσσερα τέταρτη
4: τέταρτο τέταρτος चार चौथा चौथी चौथे أربعة أربع رابع الرابع الرابعة vierde fyra fjärde nne empat keempat สี่ 넷
4: 네
5: five fifth fünf fünfte fünften cinco quinto quinta cinq cinquième cinci cincea cinque пять пяти пятый пятая
5: beş beşinci năm πέντε πέμπτη πέμπτο पांच पाँच पांचवां पांचवें خمسة خمس خامس الخامس الخامسة vijf vijfde fem
5: femte tano lima kelima ห้า 다섯
6: six sixth sechs sechste sechsten seis sexto sexta sixième șase șasea sei sesto шесть шести шестой altı
6: altıncı sáu έξι έκτη έκτο छह छः छठा छठी छठे ستة ست سادس السادس السادسة zes zesde sex sjätte sita enam keenam
6: หก 여섯
7: seven seventh sieben siebte siebten siete séptimo sept septième sete sétimo șapte șaptea sette settimo семь
7: семи седьмой yedi yedinci bảy επτά εφτά έβδομη έβδομο सात सातवां सातवें سبعة سبع سابع السابع السابعة zeven
7: zevende sju sjunde saba tujuh ketujuh เจ็ด 일곱
8: eight eighth acht achte achten ocho octavo octava huit huitième oito oitavo opt opta otto ottavo восемь
8: восьми восьмой sekiz sekizinci tám οκτώ οχτώ όγδοη όγδοο आठ आठवां आठवीं ثمانية ثماني ثمان ثامن الثامن الثامنة
8: achtste åtta åttonde nane delapan แปด 여덟
9: nine ninth neun neunte neunten nueve noveno neuf neuvième nove nono nouă noua девять девяти девятый dokuz
9: dokuzuncu chín εννέα εννιά ένατη ένατο नौ नौवां تسعة تسع تاسع التاسع التاسعة negen negende nio nionde tisa
9: sembilan เก้า 아홉
10: ten tenth decade zehn zehnte zehnten diez décimo dix dixième dez zece zecea dieci decimo десять десяти
10: десятый on onuncu mười δέκα δέκατη δέκατο दस दसवां दसवीं عشرة عشر عاشر العاشر العاشرة tien tiende tio tionde
10: kumi sepuluh สิบ 열
11: eleven eleventh elf elfte elften once undécimo onze onzième unsprezece undici undicesimo одиннадцать
11: одиннадцатый одиннадцати onbir έντεκα ενδέκατη ग्यारह ग्यारहवीं elva elfde sebelas
12: twelve twelfth dozen zwölf zwölfte zwölften doce duodécimo douze douzième doze doisprezece dodici двенадцать
12: двенадцати двенадцатый oniki δώδεκα δωδέκατη बारह बारहवीं twaalf twaalfde tolv dua belas
13: thirteen thirteenth dreizehn dreizehnte dreizehnten trece treize treisprezece tredici тринадцать δεκατρία
13: तेरह तेरहवीं
14: fourteen fourteenth vierzehn vierzehnte vierzehnten catorce quatorze paisprezece quattordici четырнадцать
14: चौदह चौदहवीं
15: fifteen fifteenth fünfzehn fünfzehnte fünfzehnten quince quinze cincisprezece quindici пятнадцать δεκαπέντε
15: पंद्रह पंद्रहवीं
16: sixteen sixteenth sechzehn sechzehnte sechzehnten dieciséis seize șaisprezece sedici шестнадцать सोलह
16: सोलहवीं
17: seventeen seventeenth siebzehn siebzehnte siebzehnten diecisiete șaptesprezece diciassette семнадцать सत्रह
17: सत्रहवीं
18: eighteen eighteenth achtzehn achtzehnte achtzehnten dieciocho optsprezece diciotto восемнадцать अठारह
18: अठारहवीं
19: nineteen nineteenth neunzehn neunzehnte neunzehnten diecinueve nouăsprezece diciannove девятнадцать उन्नीस
19: उन्नीसवीं
20: العشرينيات twenty twentieth score zwanzig zwanzigste zwanzigsten veinte vingt vinte douăzeci venti двадцать yirmi
20: είκοσι बीस बीसवीं عشرون عشرين
30: الثلاثينيات thirty thirties dreißig treinta trente trinta treizeci trenta тридцать otuz τριάντα तीस ثلاثون ثلاثين
40: الأربعينيات forty forties vierzig cuarenta quarante quarenta patruzeci сорок kırk σαράντα चालीस أربعون أربعين
50: الخمسينيات fifty fifties half halb halbe hälfte mitad moitié metade jumătate fünfzig cincuenta cinquante cinquenta
50: cincizeci пятьдесят половина elli πενήντα पचास خمسون خمسين
60: الستينيات sixty sixties sechzig sesenta soixante sessenta șaizeci шестьдесят altmış εξήντα साठ ستون ستين
70: السبعينيات seventy seventies siebzig setenta septante șaptezeci семьдесят yetmiş εβδομήντα सत्तर سبعون سبعين
80: الثمانينيات eighty eighties achtzig ochenta oitenta optzeci восемьдесят seksen ογδόντα अस्सी ثمانون ثمانين
90: التسعينيات ninety nineties neunzig noventa nouăzeci девяносто doksan ενενήντα नब्बे تسعون تسعين
100: hundred hundreds century hundert cien ciento centenas cent cem sută sute cento сто yüz εκατό सौ مائة مئة
100: trăm ร้อย
1000: thousand thousands millennium tausend tausende mil mille mie mii тысяча тысячи тысяч bin χίλια χιλιάδες
1000: हज़ार हजार ألف آلاف nghìn ngàn พัน
1000000: million millions millionen millón millones milion milioane миллион миллионы миллионов milyon
1000000: εκατομμύριο εκατομμύρια مليون ملايين triệu ล้าน मिलियन
"""
_MONTHS = """
1: january januar enero janvier janeiro ianuarie gennaio января ocak ιανουαρίου जनवरी يناير januari
2: february februar febrero février fevereiro februarie febbraio февраля şubat φεβρουαρίου फरवरी فبراير februari
3: march märz marzo mars março martie марта mart μαρτίου मार्च مارس maart
4: april abril avril aprilie aprile апреля nisan απριλίου अप्रैल أبريل
5: may mai mayo maio maggio мая mayıs μαΐου मई مايو mei
6: june juni junio juin junho iunie giugno июня haziran ιουνίου जून يونيو
7: july juli julio juillet julho iulie luglio июля temmuz ιουλίου जुलाई يوليو
8: august agosto août ağustos августа αυγούστου अगस्त أغسطس augustus
9: september septiembre septembre setembro septembrie settembre сентября eylül σεπτεμβρίου सितंबर सितम्बर سبتمبر
10: october oktober octubre octobre outubro octombrie ottobre октября ekim οκτωβρίου अक्टूबर أكتوبر
11: november noviembre novembre novembro noiembrie ноября kasım νοεμβρίου नवंबर नवम्बर نوفمبر
12: december dezember diciembre décembre dezembro decembrie dicembre декабря aralık δεκεμβρίου दिसंबर दिसम्बर
12: ديسمبر
"""
"""October 8 is 10月8日."""

_POWERS = """
2: 百 hundred hundert cien cientos cent سو
3: 千 천 k thousand tausend mil mille mila mii tysiąc tysiące tysięcy тыс тысяча тысячи тысяч χιλιάδες χίλια bin
3: nghìn ngàn พัน हज़ार हजार ألف آلاف duizend tusen ribu elfu
4: 万 萬 만 หมื่น
5: แสน लाख
6: million millions mio millionen millón millones milion milioane milioni milione miliona milionów milhão
6: milhões миллион миллиона миллионов млн εκατομμύριο εκατομμύρια milyon triệu ล้าน مليون ملايين miljoen
6: miljoner juta m मिलियन
7: करोड़ करोड
8: 亿 億 억
9: billion billions milliarde milliarden milliard milliards mrd miliard miliarde miliardi miliardo miliardów
9: миллиард миллиарда миллиардов млрд δισεκατομμύριο δισεκατομμύρια milyar tỷ tỉ مليار مليارات miljard bilhão
9: bilhões अरब बिलियन
12: 兆 조 trillion billionen billones billón триллион триллиона триллионов trilhão trilhões
"""
"""Powers of ten that are written behind a number."""


@cache
def values_of_words() -> dict[str, frozenset[Decimal]]:
    """Word, folded -> the numbers it may stand for."""
    return {
        word: frozenset(Decimal(value).normalize() for value in values)
        for word, values in _by_word(_WORDS + _MONTHS).items()
    }


@cache
def powers_of_words() -> dict[str, tuple[int, ...]]:
    """Word, folded -> the powers of ten it may stand for behind a number."""
    return {word: tuple(values) for word, values in _by_word(_POWERS).items()}


def _by_word(table: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for line in filter(None, table.split("\n")):
        value, _, words = line.partition(": ")
        for word in words.split():
            held = found.setdefault(word, [])
            if int(value) not in held:
                held.append(int(value))
    return found
