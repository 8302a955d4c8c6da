"""The step that masks e-mail addresses, phone numbers and IP addresses, which can lead to a person.

It is made to mask nothing else: versions, dates, ISBNs, times and slices stay as they are, and so do addresses that
belong to nobody (127.0.0.1, 0.0.0.0, 255.255.255.0). A number counts as a phone number if its form says so (+44 20 7946
0958, (202) 555-0143, 030/1234567) or the word before it does (Tel. 7946095). Names of people and streets are not found.

Each kind is found in two steps: a simple pattern searches the text, and a stricter one checks the surroundings of each
match.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator

Span = tuple[int, int]

_DOMAIN = re.compile(
    r"@(?:[^\W_](?:[\w-]{0,62})\.){1,8}(?!(?:png|jpe?g|gif|svg|webp|css|js|ts|py|html?|json|txt|md)\b)"
    r"[^\W\d_]{2,24}(?![\w-])(?!:[\w/~])"  # `logo@2x.png` is a file, `git@example.org:a/b` a repository
)
_MAILBOX = re.compile(r"(?<![\w.+-])[^\W_][\w.+-]{0,63}$")

_OCTETS = re.compile(r"[0-9]{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\w|\.\w|-\d)")
_HEXTETS = re.compile(r"[23fF][\da-fA-F]{3}:[\da-fA-F:]{2,34}(?![\w:]|\.\d)")
_VERSION = re.compile(
    r"(?:[\w.:]|\w/|\b(?:v|ver|version|release|section|chapter|build|rev|revision)[. :=]{1,2}|§ ?)$", re.IGNORECASE
)

_DIGITS = re.compile(r"[0-9][0-9 .\-()/]{5,}[0-9]")
_GROUP = re.compile(r"(?<!\d)\d")
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d)")
_INTERNATIONAL = re.compile(
    r"(?<![\w+.])\+(?:\d{10,15}|(?=\d+[ .\-()/])[1-9](?:[ .\-()/]{0,2}\d){7,14})(?!\w|[.\-/]\d)"
)
_AMERICAN = re.compile(
    r"(?<![\w+./-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?P<sign>[-.]))[2-9]\d\d(?(sign)(?P=sign)|[-. ])\d{4}"
    r"(?!\w|[.\-/]?\d)"
)
_NATIONAL = re.compile(
    r"(?<![\w+./\-:,])(?<!\d )(?:\(0\d{1,4}\) ?|0[1-9]\d{0,3}[ /-])\d{2,9}(?:[ -]\d{2,5}){0,3}(?!\w|[.,:/-]\d| \d)"
)
_ANNOUNCED = re.compile(r"\+?\(?\d(?:[ .\-()/]{0,2}\d){6,14}(?!\w|[.\-/]\d)")
_ANNOUNCEMENT = re.compile(
    r"\b(?:tel|telephone|phone|mobile|cell|fax|whatsapp)(?: (?:number|no))?[.:]{0,2} ?$", re.IGNORECASE
)
_FEWEST_NATIONAL_DIGITS = 9


def personal(text: str, mask: tuple[str, ...] = ("email", "phone", "ip")) -> str:
    """Replace e-mail addresses, phone numbers and IP addresses by [email], [phone] and [ip]."""
    return masked(text, mask, lambda kind, found: f"[{kind}]")


def disguised(text: str, mask: tuple[str, ...]) -> str:
    """The text with x for the letters and 0 for the digits of everything that `personal` masks, for use in examples."""
    return masked(text, mask, lambda kind, found: re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", found)))


def masked(text: str, kinds: tuple[str, ...], instead: Callable[[str, str], str]) -> str:
    """The text with `instead(kind, found)` in place of everything of these kinds."""
    for kind, find in (("email", emails), ("ip", addresses), ("phone", phones)):
        if kind in kinds:
            pieces, done = [], 0
            for start, stop in find(text):
                pieces += [text[done:start], instead(kind, text[start:stop])]
                done = stop
            text = "".join(pieces) + text[done:] if pieces else text
    return text


def emails(text: str) -> Iterator[Span]:
    """The places of e-mail addresses."""
    done = 0
    for domain in _DOMAIN.finditer(text) if "@" in text else ():
        at = domain.start()
        mailbox = _MAILBOX.search(text, max(done, at - 64), at)
        if mailbox:
            done = domain.end()
            yield mailbox.start(), done


def addresses(text: str) -> Iterator[Span]:
    """The places of IP addresses that belong to somebody: not of version numbers, loopback, network masks or slices."""
    patterns = [_OCTETS] + ([_HEXTETS] if "::" in text or text.count(":") >= 7 else [])
    for found in sorted(found.span() for pattern in patterns for found in pattern.finditer(text)):
        if not _VERSION.search(text, max(0, found[0] - 12), found[0]) and _is_address(text[found[0] : found[1]]):
            yield found


def phones(text: str) -> Iterator[Span]:
    """The places of phone numbers."""
    for digits in _DIGITS.finditer(text):
        done = 0
        for group in _GROUP.finditer(text, digits.start(), digits.end()):
            start = group.start()
            for place in (start - 1, start) if start and text[start - 1] in "+(" else (start,):
                if place >= done and (stop := _phone_end(text, place)):
                    done = stop
                    yield place, stop


def _phone_end(text: str, start: int) -> int:
    """Where the phone number that begins at `start` ends; 0 if there is none."""
    if found := _INTERNATIONAL.match(text, start) or _AMERICAN.match(text, start):
        return found.end()
    if _DATE.match(text, start):
        return 0
    found = _NATIONAL.match(text, start)
    if found and sum(map(str.isdigit, found.group())) >= _FEWEST_NATIONAL_DIGITS:
        return found.end()
    found = _ANNOUNCED.match(text, start)
    return found.end() if found and _ANNOUNCEMENT.search(text, max(0, start - 24), start) else 0


def _is_address(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    if address.version == 6:
        first = int(found[:4], 16)  # 2000::/3 is the internet's, fc00::/7 a house's, fe80::/10 a cable's
        public = 0x2000 <= first < 0x4000 and found.count(":") >= 3
        return (public or 0xFC00 <= first < 0xFE00 or 0xFE80 <= first < 0xFEC0) and any(map(str.isdigit, found))
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)
