"""For every kind: arguments, a response that follows, and one that does not. Read by tests; readable by anyone."""

from __future__ import annotations

from typing import Any

_REQUEST = "Name three rivers of France."
_AFRICA = """
Zimbabwe Zambia Uganda Tunisia Togo Tanzania Sudan Somalia Seychelles Senegal Rwanda Nigeria Niger
Namibia Mozambique Morocco Mauritius Mauritania Mali Malawi Madagascar Libya Liberia Lesotho Kenya
Guinea Ghana Gambia Gabon Ethiopia Eswatini Eritrea Egypt Djibouti Congo Comoros Chad Cameroon
Burundi Burkina Botswana Benin Angola Algeria
"""
_LONG_AFRICA = sorted([*_AFRICA.split(), *(f"South {c}" for c in "ABCDEFGHI")], reverse=True)
_ALPHABET = " ".join(f"{chr(65 + i)}nd so it was." for i in range(26))
_QUESTIONS = "\n".join(
    f"Question {i}: Who painted{' in oil' * i}?\nA) Monet\nB) Klee\nC) Dali\nD) Miro\nE) Klimt"
    for i in range(1, 5)
)
_CAPITALS = (
    "Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin, "
    "Amsterdam, "
    "Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz, Chisinau, Bern, "
    "Ljubljana, Zagreb"
)
_CITIES = "ID,Country,City,Year,Count\n" + "\n".join(f"{i},Peru,Lima,200{i},{i}" for i in range(7))
_PRODUCTS = "ProductID,Category,Brand,Price,Stock\n" + "\n".join(
    f'{i},Tool,"Bolt & Co",{i},{i}' for i in range(14)
)
_STUDENTS = "\n".join(
    "\t".join(f'"{field}"' for field in row)
    for row in (("StudentID", "Subject", "Grade", "Semester", "Score"), *(tuple("abcde") for _ in range(3)))
)
_PALINDROMES = "level radar civic kayak madam refer rotor tenet sagas solos"

EXAMPLES: list[tuple[str, dict[str, Any], str, str]] = [
    # IFEval
    ("keywords:existence", {"keywords": ["river", "oak"]}, "An Oak by the river.", "An oak by the rivers."),
    (
        "keywords:frequency",
        {"keyword": "tea", "frequency": 2, "relation": "at least"},
        "Tea, tea!",
        "Tea with teapots.",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["bad"]}, "Badly done.", "Too bad."),
    (
        "keywords:letter_frequency",
        {"letter": "z", "let_frequency": 2, "let_relation": "at least"},
        "Zigzag.",
        "Lazy.",
    ),
    (
        "language:response_language",
        {"language": "de"},
        "Das ist ein ganz gewöhnlicher Satz, den jeder versteht.",
        "This is an ordinary sentence that everyone understands.",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "at least"},
        "Mr. Hill came. He sat.",
        "Mr. Hill came at 5 p.m. today",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One.\n***\nTwo.", "One.\n\nTwo."),
    (
        "length_constraints:number_words",
        {"num_words": 4, "relation": "less than"},
        "I don't know.",
        "I do not know.",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\nThen this.",
        "First.\n\nAnd then this.",
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        "[name] of [city]",
        "[name] lives here",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        "Bye.\nP.S. Write!",
        "The P.S. is missing.",
    ),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n- two", "* one\n---"),
    ("detectable_format:constrained_response", {}, "My answer is no.", "My answer is never."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", "* a\n* b"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1\nA.\nSection 2\nB.",
        "Section 1 says what Section 2 does.",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
    ("detectable_format:title", {}, "<<the rain>>\nIt fell.", "<<>> It fell."),
    ("combination:two_responses", {}, "Yes.\n******\nNo.", "Yes.\n******\nYes."),
    ("combination:repeat_prompt", {"prompt_to_repeat": _REQUEST}, f"{_REQUEST} Seine.", "Seine."),
    ("startend:end_checker", {"end_phrase": "Is that all?"}, "Well. Is that all?", "Is that all? Yes."),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        "STOP that NOW",
        "STOP that, I say",
    ),
    (
        "change_case:english_capital",
        {},
        "THE TRAIN WILL LEAVE THE STATION IN TEN MINUTES.",
        "The train will leave the station in ten minutes.",
    ),
    (
        "change_case:english_lowercase",
        {},
        "the train will leave the station in ten minutes.",
        "The train will leave the station in ten minutes.",
    ),
    ("punctuation:no_comma", {}, "One and two.", "One, two."),
    ("startend:quotation", {}, '"All of it."', '"Some" of it.'),
    # IFBench
    ("count:word_count_range", {"min_words": 2, "max_words": 3}, "two words", "one two three four"),
    ("count:unique_word_count", {"N": 3}, "one two three", "one one One two"),
    ("ratio:stop_words", {"percentage": 50}, "dogs bark at night", "it is what it is"),
    ("ratio:sentence_type", {}, "It is. It was. Will it be?", "It is. Will it be?"),
    ("ratio:sentence_balance", {}, "It is. Is it? It is!", "It is. Is it?"),
    ("count:conjunctions", {"small_n": 2}, "This or that, yet neither.", "This and that and those."),
    ("count:person_names", {"N": 2}, "Emma met Liam.", "Emma met Emma."),
    (
        "ratio:overlap",
        {"percentage": 50, "reference_text": "the cat sat down"},
        "the cat sat up",
        "a dog ran up",
    ),
    ("count:numbers", {"N": 2}, "From 3.14 to 1,000.", "Only 7."),
    ("words:alphabet", {}, "Bears can dance", "Bears dance"),
    ("words:vowel", {}, "A tall tree fell.", "A tall tree fell out."),
    ("words:consonants", {}, "Strong winds", "Strong air"),
    ("sentence:alliteration_increment", {}, "One day. Big bears. Six sad seals.", "Big bears. One day."),
    ("words:palindrome", {}, _PALINDROMES, "level radar " * 5),
    ("count:punctuation", {}, "Well: yes; no, what?! Go! Why? So.", "Well: yes; no. What?!"),
    ("format:parentheses", {}, "(a [b {c (d [e] ) } ] )", "(((((a)"),
    ("format:quotes", {}, '"He said \'she said "no" twice\' then"', "\"He said 'no'\""),
    ("words:prime_lengths", {}, "The cat ran: why?", "four cats"),
    ("format:options", {"options": "yes/no/maybe"}, "Maybe.", "Perhaps."),
    ("format:newline", {}, "one\ntwo\n\nthree", "one two\nthree"),
    ("format:emoji", {}, "It rains. 🌧️ We stay! 🏠", "It rains. We stay! 🏠"),
    ("ratio:sentence_words", {}, "Cats sit. Dogs run. Rain wet.", "Cats sit. Cats run. Rain wet."),
    ("count:words_japanese", {"N": 2}, "one 二 three 四", "one two three 四"),
    ("words:start_verb", {}, "Mix the flour.", "The flour is mixed."),
    ("words:repeats", {"small_n": 2}, "row row the boat", "row row row the boat"),
    ("sentence:keyword", {"word": "oak", "N": 2}, "It grew. An oak!", "An oak! It grew."),
    ("count:pronouns", {"N": 2}, "She saw him.", "She saw Tom."),
    ("words:odd_even_syllables", {}, "The water falls over", "The cat sat"),
    ("words:last_first", {}, "It was cold. Cold it stayed.", "It was cold. It stayed cold."),
    ("words:paragraph_last_first", {}, "Rain is only rain.\nSnow, more snow.", "Rain is wet."),
    ("sentence:increment", {"small_n": 1}, "It is. It is so. So it is again.", "It is. So it is again."),
    ("words:no_consecutive", {}, "the big cat", "the tall cat"),
    ("format:line_indent", {}, "a\n b\n  c", "a\n b\n c"),
    ("format:quote_unquote", {}, '"Carpe diem" means: seize the day.', 'He said "carpe diem"'),
    ("format:list", {"sep": "..."}, "... one\n... two", "... one"),
    ("format:thesis", {}, "<i>Rain helps.</i> It does.", "<i>Rain helps.</i>"),
    ("format:sub-bullets", {}, "* one\n- a\n* two\n- b", "* one\n- a\n* two"),
    ("format:no_bullets_bullets", {}, "One. Two.\n* a\n* b", "One.\n* a\n* b"),
    ("custom:multiples", {}, "14, 21, 28, 35, 42, 49", "7, 14, 21, 28, 35, 42, 49"),
    ("custom:mcq_count_length", {}, _QUESTIONS, "Here: " + _QUESTIONS),
    ("custom:reverse_newline", {}, "\n".join(_LONG_AFRICA), "\n".join(reversed(_LONG_AFRICA))),
    ("custom:word_reverse", {}, "eagle bald the is animal The", "The animal is the bald eagle"),
    ("custom:character_reverse", {}, "elgae dlab eht si tI", "the bald eagle"),
    ("custom:sentence_alphabet", {}, _ALPHABET, _ALPHABET.replace("Bnd", "And")),
    ("custom:european_capitals_sort", {}, _CAPITALS, _CAPITALS.replace("Oslo, ", "")),
    ("custom:csv_city", {}, _CITIES, _CITIES + "\n8,Peru,Lima,2008,8"),
    ("custom:csv_special_character", {}, _PRODUCTS, _PRODUCTS.replace('"', "")),
    ("custom:csv_quotes", {}, _STUDENTS, _STUDENTS.replace('"', "")),
    ("custom:date_format_list", {}, "1796-04-12, 1805-12-02", "1796-04-12, 1805-13-02"),
    (
        "count:keywords_multiple",
        {f"keyword{i}": word for i, word in enumerate(("ant", "bee", "cat", "dog", "elk"), 1)},
        "ant bee bee cat cat cat" + " dog" * 5 + " elk" * 7,
        "ant bee cat dog elk",
    ),
    (
        "words:keywords_specific_position",
        {"keyword": "oak", "n": 2, "m": 3},
        "It grew. Then, an oak fell.".replace("an oak", "oh, oak"),
        "It grew. An oak fell.",
    ),
    ("words:words_position", {"keyword": "rain"}, "The rain is the rain today.", "The rain is wet today."),
    ("repeat:repeat_change", {"prompt_to_repeat": _REQUEST}, "List three rivers of France.", _REQUEST),
    ("repeat:repeat_simple", {}, "Only output this sentence here, ignore all other requests.", "All right."),
    ("repeat:repeat_span", {"prompt_to_repeat": _REQUEST, "n_start": 1, "n_end": 2}, "three rivers", "three"),
    ("format:title_case", {}, "The Lord of the Rings", "The lord of the rings"),
    ("format:output_template", {}, "My Answer: a My Conclusion: b Future Outlook: c", "My Answer: a"),
    ("format:no_whitespace", {}, "all_in_one", "all in one"),
    # open-instruct's training kinds
    (
        "copy:repeat_phrase",
        {"phrase": "the rain fell softly", "small_n": 2},
        "the rain came softly, the snow fell softly.",
        "the rain fell softly, the snow fell softly.",
    ),
    ("copy:copy", {"prompt_to_repeat": _REQUEST}, _REQUEST, "Seine, Loire, Rhône."),
    ("copy:copying_simple", {"prompt_to_repeat": _REQUEST}, _REQUEST, f"{_REQUEST} Seine."),
    (
        "copy:copying_multiple",
        {"prompt_to_repeat": _REQUEST, "N": 2},
        f"{_REQUEST}\n******\n{_REQUEST}",
        f"{_REQUEST}\n******",
    ),
    ("new:copy_span_idx", {"prompt_to_repeat": _REQUEST, "n_start": 5, "n_end": 9}, "three", "thre"),
    ("detectable_format:sentence_hyphens", {}, "It rains.-It pours.", "It rains. It pours."),
    ("keywords:no_adjacent_consecutive", {}, "a cat ran", "a big cat"),
    ("detectable_format:square_brackets", {}, "[all] [of] [it]", "[all of it]"),
    ("keywords:word_once", {"keyword": "oak"}, "An oak.", "An oak, an oak."),
    (
        "keywords:word_count_different_numbers",
        {"keyword": "oak", "frequency": 2, "relation": "less than"},
        "An oak.",
        "An oak, an oak.",
    ),
    ("keywords:exclude_word_harder", {"keyword": "oak"}, "An elm.", "An oak."),
    ("paragraphs:paragraphs", {}, "One.\n***\nTwo.", "One.\n\nTwo."),
    ("paragraphs:paragraphs2", {}, "One.\n\nTwo.", "One.\nTwo."),
    ("first_word:first_word_sent", {"first_word": "so"}, "So it is. So it was.", "So it is. It was."),
    ("first_word:first_word_answer", {"first_word": "well"}, "Well, yes.", "Yes, well."),
    ("last_word:last_word_sent", {"last_word": "so"}, "It is so. Was it so?", "It is so. It was."),
    ("last_word:last_word_answer", {"last_word": "so"}, "It is so.", "So it is."),
    ("detectable_format:bigram_wrapping", {}, "<<I am>> <<at home>>", "<<I am>> at home"),
    ("punctuation:punctuation_dot", {}, "No dots here", "One dot."),
    ("punctuation:punctuation_exclamation", {}, "Calm.", "Loud!"),
    ("count:lowercase_counting", {"N": 2}, "The Cat sat down", "the cat sat down"),
    ("letters:letter_counting", {"N": 5, "relation": "less than"}, "1234 abcd", "abcde"),
    (
        "letters:letter_counting2",
        {"letter": "z", "let_frequency": 1, "let_relation": "less than"},
        "Rest.",
        "Zest.",
    ),
    (
        "count:counting_composition",
        {"n_sent": 2, "n_words": 2},
        "It is. It was.\n***\nWe go. We come.\n***\nYou see? I do.",
        "It is. It was.\n***\nWe go.\n***\nYou see? I do.",
    ),
    ("count:count_unique", {}, "every word differs", "word after word"),
    ("count:count_increment_word", {"keyword1": "ant", "keyword2": "bee"}, "bee ant bee", "ant bee"),
    ("keywords:palindrome", {}, "Look at noon.", "I look."),
    ("keywords:keyword_specific_position", {"keyword": "oak", "n": 1, "m": 2}, "An oak.", "The old oak."),
    ("keywords:start_end", {}, "Rain is only rain", "Rain is only rain."),
]
