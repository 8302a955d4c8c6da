"""On the way: an errand with a detour, a race, a treasure map, a crossing, lost in the fog."""

TEXT = """
"errand a b o
    Please take {o} for me. But do not stop on the way!
    Will you deliver {o}? You are my quickest messenger.
send a b o c l | here a b, has a o, +has b o
    {a} gave {o} to {b him} to carry to {c name} {l at}
    {a} sent {b him} with {o} to {c name}, who was waiting {l at}
blocked a k:obstacle
    the way was blocked by {k}, and {a} had to turn back
    {a} came to {k} and could go no further
way-round a l | away a l, +at a l
    {a} took the long way round and came {l to}
    {a} had to make a detour {l to}
onward a
    {a} walked on, <funny-thing>
    {a} went on and on until {a his} feet were sore
    {a} did not give up and walked a little faster
reach a l | away a l, +at a l
    {a} came {l to}
    {a} saw that {l} was near and ran the last bit of the way {l to}
    {a} arrived {l at}
breath a
    {a} took a deep breath
    {a} put {a his} hair in order
    {a} was quite out of breath
deliver a o b | here a b, has a o, +has b o
    {a} delivered {o} to {b name}
    {a} held {o} out to {b name} with both hands
"late-post a b
    The road was longer than I thought!
    Here it is, safe and sound!
    I had to go the long way round, but here I am.
"good-post a b
    You came in spite of everything!
    You are the best messenger in the world!
"race-dare a b l
    I bet I am faster than you! First one {l at} wins!
    Let us race! Whoever is first {l at} wins!
start-race a b | here a b
    {ab} lined up, and off they went
    {ab} counted to three and shot away like arrows
ahead a b
    {a} was ahead by a nose, but {b} was close behind
    {a} took the lead, and {b} puffed and panted
trip a | +is a hurt
    {a} stumbled over a root and fell
    {a} slipped on the wet grass and scraped {a his} <scraped>
win a l | away a l, +at a l, +is a first
    {a} was the first to come {l to}
    {a} came {l to} first and had won the race
second a l | away a l, +at a l
    {a} came {l to} a moment after
    {a} came limping {l to}
turn-back a b | is b hurt
    {a} heard the cry, turned around and ran back to {b him}
    {a} could have won, but {a} stopped to help {b him}
help-up a b l | is b hurt, away a l, +not b hurt, +at a l, +at b l
    {a} helped {b him} up, and arm in arm they hobbled {l to}
    {a} took {b him} on {a his} back and carried {b him} {l to}
"fair-play a b
    You could have won!
    Why did you stop?
"friend-first a b
    Winning is no fun when you are lying in the grass.
    We both win, or nobody does.
"well-run a b
    You ran like a deer!
    Next time I will be faster!
    That was close! Shall we race again?
map-found a o | +has a o
    {a} found {o an} between the pages of an old calendar
    an old sailor gave {a him} {o an}
    under a loose board {a} discovered {o an}
map-shows a o l | has a o
    on {o} there was a red cross, right {l at}, as {a} saw at once
    {a} turned {o} around three times until it made sense: the cross was {l at}
"treasure a b o
    A treasure! We are going to be rich!
    Shall we dig for treasure?
dig-for a
    {a} dug and dug, <hard-work>
    {a} dug a hole as deep as a well
    {a} dug until the spade went <thunder>
unearth a o | appear o
    deep in the earth {a} found {o an}
    {a} pulled {o an} out of the earth
open-box a o p | near a o, near a p
    {a} opened {o}, and inside was {p an}
    {a} lifted the lid of {o} and saw {p an} lying there
not-gold a
    it was not gold, but {a} did not mind
    {a} had hoped for gold, but this was much better
bound a l | away a l
    {a} wanted to go {l to}
    {a} had a plan to go {l to}
bridge-gone a k:water
    {a} stood before {k} and could not get across
    between {a him} and the other side there was {k}
    {a} came as far as {k} and stopped
"scared-cross a b
    I dare not. It wobbles!
    What if I fall in?
    The water is so wild today!
"cross-help a b
    Look at me, not at the water.
    Give me your hand. One step, then another.
    I will go first, and you hold on to my belt.
cross a b l | here a b, away a l, +at a l, +at b l
    {a} led {b him} across, step by step, and so they came {l to}
    {a} helped {b him} across, and so they came {l to}
"crossed a b
    We are across! We did it!
    I was brave, was I not?
fog-comes | ~+weather fog
    a thick fog came creeping up from the river
    fog rolled in like a grey blanket
fog-lost a
    {a} could not see {a his} own hand
    {a} walked in a circle and came back to {a his} own footprints
    {a} did not know which way was which
sound-guide a o | has a o
    somebody in the fog was playing {o an}, and it was {a}
    through the fog came the sound of {o an}, for {a} was playing it
guided a b | ~with a b
    {a} followed the sound until {a} stood before {b him}
    {a} went after the sound, and it led {a him} to {b him}
"here-i-am a b
    I thought I would walk in circles forever!
    I have never been so glad to see anybody!
"play-on a b
    In the fog I always play a little. Somebody may be lost.
    I could not see you, but I knew you would hear me.
"""


def errand(s):
    h = s.hero
    s.outside()
    e = s.elder()
    r, place = s.role(), s.somewhere()
    s.world.where[r] = place
    o = s.thing(s.one_of(("food", "treasure", "tool", "treat")), holder=e, owner=e)
    s("with-a", e, o)
    s("send", e, h, o, r, place)
    s.say("errand", e, h, o)
    s.paragraph()
    s("onward", h)
    s("blocked", h, s.word("obstacle"), join="but")
    s("way-round", h, s.somewhere())
    if s.chance(0.5):
        s("tired", h)
    s("onward", h)
    s.tail("with-thing", h, o)
    s.paragraph()
    if s.chance(0.5):
        s.when("reach", h, place)
        s("breath", h)
    else:
        s.opener("at-last")
        s("reach", h, place)
    s("deliver", h, o, r)
    s.say("late-post", h, r)
    s.say("good-post", r, h)
    s("proud", h)


def race(s):
    h = s.hero
    s.outside()
    f = s.friend()
    place = s.somewhere()
    s.say("race-dare", f, h, place)
    s("start-race", h, f)
    s("ahead", *((h, f) if s.chance(0.5) else (f, h)))
    s.paragraph()
    if s.chance(0.6):
        s("trip", f)
        s("turn-back", h, f)
        s("help-up", h, f, place)
        s.say("fair-play", f, h)
        s.say("friend-first", h, f)
        s("laugh", (h, f))
    else:
        first, second = (h, f) if s.chance(0.5) else (f, h)
        s("win", first, place)
        s("second", second, place)
        s.say("well-run", second, first)
        s("proud", first)


def treasure_map(s):
    h = s.hero
    s.outside()
    o = s.thing("map-like")
    s("map-found", h, o)
    place = s.somewhere()
    s("map-shows", h, o, place)
    f = s.friend()
    s.say("treasure", h, f, o)
    if s.chance(0.5):
        s.say("come-along", h, f)
        s.say("yes", f, h)
    s.paragraph()
    s.go((h, f), place)
    s("dig-for", (h, f))
    box, p = s.thing("chest-like"), s.keep(s.thing(s.one_of(("treasure", "music", "toy"))))
    s.world.where[box], s.world.where[p] = place, box
    s("unearth", h, box)
    s("open-box", h, box, p)
    s("not-gold", h)
    s("pick", h, p)
    s("share", h, f, p)


def crossing(s):
    h = s.hero
    s.outside()
    f = s.friend()
    place = s.somewhere()
    s("bound", (h, f), place)
    s("bridge-gone", (h, f), s.word("water"), join="but")
    s("afraid", f)
    s.say("scared-cross", f, h)
    s.say("cross-help", h, f)
    s("cross", h, f, place)
    s("not-afraid", f)
    s.say("crossed", f, h)
    s("laugh" if s.chance(0.5) else "proud", f)


def fog(s):
    h = s.hero
    s.outside()
    s("fog-comes")
    s("fog-lost", h)
    s("afraid", h)
    s.paragraph()
    r, place = s.role(), s.somewhere()
    o = s.thing("music", holder=r, owner=r)
    s.world.where[r] = place
    s.opener("suddenly")
    s("sound-guide", r, o)
    s("guided", h, r)
    s.say("here-i-am", h, r)
    s.say("play-on", r, h)
    s("not-afraid", h)
    s.when("fog-lifts")
    s("laugh", (h, r))


PLOTS = [errand, race, treasure_map, crossing, fog]
