"""Kinds of sentences. Each is defined once; the teller words it and the checker reads it.

A kind is written as a header, followed by its wordings:

    give a o b | here a b, has a o, +has b o
        {a} gave {o} to {b him}
        {a} [handed|passed] {b him} {o}

The header has the name of the kind and its arguments (a to d are characters, o to q things, l and m places, `k:skill` a
word of a class). After the bar come the facts: what the sentence requires of the state and, with `+`, how it changes it
(methods of `World`). In a wording, `{b him}` names b in a case, `{ab}` is a and b together, `[x|y]` is x or y,
`<softly>` is any word of that class, and `a(n)` is the right article. The first character of the name says what kind of
wording it is: a letter begins a clause, `"` something said, `@` an opener, `,` a tail after a clause, `^` and `%` who
said it, after and before the quotation. The `a` of a clause acts and so must be awake, unless the facts begin with `~`.
"""

import re
from collections.abc import Callable, Iterator
from itertools import product

from .whereabouts import each
from .words import WORDS
from .world import World

TOKEN = re.compile(r"""[A-Za-z]+(?:-[A-Za-z]+)*(?:'(?:t|ll|m|re|ve|d)(?![a-z]))?|'s|[.,!?;:"]|\n+|\S""")
FORMS = {'"': "speech", "@": "opener", ",": "tail", "^": "after", "%": "before"}
LITERAL, CLASS, WHO, WHAT, WHITHER, AN, BOUND = range(7)
ROLE_OF = dict.fromkeys([*"abcd", "ab"], WHO) | dict.fromkeys("opq", WHAT) | dict.fromkeys("lm", WHITHER)
STATE = re.compile(
    r"\{a\} (had|owned|did|was|wanted|knew|could|felt|still|never|would|loved|kept|\{a was\})"
)  # not joined
PART = re.compile(r"\{(\w+)(?: (\w+))?\}|<([\w-]+)>|(a\(n\))")


class Template:
    """One wording. The teller uses its `parts`; the reader finds it in a trie of tokens."""

    __slots__ = ("ends", "kind", "leads", "parts", "plain", "vocative")

    def __init__(self, kind: "Kind", wording: str) -> None:
        if wording[0].isupper() and TOKEN.findall(wording)[0] not in ("I", "I'll", "I'm"):
            wording = wording[0].lower() + wording[1:]  # the teller capitalises, the reader reads it in lower case
        self.kind = kind
        self.ends = wording[-1] in ".!?"  # carries its own full stop
        self.leads = wording.startswith("{a}") and not self.ends  # can share its subject: "... and picked up the ball"
        self.plain = "," not in wording and " and " not in wording and not STATE.match(wording)
        self.vocative = "{b voc}" in wording
        parts, end = [], 0
        for m in PART.finditer(wording):
            if m.start() > end:
                parts.append((LITERAL, wording[end : m.start()], ""))
            var, case, klass, _ = m.groups()
            if var:
                role = BOUND if var in kind.classes else ROLE_OF[var]
                parts.append((role, var, kind.classes.get(var) or case or ""))
            else:
                assert not klass or klass in WORDS, f"{kind.name}: no class of words called {klass}"
                parts.append((CLASS, "", klass) if klass else (AN, "", ""))
            end = m.end()
        if end < len(wording):
            parts.append((LITERAL, wording[end:], ""))
        self.parts = tuple(parts)
        slots = {x for role, x, _ in parts if role != LITERAL}
        slots |= {"a", "b"} if "ab" in slots else set()
        unsaid = kind.needed - slots - (set() if kind.form == "clause" else {"a", "b"})
        assert not unsaid, f"{kind.name}: '{wording}' does not say {unsaid}"


class Kind:
    """One thing that a sentence can say, with its wordings and its effect on a World."""

    def __init__(self, form: str, name: str, arguments: list[str], facts: str, wordings: list[str]) -> None:
        self.form, self.name = form, name
        self.classes = dict(x.split(":") for x in arguments if ":" in x)
        self.vars = tuple(x.split(":")[0] for x in arguments)
        self.needed = {x for x in self.vars if x in re.findall(r"\w+", facts)}
        if form == "clause" and self.vars[:1] == ("a",) and not facts.startswith("~"):
            self.needed.add("a")
        self.lines = [[Template(self, w) for w in expansions(wording)] for wording in wordings]
        self.facts = facts
        self.effect = compile_facts(self, facts)


def expansions(wording: str) -> list[str]:
    """Every choice of the [alternatives]: "[a|b] c" gives "a c" and "b c"."""
    pieces = [p.split("|") if i % 2 else [p] for i, p in enumerate(re.split(r"\[([^\]]*)\]", wording))]
    return [re.sub(r" ([.,!?])", r"\1", re.sub(r" +", " ", "".join(choice))).strip() for choice in product(*pieces)]


def compile_facts(kind: Kind, facts: str) -> Callable[[World, dict], None]:
    """The facts of a kind as one Python function of (world, arguments)."""
    calls = []
    passive = facts.startswith("~")
    if kind.form in ("clause", "tail") and kind.vars[:1] == ("a",) and not passive:
        calls.append("w.act(e['a'])")
    for fact in filter(None, (f.strip() for f in facts.removeprefix("~").split(","))):
        name, *arguments = fact.split()
        method = next((m for m in _methods(name) if hasattr(World, m)), None)
        assert method, f"{kind.name}: a World knows no fact called {name}"
        values = ", ".join(_value(kind, x) for x in arguments)
        guard = "e.get('b') is None or " if kind.form in ("speech", "after", "before") and "e['b']" in values else ""
        calls.append(f"{guard}w.{method}({values})")
    body = "\n    ".join(calls) or "pass"
    scope: dict = {"each": each}
    exec(f"def effect(w, e):\n    {body}", scope)  # our own text, compiled once: a loop over facts costs twice the time
    return scope["effect"]


def _methods(name: str) -> list[str]:
    if name.startswith("+"):
        return ["set_" + name[1:]]
    return [name, name + "_"]


def _value(kind: Kind, x: str) -> str:
    if m := re.fullmatch(r"(home|place)\((\w)\)", x):
        return f"w.home(e['{m[2]}'])" if m[1] == "home" else f"w.place(each(e['{m[2]}'])[0])"
    if x in kind.vars:
        return f"e['{x}']"
    assert len(x) > 1, f"{kind.name}: {x} is not an argument"
    return repr(x)


def kinds(text: str) -> Iterator[Kind]:
    """The kinds that are written in `text`."""
    header, wordings = "", []
    for line in [*text.splitlines(), "end"]:
        if line.startswith(" "):
            wordings.append(line.strip())
        elif line.strip() and not line.startswith("#"):
            if header:
                yield _kind(header, wordings)
            header, wordings = line, []


def _kind(header: str, wordings: list[str]) -> Kind:
    head, _, facts = header.partition("|")
    name, *arguments = head.split()
    assert wordings, f"{name} has no wording"
    return Kind(FORMS.get(name[0], "clause"), name, arguments, facts.strip(), wordings)


class Node:
    """A node of the trie: the words and slots that may come next, and the wording that may end here."""

    __slots__ = ("leaf", "slots", "words")

    def __init__(self) -> None:
        self.words: dict[str, Node] = {}
        self.slots: dict[tuple, Node] = {}
        self.leaf: Template | None = None

    def add(self, template: Template) -> None:
        node = self
        for role, x, case in template.parts:
            if role == LITERAL:
                for token in TOKEN.findall(x):
                    node = node.words.setdefault(token, Node())
            else:
                node = node.slots.setdefault((role, x, case), Node())
        old = node.leaf
        if old is None:
            node.leaf = template
        else:  # two kinds may share a wording only if it claims the same
            same = (old.kind.facts, old.kind.vars) == (template.kind.facts, template.kind.vars)
            assert same, f"{old.kind.name} and {template.kind.name} read alike and claim different things"


class Grammar:
    """All kinds by name, and a trie of wordings for each form."""

    def __init__(self, texts: list[str]) -> None:
        self.kinds: dict[str, Kind] = {}
        self.tries = {form: Node() for form in ("clause", *FORMS.values())}
        for text in texts:
            for kind in kinds(text):
                assert kind.name not in self.kinds, f"{kind.name} is defined twice"
                self.kinds[kind.name] = kind
                for line in kind.lines:
                    for template in line:
                        self.tries[kind.form].add(template)


PHRASES = {  # class: first word: [(all its words, the phrase)], longest first
    klass: {
        first: sorted(
            ((tuple(TOKEN.findall(p)), p) for p in phrases if TOKEN.findall(p)[0] == first), key=lambda x: -len(x[0])
        )
        for first in {TOKEN.findall(p)[0] for p in phrases}
    }
    for klass, phrases in WORDS.items()
}
