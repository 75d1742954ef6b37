"""A thousand names: ordinary ones and hostile ones, in every script that certificates print, always the same."""

from random import Random

NAMES = 1000

_ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyzàâäãåæçéèêëíîïñóôöõøœśşšßúûüýžžąęłńźżđğıĺőřťůž",  # noqa: RUF001 - Turkish
    "vietnamese": "aăâbcdđeêghiklmnoôơpqrstuưvxyắằẵặấầẫậéẽẹếềễệíĩịóõọốồỗộớờỡợúũụứừữự",
    "greek": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώϊϋ",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяєіїґђјљњћџ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىءآأإؤئپچژگکی",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשתךםןףץ",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
    "thai": "กขคฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ",
    "chinese": "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗陳劉張黃趙鄭謝許鄧蕭葉镕喆堃珺祎",
    "japanese": "佐藤鈴木高橋田中渡辺伊山本村小林加吉斎斉髙﨑𠮷あいうえおかきくけこアイウエオー",
    "korean": "김이박최정강조윤장임한오서신권황안송류홍민준지훈서연예은",
}
_MARKS = {
    "arabic": "\u064e\u064f\u0650\u0651\u0652",
    "hebrew": "\u05b0\u05b4\u05b6\u05b7\u05bc",
    "devanagari": "\u093e\u093f\u0940\u0941\u0947\u094b\u094d\u0902",
    "thai": "\u0e31\u0e34\u0e35\u0e38\u0e39\u0e48\u0e49",
}
_VOWELS = "अआइईउऊएऐओऔ"
_HOSTILE = (
    "W" * 200, "i" * 200, "Management-" * 18, "龘" * 200, "한" * 200, "क्ष" * 200, "ปี่" * 200, "لله" * 66, "ש" * 200,
    "A B " * 50, "Ж" * 200, "O'Brien-" * 25, "محمد John " * 20, "山田 Ж שלום " * 20, "—" * 200, "x", "李",
)  # fmt: skip
_PUNCTUATED = ("latin", "greek", "cyrillic")
_UNSPACED = ("chinese", "japanese")


def thousand_names() -> list[str]:
    """All different, from one to some two hundred characters as readers count them."""
    random = Random(20261122)  # noqa: S311 - nothing here is a secret
    names = dict.fromkeys(name.strip() for name in _HOSTILE)
    while len(names) < NAMES:
        script = random.choice(list(_ALPHABETS))
        length = min(200, max(1, int(random.expovariate(1 / 28))))
        names[_name(random, script, length)] = None
    return list(names)


def _name(random: Random, script: str, length: int) -> str:
    words: list[str] = []
    while length > 0:
        size = min(length, 3 if script in _UNSPACED else random.randint(2, 11))
        words.append(_word(random, script, size))
        length -= size + 1
    separators = (" ", " ", " ", "-", "\u2019") if script in _PUNCTUATED else (" ",)
    name = words[0]
    for word in words[1:]:
        name += random.choice(separators) + word
    return name


def _word(random: Random, script: str, size: int) -> str:
    letters = []
    for _ in range(size):
        letters.append(random.choice(_ALPHABETS[script]))
        takes_mark = script in _MARKS and letters[-1] not in _VOWELS
        if takes_mark and random.random() < 0.3:
            letters.append(random.choice(_MARKS[script]))
    word = "".join(letters)
    return word.capitalize() if script in (*_PUNCTUATED, "vietnamese") else word
