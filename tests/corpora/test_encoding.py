"""Text in any encoding is read as what it is, and what was found out is said."""

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora._formats import encoding as encodings
from glassformer.corpora._formats import read
from glassformer.corpora._formats.encoding import detect, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable
from glassformer.corpora.files import Files
from glassformer.errors import SettingError

SENTENCES = {
    "Il répondit qu'à l'été dernier, la forêt brûlait déjà. Où êtes-vous allés, mon garçon ?": "cp1252 latin-1",
    "Der Bär ging über die Brücke und hörte schöne Lieder, während größere Vögel süße Äpfel fraßen.": "cp1252 latin-1",
    "El niño pequeño comió piñas en la mañana y después corrió hacia la montaña, ¿verdad?": "cp1252 latin-1",
    "Från ön såg pojken båten och ropade på sin mor, men hon hörde inte för vinden över sjön.": "cp1252 latin-1",
    "The café was closed on Monday, and the naïve tourist waited.": "cp1252 latin-1",
    "“It’s fine,” he said — and left. The boy’s dog didn’t follow…": "cp1252",
    "café au lait": "cp1252",
    "déjà vu, là-bas, à côté": "cp1252 latin-1",
    "smörgåsbord är gott": "cp1252 latin-1",
    "Ça va? Très bien, merci.": "cp1252 latin-1",
    "5 £ and 10 €, 20°C ± 1": "cp1252",
    "Köszönöm szépen, jó estét kívánok! Árvíztűrő tükörfúrógép": "cp1250 iso8859_2",
    "Život je lijep, šećer i čaj": "cp1250",
    "İstanbul'da güneşli bir gün, ağaçlar çiçek açtı": "cp1254",
    "Ačiū labai, gražus oras šiandien ir žmonės džiaugiasi": "cp1257",
    "Paldies, šodien ir ļoti jauka diena, zēns spēlējas": "cp1257",
    "Mały chłopiec poszedł do lasu i zobaczył ogromnego żubra, który jadł świeżą trawę nad rzeką.": "cp1250 iso8859_2",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Malý chlapec šel do lesa a uviděl velkého medvěda.": "cp1250",
    "Маленький мальчик пошёл в лес и увидел большого медведя, который ел мёд.": "cp1251 koi8_r",
    "Το μικρό αγόρι πήγε στο δάσος και είδε μια μεγάλη αρκούδα που έτρωγε μέλι.": "cp1253",
    "Küçük çocuk ormana gitti ve büyük bir ayı gördü. Ağaçların altında güneş ışığı vardı.": "cp1254",
    "הילד הקטן הלך ליער וראה דוב גדול שאכל דבש. הוא נבהל ורץ הביתה אל אמו.": "cp1255",
    "ذهب الولد الصغير إلى الغابة ورأى دبا كبيرا يأكل العسل. خاف وركض إلى البيت.": "cp1256",
    "小さな男の子は森へ行って、大きな熊を見ました。彼は怖くなって家に走って帰りました。": "shift_jis euc_jp",
    "小男孩走到森林裡看見一隻大熊他很害怕就跑回家去找媽媽了今天天氣很好": "gb18030 big5",
    "작은 소년은 숲으로 가서 큰 곰을 보았습니다. 그는 무서워서 집으로 달려갔습니다.": "euc_kr",
}
CASES = [(text, name) for text, names in SENTENCES.items() for name in names.split()]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def documents(data: bytes, **knobs) -> list:
    return list(read(io.BytesIO(data), "a.txt", Knobs(**knobs)))


@pytest.mark.parametrize("text, name", CASES, ids=[f"{name}-{text[:8]}" for text, name in CASES])
@pytest.mark.parametrize("times", [1, 50])
def test_a_sentence_is_read_as_what_it_is_and_that_is_said(text, name, times):
    (document,) = documents((text + "\n").encode(name) * times)
    assert document.text == (text + "\n") * times
    assert document.note.startswith("was read as ")


@given(
    st.text(st.characters(max_codepoint=0xFF, min_codepoint=32, exclude_categories=["Cc"])), st.sampled_from(UNICODE)
)
def test_unicode_of_every_kind_is_certain(text, name):
    text = "Once upon a time, " + text
    data = codecs.BOM_UTF32_LE + text.encode("utf-32-le") if name == "utf-32" else text.encode(name)
    (document,) = documents(data)
    assert document.text == text
    assert bool(document.note) == (not name.startswith("utf-8"))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])).filter(str.strip), st.integers(1, 9))
def test_a_long_file_is_converted_in_any_pieces(text, size):
    for name in ("utf-16", "gb18030"):
        chunks = (text.encode(name)[i : i + size] for i in range(0, len(text.encode(name)) + 1, size))
        assert b"".join(encodings._convert(chunks, name)).decode() == text.removeprefix("\ufeff")


def test_what_is_said_counts_for_less_than_what_is():
    declared = '<meta charset="iso-8859-1"><p>'
    assert utf8(io.BytesIO((declared + "€").encode()), "auto").encoding == "utf-8"
    assert detect((declared + "µ").encode("latin-1")) == "iso8859-1"
    assert detect(b"# coding: nonsense\n" + "café\n".encode("cp1252") * 3) == "cp1252"
    assert detect(b"# coding: hex\n" + "café\n".encode("cp1252") * 3) == "cp1252"


@pytest.mark.parametrize("declared", ["iso-8859-1", "latin-1", "us-ascii", "windows-1252"])
def test_quotation_marks_of_windows_are_no_control_characters(declared):
    page = f'<meta charset="{declared}"><p>“Early – and late”, he wrote…'
    assert [d.text for d in read(io.BytesIO(page.encode("cp1252")), "a.html", Knobs())] == [
        "“Early – and late”, he wrote…"
    ]


def test_a_bad_line_of_an_old_mac_costs_only_itself():
    skipped, document = documents("Zoë, José, Ñandú\rone\r".encode() + b"caf\xe9\rtwo\r")
    assert (skipped.origin, document.text) == ("a.txt:3", "Zoë, José, Ñandú\rone\rtwo\r")


@pytest.mark.parametrize("data, place", [(b"\xfe\xff\0a\0\n\xd8\0\0b\0\n\0c", 2), (b"\xff\xfea\0\n\0b\0\n\0c", 3)])
def test_damage_in_another_encoding_is_placed_too(data, place):
    skipped, document = documents(data)
    assert str(skipped).startswith(f"a.txt:{place} is not valid UTF-16") and document.text.startswith("a\n")


def test_a_given_encoding_is_believed_and_what_does_not_fit_is_placed():
    assert documents("żółw".encode("cp1250"), encoding="cp1252")[0].text == "¿ó³w"
    skipped, document = documents(b"one\ncaf\xe9\n", encoding="utf-8")
    assert (skipped.origin, document.text) == ("a.txt:2", "one\n")
    skipped, document = documents(b"one\n\x81\n", encoding="cp1252")
    assert (skipped.origin, document.text) == ("a.txt:2", "one\n")


@pytest.mark.parametrize("name", ["utf-9", "hex", "rot13", "undefined", ""])
def test_an_encoding_that_is_none_is_refused(name):
    with pytest.raises(SettingError, match="there is no encoding"):
        Files.parse({"path": "x", "encoding": name})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        source = utf8(io.BytesIO(data), "auto")
        source.file.read()
    except Unreadable as error:
        assert error.reason.startswith("is ")


@pytest.mark.parametrize("name", ["utf-16", "unicode_escape", "utf-7", "gb18030", "shift_jis", "ascii", "latin-1"])
@given(data=st.binary(max_size=60))
def test_any_bytes_in_any_encoding_are_read_or_skipped(name, data):
    for document in documents(b"text " * 200 + data, encoding=name):
        document.text.encode("utf-8", "surrogatepass")
