"""Which of the encodings of Latin letters a text is in: the one in which a language's alphabet covers it.

Statistics of letters (charset-normalizer) tell scripts apart and need a page to tell these from each other: `déjà` in
French is `déją` in the Baltic encoding. But no language is written with é, ą and ō at once.
"""

import re

ALPHABETS = {
    "cp1252": (
        "àâæçèéêëîïñôœùûüÿ", "äöüßéàè", "áéíñóúüçàèïòŀ", "áâãàçéêíóôõúü", "àèéìíîòóùú", "åäöæøéàèôü", "áðéíóúýþæöø",
        "áàâäéèêëíìîïóòôöúùûüÿ",
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "ëç"),
    "cp1254": ("çğıöşüâîû",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņōŗšūž", "äõöüšž"),
}  # fmt: skip
ALPHABETS["iso8859_2"] = ALPHABETS["cp1250"]
SIGNS = set(" ¡¿§©®™°ºª±²³µ¶·×÷¼½¾«»‹›„“”‚‘’–—…•†‡€£¥¢‰")
"""What any of them may be written with."""
WITHIN = re.compile(r"(?<=[a-z])[¡¿§©®™°²³·†‡€£¥](?=[a-z])|(?<=[a-z])[±¶×÷¼½¾¢‰]|[±¶×÷¼½¾¢‰](?=[a-z])")
"""But not as a letter of a word: `ma³y`, `¶wie¿±` are Polish."""
MISFITS = 0.05
"""The share of characters beyond ASCII that may be from another language."""


def latin(sample: bytes) -> str:
    """The encoding under which some alphabet covers nearly all of the sample; Western before others; or nothing."""
    shares = {encoding: _misfits(sample, encoding) for encoding in ALPHABETS}
    best = min(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] <= MISFITS else ""


def _misfits(sample: bytes, encoding: str) -> float:
    """The share of characters beyond ASCII that the best alphabet does not have."""
    try:
        text = sample.decode(encoding).lower()
    except UnicodeDecodeError:
        return 1.0
    odd = WITHIN.findall(text) + [
        c for c in text if c > "\x7f" and c not in SIGNS and c != "\u0307"
    ]  # the dot of a Turkish capital
    n_characters = sum(c > "\x7f" for c in text)
    return min(sum(c not in alphabet for c in odd) for alphabet in ALPHABETS[encoding]) / max(1, n_characters)
