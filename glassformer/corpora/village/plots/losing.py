"""Things and people that are not where they should be: lost and found, hide and seek, a mistaken suspicion, a runaway."""

TEXT = """
love-thing a o | owns a o
    {a} loved {o} more than anything
    {a} took {o} everywhere, even to bed
    nobody but {a} was allowed to touch {o}
    {a} would not have swapped {o} for a mountain of cake
    {a} polished {o} every evening
lose a o | has a o, +lost o
    {a} reached for {o}, but {o} was gone
    {a} looked around for {o} and could not see {o} anywhere
    {a} noticed that {o} was missing
    {a} looked left and right for {o}, but {o} was not there
"lost-it a b o | lost o
    I cannot find {o}!
    I have lost {o}!
    {o} is gone!
    I had {o} this morning, and now it is gone!
"help-look a b
    Do not worry, we will look together.
    I will help you look.
    Four eyes see more than two!
    Dry your tears. We will turn over every stone.
look-under a o | lost o
    {a} looked under <hiding>, but {o} was not there
    {a} searched behind <hiding>, but there was no sign of {o}
    {a} peered behind <hiding>, but saw only a(n) <spider> instead of {o}
    {a} crawled under <hiding> to look for {o} and came out with nothing but dusty knees
"seen-it a b o | lost o
    Have you seen {o}?
    Did you find {o} by any chance?
    We are looking for {o}. Have you seen it?
"try-place a b l
    I saw something strange {l at}.
    Try looking {l at}.
    If I were you, I would look {l at}.
    Hmm, did you not play {l at} yesterday?
lie-there o | lost o, appear o
    there, under <hiding>, lay {o}
    there was {o}, right beside <hiding>
    something glinted behind <hiding>, and it was {o}
    and what was that behind <hiding>? It was {o}!
grab a o | near a o, lacks a o, +has a o
    {a} grabbed {o} and held it tight
    {a} picked {o} up and kissed it
    {a} snatched {o} up and danced in a circle
    {a} hugged {o} like an old friend
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
    {a} came {l to} and looked [everywhere|high and low]
    {a} crept {l to} and peeked behind <hiding>
nobody-there b | ~is b hidden
    there was no sign of {b name}
    {b name} was nowhere to be seen
giggle-heard a b | here a b, is b hidden
    {a} heard {b name} giggle behind <hiding>
    {a} heard {b name} sneeze behind <hiding>
    {a} saw the tip of {b his} shoe behind <hiding>
"found-you a b | here a b, +not b hidden
    Found you!
    There you are, {b voc}!
    I can see your toes!
    Peekaboo, {b voc}!
"my-turn a b
    Now it is my turn to count!
    How did you find me so fast?
    It was my own sneeze that gave me away!
set-down a o | has a o, drop o
    {a} set {o} down on <ledge>
    {a} put {o} on <ledge>
    {a} left {o} on <ledge> for a moment
look-away a
    {a} turned around to watch <passing>
    {a} looked up to see <passing>
    {a} closed {a his} eyes to listen to <passing>
vanish a o | +lost o
    {a} turned back, and {o} was gone
    {a} looked again, and there was no {o bare} any more
"accuse a b o | here a b, lost o
    You took {o}!
    Give {o} back at once, {b voc}!
    Was it you who took {o}?
"deny a b
    I did not take it! I was here the whole time.
    Me? I would never do that.
    How can you say such a thing?
blame a b | here a b, +are a b cross, +is b sad
    {a} did not believe {b him}
    {a} would not listen to {b him}
    {a} gave {b him} a very dark look
thief a o | lost o, joins a, +has a o
    there sat {a an}, nibbling at {o}
    out of <hiding> came {a an}, dragging {o} behind it
    behind <hiding> sat {a an} with {o}
    up on a branch sat {a an}, and it was holding {o}
drop-it a o | has a o, drop o
    {a} dropped {o} and scurried away
    {a} let go of {o} and looked very guilty
"wrong a b | are a b cross
    I was wrong. Please forgive me.
    It was not you at all. I am so sorry.
    I should have asked before I shouted. I am sorry.
"forgive a b | +arent a b cross, +not a sad
    I forgive you, silly goose.
    Next time look twice before you shout.
    It is all right. Everybody makes mistakes.
slip-away a b l | here a b, away a l, +at a l
    {a} slipped through a hole in the fence and ran {l to}, while {b} was looking the other way
    {a} pulled {a himself} free from {b him} and ran off {l to}
"where-pet a b c
    {c name} has run away!
    I cannot see {c name} anywhere!
"like-pet a b c | here a b
    Where would you go if you were {c name}?
    {c name} must be hungry by now. Where is there something to eat?
pet-busy a
    there was {a}, <pet-fun>
    {a} sat in the middle of it all, <pet-fun>
"bad-pet a b | here a b
    You gave me such a fright!
    There you are, you rascal!
    Never do that again, {b voc}!
greet-pet a b | here a b
    {a} pressed {a his} face against {b his} neck
    {a} hugged {b him} and did not let go for a long time
    {a} scratched {b him} behind the ears
"""


def lost_and_found(s):
    h = s.hero
    s.outside()
    o = s.keep(s.thing(s.one_of(("toy", "treasure", "music")), holder=h, owner=h))
    s("own", h, o)
    s("love-thing", h, o)
    s.paragraph()
    s.opener("suddenly" if s.chance(0.5) else "then")
    s("lose", h, o)
    s("sad", h)
    f = s.friend()
    s.say("lost-it", h, f, o, how="sob")
    s.say("help-look", f, h)
    s.paragraph()
    for _ in range(1 + s.chance(0.4)):
        s.go((h, f), s.somewhere())
        s("look-under", s.one_of((h, f)), o)
    place = s.somewhere()
    if s.chance(0.6):
        r = s.role()
        s.come(r)
        s.say("seen-it", h, r, o)
        s.say("try-place", r, h, place)
        s.paragraph()
    s.go((h, f), place)
    s("lie-there", o)
    s("grab", h, o)
    s.say("thanks", h, f)
    s.say(*(("welcome", f, h) if s.chance(0.5) else ("careful", h, f, o)))
    s("glad", h)


def hide_and_seek(s):
    h = s.hero
    s.outside()
    f = s.friend()
    s("hide-game", h, f)
    s.say("count", h, f)
    place = s.somewhere()
    s("hide", f, place)
    s.paragraph()
    if s.chance(0.7):
        s("seek", h, s.somewhere())
        s("nobody-there", f, join="but")
    s.opener("then")
    s.go(h, place)
    s("giggle-heard", h, f)
    s.say("found-you", h, f)
    s.say("my-turn", f, h)
    s("laugh", (h, f))


def mistaken_suspicion(s):
    h = s.hero
    s.outside()
    f = s.friend()
    o = s.thing(s.one_of(("food", "treat", "food")), holder=h)
    s("packed", h, o)
    s("set-down", h, o)
    s("look-away", h)
    s("vanish", h, o)
    s.paragraph()
    s.say("accuse", h, f, o, how="cross")
    s.say("deny", f, h)
    s("blame", h, f)
    if s.chance(0.4):
        s("sad", f)
    s.paragraph()
    s.opener("suddenly")
    s("hear", (h, f) if s.chance(0.3) else h)
    thief = s.creature()
    s("thief", thief, o)
    s("drop-it", thief, o)
    s.say("wrong", h, f)
    s.say("forgive", f, h)
    if s.chance(0.5):
        s("hug", h, f)


def runaway(s):
    h = s.hero
    s.outside()
    f = s.friend()
    p = s.animal()
    place = s.somewhere()
    s.opener("suddenly")
    s("slip-away", p, h, place)
    s.say("where-pet", h, f, p)
    s.say("like-pet", f, h, p)
    s("think", h)
    s.paragraph()
    s.go((h, f), place)
    s("pet-busy", p)
    s.say("bad-pet", h, p)
    s("sound-pet", p)
    s("greet-pet", h, p)
    if s.chance(0.5):
        s("laugh", f)


PLOTS = [lost_and_found, hide_and_seek, mistaken_suspicion, runaway]
