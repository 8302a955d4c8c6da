"""Weather and night: a storm."""

TEXT = """
storm-comes | ~+weather storm
    dark clouds rolled over the hills, and thunder rumbled
    lightning flashed, and the thunder went <sound>
    a storm broke over the village
shelter a | +is a wet
    {a} crawled under <rain-shelter>, but the rain found a way in
    {a} crouched under <rain-shelter>, wet to the skin
afraid a | +is a afraid
    {a} {a was} frightened
    {a} trembled like a leaf
    {a his} heart was beating like a drum
"brave a b | here a b
    Hold my hand, it will soon be over.
    Do not be afraid, I am with you.
    Let us sing until it stops!
hold-hand a b | here a b
    {a} held {b his} hand
    {a} put one arm around {b him}
not-afraid a | is a afraid, +not a afraid
    {a} {a was} not afraid any more
    {a} felt brave again
storm-ends | ~weather storm, +weather sunny
    the storm passed
    the thunder grumbled away behind the hills
    the sky grew bright again
dry a | is a wet, +not a wet
    {a} {a was} soon dry again
    {a} shook the water out of {a his} hair
"""


def storm(s):
    h = s.hero
    s.daylight()
    f = s.friend()
    s.opener("suddenly")
    s("storm-comes")
    s("shelter", (h, f))
    s("afraid", h)
    s.say("brave", f, h)
    s("hold-hand", f, h)
    s.paragraph()
    s.opener("at-last")
    s("storm-ends")
    s("not-afraid", h)
    s("dry", (h, f))


PLOTS = [storm]
