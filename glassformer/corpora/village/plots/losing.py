"""Things and people that are not where they should be: lost and found, hide and seek, a mistaken suspicion."""

TEXT = """
love-thing a o | owns a o
    {a} loved {o} more than anything
    {a} took {o} everywhere, even to bed
    nobody but {a} was allowed to touch {o}
    {a} would not have swapped {o} for a mountain of cake
lose a o | has a o, +lost o
    {a} reached for {o}, but {o} was gone
    {a} felt for {o}, and {o} was not there
    {a} looked around for {o} and could not see {o} anywhere
    {a} noticed that {o} was missing
"lost-it a b o | lost o
    I cannot find {o}!
    I have lost {o}!
    {o} is gone!
"help-look a b
    Do not worry, we will look together.
    I will help you look.
    Four eyes see more than two!
    Let us think. Where were you this morning?
look-under a o | lost o
    {a} looked under <hiding>, but {o} was not there
    {a} searched behind <hiding>, but there was no sign of {o}
    {a} peered behind <hiding>, but saw only a(n) <spider> instead of {o}
    {a} crawled under <hiding> to look for {o} and came out with nothing but dusty knees
ask-role a b | here a b
    {a} asked {b name} for help
    {a} knocked at {b his} door
"seen-it a b o | lost o
    Have you seen {o}?
    Did you find {o} by any chance?
"try-place a b l
    I saw something strange {l at}.
    Try looking {l at}.
    If I were you, I would look {l at}.
lie-there o | lost o, appear o
    there, under <hiding>, lay {o}
    and there was {o}, right beside <hiding>
    something glinted behind <hiding>, and it was {o}
grab a o | near a o, lacks a o, +has a o
    {a} grabbed {o} and held it tight
    {a} picked {o} up and kissed it
    {a} snatched {o} up and danced in a circle
had-it a o b | has a o, lost o
    {a} had {o} all along
"careful a b o
    From now on I will take better care of {o}.
    I will never let {o} out of my sight again.
hide-game a b | here a b
    {ab} played hide-and-seek
    {ab} decided to play hide-and-seek
"count a b
    I will count to twenty, and you hide!
    You hide, and I will count!
    One, two, three, four, five!
hide a l | away a l, +at a l, +is a hidden
    {a} ran off and hid {l at}
    {a} tiptoed {l to} and crouched behind <hiding>
    {a} hid {l at}, as quiet as a mouse
seek a l | away a l, +at a l
    {a} looked for {a him-else} {l at}
    {a} went {l to} to look
nobody-there b | ~not b found
    there was no sign of {b name}
giggle-heard a b | here a b, is b hidden
    {a} heard {b name} giggle behind <hiding>
    {a} heard {b name} sneeze behind <hiding>
    {a} saw the tip of {b his} shoe behind <hiding>
"found-you a b | here a b, +not b hidden
    Found you!
    There you are, {b voc}!
    I can see your toes!
"my-turn a b
    Now it is my turn to count!
    How did you find me so fast?
"""
TEXT = (
    TEXT.replace("    {a} looked for {a him-else} {l at}\n", "    {a} looked [everywhere|high and low] {l at}\n")
    .replace(
        "seek a l | away a l, +at a l\n    {a} looked", "seek a l | away a l, +at a l\n    {a} came {l to} and looked"
    )
    .replace("looked [everywhere|high and low] {l at}", "looked [everywhere|high and low]")
)


def lost_and_found(s):
    h = s.hero
    o = s.thing(s.one_of(("toy", "treasure", "music")), holder=h, owner=h)
    s("own", h, o)
    s("love-thing", h, o)
    s.paragraph()
    if s.chance(0.5):
        s.opener("one-day" if not s.company else "suddenly")
    s("lose", h, o)
    s("sad", h)
    f = s.friend()
    s.say("lost-it", h, f, o, how="sob")
    s.say("help-look", f, h)
    s.paragraph()
    for _ in range(1 + s.chance(0.5)):
        s.go((h, f), s.somewhere())
        s("look-under", s.one_of((h, f)), o)
    place = s.somewhere()
    if s.chance(0.6):
        r = s.role()
        s("comes", r, h)
        s.say("seen-it", h, r, o)
        s.say("try-place", r, h, place)
        s.paragraph()
    s.go((h, f), place)
    s("lie-there", o)
    s("grab", h, o)
    s.say("thanks", h, f)
    if s.chance(0.5):
        s.say("welcome", f, h)
    s("glad", h)
    s.keepsake = o


def hide_and_seek(s):
    h = s.hero
    f = s.friend()
    s.clear()
    s("hide-game", h, f)
    s.say("count", h, f)
    start = s.place_of(h)
    place = s.somewhere()
    s("hide", f, place)
    s.paragraph()
    if s.chance(0.7):
        s("seek", h, s.somewhere())
        s("nobody-there", f)
    s.opener("then")
    s.go(h, place)
    s("giggle-heard", h, f)
    s.say("found-you", h, f)
    s.say("my-turn", f, h)
    s("laugh", (h, f))
    del start


PLOTS = [lost_and_found, hide_and_seek]
