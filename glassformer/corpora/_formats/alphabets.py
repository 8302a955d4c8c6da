"""Which encoding of Latin letters a text is in: the one under which all its letters belong to the alphabet of one
language.

Letter statistics (charset-normalizer) tell scripts apart, but need a page of text to tell these encodings apart: the
bytes of the French `déjà` read `déją` in the Baltic encoding. No language uses é, ą and ō together, so alphabets decide
sooner.
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
"""Signs that texts of every language may contain."""
WITHIN = re.compile(r"(?<=[a-z])[¡¿§©®™°²³·†‡€£¥](?=[a-z])|(?<=[a-z])[±¶×÷¼½¾¢‰]|[±¶×÷¼½¾¢‰](?=[a-z])")
"""Signs inside a word, where they can only be letters of another encoding: `ma³y`, `¶wie¿±` are Polish."""
MISFITS = 0.05
"""How large a share of the characters beyond ASCII may belong to no alphabet of the encoding."""


def latin(sample: bytes) -> str:
    """The encoding under which one alphabet covers nearly all of the sample, Western encodings first; "" if there is
    none."""
    shares = {encoding: _misfits(sample, encoding) for encoding in ALPHABETS}
    best = min(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] <= MISFITS else ""


def _misfits(sample: bytes, encoding: str) -> float:
    """The share of characters beyond ASCII that are missing in the best alphabet of the encoding."""
    try:
        text = sample.decode(encoding).lower()
    except UnicodeDecodeError:
        return 1.0
    odd = WITHIN.findall(text) + [
        c for c in text if c > "\x7f" and c not in SIGNS and c != "\u0307"
    ]  # the dot of a Turkish capital
    n_characters = sum(c > "\x7f" for c in text)
    return min(sum(c not in alphabet for c in odd) for alphabet in ALPHABETS[encoding]) / max(1, n_characters)
