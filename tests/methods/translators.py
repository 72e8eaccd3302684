"""What stands in for the models of `specs/methods/translation.mix`: a translator with a phrase book, and an embedding
model that knows which of its phrases mean the same."""

from __future__ import annotations

from mixwright_runtime.values.rows import digest

LANGUAGES = ("English", "German", "Vietnamese", "Indonesian")
ASKED = (
    (
        "Explain in three sentences why bread rises, for a child of 8.",
        "Erkläre in drei Sätzen, warum Brot aufgeht, für ein Kind von 8 Jahren.",
        "Hãy giải thích trong ba câu vì sao bánh mì nở, cho một đứa trẻ 8 tuổi.",
        "Jelaskan dalam tiga kalimat mengapa roti mengembang, untuk anak berumur 8 tahun.",
    ),
    (
        "A shop sells pens at 3 for 2 dollars. What do 12 pens cost?",
        "Ein Laden verkauft 3 Stifte für 2 Dollar. Was kosten 12 Stifte?",
        "Một cửa hàng bán 3 cây bút với giá 2 đô la. 12 cây bút giá bao nhiêu?",
        "Sebuah toko menjual 3 pena seharga 2 dolar. Berapa harga 12 pena?",
    ),
    (
        "Write a Python call that prints the text {name} in upper case with `upper()`.",
        "Schreibe einen Python-Aufruf, der den Text {name} mit `upper()` in Großbuchstaben ausgibt.",
        "Hãy viết một lệnh gọi Python in văn bản {name} bằng chữ hoa với `upper()`.",
        "Tulislah pemanggilan Python yang mencetak teks {name} dalam huruf besar dengan `upper()`.",
    ),
    (
        "Name two advantages of travelling by train rather than by car.",
        "Nenne zwei Vorteile des Reisens mit der Bahn gegenüber dem Auto.",
        "Hãy nêu hai lợi ích của việc đi lại bằng tàu hỏa thay vì bằng ô tô.",
        "Sebutkan dua keuntungan bepergian dengan kereta daripada dengan mobil.",
    ),
)
ANSWERED = (
    (
        "Bread dough has tiny living things in it called yeast. They eat sugar and breathe out gas, like little bubbles. "
        "The bubbles get caught in the dough and push it up.",
        "Im Brotteig leben winzige Lebewesen, die Hefe heißen. Sie fressen Zucker und atmen Gas aus, wie kleine Blasen. "
        "Die Blasen bleiben im Teig stecken und drücken ihn nach oben.",
        "Trong bột bánh mì có những sinh vật nhỏ bé gọi là men. Chúng ăn đường và thở ra khí, như những bong bóng nhỏ. "
        "Bong bóng bị giữ lại trong bột và đẩy bột lên.",
        "Di dalam adonan roti ada makhluk kecil yang disebut ragi. Mereka makan gula dan mengeluarkan gas seperti "
        "gelembung kecil. Gelembung itu terperangkap di dalam adonan dan mendorongnya ke atas.",
    ),
    (
        "12 pens are 4 times 3 pens, and 4 times 2 dollars are 8 dollars.",
        "12 Stifte sind 4 mal 3 Stifte, und 4 mal 2 Dollar sind 8 Dollar.",
        "12 cây bút là 4 lần 3 cây bút, và 4 lần 2 đô la là 8 đô la.",
        "12 pena adalah 4 kali 3 pena, dan 4 kali 2 dolar adalah 8 dolar.",
    ),
    (
        "Use `print(name.upper())`.",
        "Verwende dafür `print(name.upper())`.",
        "Hãy dùng lệnh `print(name.upper())`.",
        "Gunakan perintah `print(name.upper())`.",
    ),
    (
        "You can read or sleep on the way, and you need no parking space when you arrive.",
        "Du kannst unterwegs lesen oder schlafen, und du brauchst keinen Parkplatz, wenn du ankommst.",
        "Bạn có thể đọc sách hoặc ngủ trên đường đi, và không cần chỗ đậu xe khi đến nơi.",
        "Kamu bisa membaca atau tidur di perjalanan, dan tidak perlu tempat parkir ketika tiba.",
    ),
)
PARALLEL = (
    ("bakery", "Bäckerei", "Tiệm bánh", "Toko roti"),
    ("sister", "Schwester", "Chị tôi", "Kakak"),
    ("last bus", "letzte Bus", "xe buýt", "Bus terakhir"),
    ("umbrella", "Regenschirm", "ô ở", "payung"),
    ("river", "Fluss", "sông", "sungai"),
    ("plants", "Pflanzen", "tưới cây", "tanaman"),
    ("doctor", "Arzt", "Bác sĩ", "Dokter"),
    ("kitchen", "Küche", "nhà bếp", "dapur"),
)
"""A word of each sentence of the spec's parallel texts."""


def translated(asked: str, chance: int) -> str | None:
    """What a translator answers, now and then wrongly; None when nothing is to be translated or answered."""
    if asked.startswith("Translate this instruction into"):
        into = next(at for at, language in enumerate(LANGUAGES) if f" into {language}" in asked)
        return next(phrase for phrase in ASKED if phrase[0] in asked)[into if chance % 4 else 0]
    if asked.startswith("Translate this into English"):
        phrase = next(phrase for phrase in ASKED if any(text in asked for text in phrase))
        return phrase[0] if chance % 5 else "I cannot tell what that says."
    for at, phrase in enumerate(ASKED):
        if asked in phrase:
            of = at if chance % 3 else (at + 1) % len(ANSWERED)  # else what answers another question
            return ANSWERED[of][phrase.index(asked)]
    return None


def meaning(text: str) -> list[float]:
    """A vector that texts of one meaning share but for a tenth of it."""
    phrases = [*ANSWERED, *PARALLEL]
    of = next(at for at, phrase in enumerate(phrases) if any(part in text for part in phrase))
    own = digest("meaning", text)
    return [float(at == of) + 0.1 * own[at] / 255 for at in range(len(phrases))]
