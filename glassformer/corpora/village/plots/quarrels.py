"""Friends fall out and make up: a quarrel, a promise kept, a promise broken and named so."""

TEXT = """
both-want a b o | here a b, near a o
    {ab} both wanted {o}
    {ab} both reached for {o} at the same time
find-thing a o | near a o, lacks a o
    {a} saw {o an} lying in the grass
    {a} found {o an} under <hiding>
"mine a b o
    It is mine!
    I saw {o} first!
    Let go of {o}!
pull a b | here a b
    {a} pulled, and {b} pulled too
    {a} tugged from one side and {b} from the other
fall-out a b | here a b, +are a b cross
    {ab} were cross with each other
    {ab} turned their backs on each other
"go-away a b
    You are not my friend any more!
    I am never going to play with you again!
stomp a l | away a l, +at a l
    {a} stomped off {l to}
    {a} marched {l to} without saying goodbye
lonely a | +is a lonely
    {a} felt lonely
    {a} found that it was no fun to play alone
    {a} kicked a pebble and felt very much alone
go-sorry a b | apart a b, +at a place(b)
    {a} went to look for {b him}
    {a} went to find {b him}
"sorry a b | are a b cross
    I am sorry. I was unkind to you.
    I am sorry for what I said.
    Please do not be cross any more.
"sorry-too a b | are a b cross
    I am sorry too.
    I was silly too.
    So am I. Let us never quarrel again.
make-up a b | here a b, are a b cross, +arent a b cross, +not a lonely, +not b lonely
    {ab} were friends again
    {ab} shook hands and made up
    {ab} hugged, and the quarrel was over
share a b o | here a b, near a o
    {ab} took turns with {o}
    after that {ab} shared {o}
"""


def quarrel(s):
    h, f = s.hero, s.friend()
    o = s.thing(s.one_of(("toy", "music", "treasure")))
    place = s.place_of(h)
    s.world.where[o] = place
    s.opener("suddenly")
    s("find-thing", h, o)
    s("both-want", h, f, o)
    s.say("mine", h, f, o, how="cross")
    s.say("mine", f, h, o, how="cross")
    s("pull", h, f)
    s("fall-out", h, f)
    s.paragraph()
    if s.chance(0.6):
        s.say("go-away", f, h, how="cross")
    s("stomp", f, s.somewhere())
    s("lonely", h)
    s.paragraph()
    s.opener("at-last")
    s("go-sorry", h, f)
    s.say("sorry", h, f)
    s.say("sorry-too", f, h)
    s("make-up", h, f)
    if s.together(h, o):
        s("share", h, f, o)


PLOTS = [quarrel]
