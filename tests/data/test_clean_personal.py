import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.clean import CleanConfig, Cleaner, report
from glassformer.data.clean.personal import disguised, personal

ALL = ("email", "phone", "ip")
MASKED = {
    "email": [
        "ann@mail.example", "ann.lee+news@mail.example.org", "bob_1@host.de", "ZOË@bücher.example", "x@a-b.co.uk",
        "o.k-e@sub.sub.sub.example.com",
    ],
    "phone": [
        "+44 20 7946 0958", "+4915112345678", "+1 (202) 555-0143", "(202) 555-0143", "202-555-0143", "1-202-555-0143",
        "202.555.0143", "030/1234567", "020 7946 0958", "(020) 7946 0958", "01 23 45 67 89", "0151-23456789",
        "+33 1 23 45 67 89",
    ],
    "ip": [
        "192.0.2.7", "203.0.113.255", "198.51.100.23", "2001:db8::1", "fe80::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fd12:3456:789a::1",
    ],
}  # fmt: skip
AROUND = ["{}", "Write to {}.", "({})", "a {}, b", "<{}>", "is it {}?", "{}\n", "\n{}", '"{}"', "x: {}; y"]
LOOK_ALIKES = """
1.2.3 | v1.2.3.4 | version 1.2.3.4 | release 8.2.1.0 | 1.2.3.4.5 | Chrome/1.2.3.4 | 3.14159265358979 | 0.123456789
2023-10-05 | 05.10.2023 | 01.02.2023 10:30 | 01-02-2023 10 | 2023-10-05 12 | 12:30:45 | 1990-1995 | 10/05/2023 | 08-05-2023
tel 2023-10-05 | call 5551234567 | 08-05-2023-11-12 | 2023/10/05 11/12
ISBN 978-0-306-40615-7 | 0-306-40615-2 | 978 0 306 40615 7 | ISSN 2049-3630 | 123-45-6789
4111 1111 1111 1111 | 100 200 3000 | 1,234,567,890 | 0123456789 | 00 11 22 33 44 | 01 02 03 04 05 06 07 | 2+2=4 | +1000000
x[2020::5] | a[1::2] | std::cout | face::add | dead::beef | aa:bb:cc:dd:ee:ff | 12:30 | ::1 | :: | 1:2:3:4:5:6:7:8
127.0.0.1 | 0.0.0.0 | 255.255.255.0 | 224.0.0.251 | 999.1.1.1 | 1.2.3 .4
@property | a@b | user@host | git@github.com:owner/name.git | logo@2x.png | pkg@1.2.3 | @ann | a @ b.example
matrix @ other.T | 555-0143 | 12-34 | $1234567.89 | 1e-10 | 10-20-30-40-50 | 0x7f3a-0001
123e4567-e89b-12d3-a456-426614174000
"""


@pytest.mark.parametrize("around", AROUND)
def test_what_leads_to_a_person_is_masked_and_nothing_around_it(around):
    for kind, examples in MASKED.items():
        for example in examples:
            assert personal(around.format(example)) == around.format(f"[{kind}]"), example


@pytest.mark.parametrize("around", ["{}", "see {}.", "({})", "{}\n"])
def test_look_alikes_are_left_alone(around):
    for example in LOOK_ALIKES.replace("\n", " | ").split(" | "):
        assert personal(around.format(example)) == around.format(example)


def test_a_number_is_a_phones_when_the_text_says_so():
    text = "Tel. 7946095, fax: 030 12345678, Phone number 555 0143 99"
    assert personal(text) == "Tel. [phone], fax: [phone], Phone number [phone]"
    assert personal("hotel 7946095") == "hotel 7946095"


def test_several_in_one_line():
    assert personal("a@b.example,c@d.example;+44 20 7946 0958, 020 7946 0958 192.0.2.1,192.0.2.2") == (
        "[email],[email];[phone], [phone] [ip],[ip]"
    )


def test_only_what_is_asked_for():
    text = "ann@mail.example 192.0.2.7 (202) 555-0143"
    assert personal(text, ("ip",)) == "ann@mail.example [ip] (202) 555-0143"
    assert personal(text, ()) == text


EXAMPLES = [example for examples in MASKED.values() for example in examples]
PIECES = st.lists(st.sampled_from(EXAMPLES + LOOK_ALIKES.split(" | ")))


@given(PIECES.map(" and ".join))
def test_masking_is_idempotent(text):
    assert personal(personal(text)) == personal(text)


@given(st.lists(st.sampled_from([*EXAMPLES, *"0123456789.:-+()@/ ab\n", "tel ", "::", "2001:"])).map("".join))
def test_a_disguise_hides_what_is_masked_and_keeps_the_shape(text):
    hidden = disguised(text, ALL)
    assert len(hidden) == len(text)
    assert all(a == b or (b == "0" and a.isdigit()) or (b == "x" and a.isalpha()) for a, b in zip(text, hidden))
    assert hidden == text or personal(text) != text


def test_examples_do_not_keep_what_was_masked():
    cleaner = Cleaner(CleanConfig(steps=("newlines", "personal")))
    cleaner("Write to ann@mail.example\r\nor +44 20 7946 0958.")
    newlines, masked, _ = report(cleaner.take())
    assert newlines.examples[0].before == "Write to xxx@xxxx.xxxxxxx\r\nor +00 00 0000 0000."
    assert masked.examples[0].before == "Write to xxx@xxxx.xxxxxxx\nor +00 00 0000 0000."
    assert masked.examples[0].after == "Write to [email]\nor [phone]."
