"""Word and friendship: a quarrel and making up, a promise kept, a promise broken, a thing borrowed too long."""

TEXT = """
both-want a b o | here a b, near a o
    {ab} both wanted {o}
    {ab} both reached for {o} at the same time
    {ab} both put a hand on {o}
find-thing a o | near a o, lacks a o
    {a} saw {o an} lying in the grass
    {a} found {o an} under <hiding>
    {a} almost tripped over {o an}
"mine a b o
    It is mine!
    I saw {o} first!
    Let go of {o}!
    You always get everything!
pull a b | here a b
    {a} pulled, and {b} pulled too
    {a} tugged from one side and {b} from the other
    {a} would not give in, and {b} would not either
fall-out a b | here a b, +are a b cross
    {ab} were cross with each other
    {ab} turned their backs on each other
    {ab} did not look at each other any more
"go-away a b
    You are not my friend any more!
    I am never going to play with you again!
    Then play by yourself!
stomp a l | away a l, +at a l
    {a} stomped off {l to}
    {a} marched {l to} without saying goodbye
    {a} turned around and stamped {l to}
lonely a | +is a lonely
    {a} felt lonely
    {a} found that it was no fun to play alone
    {a} kicked a pebble and felt very much alone
    {a} sat there with a lump in {a his} throat
go-sorry a b | apart a b, +at a place(b)
    {a} went to look for {b him}
    {a} went to find {b him}
    {a} could not bear it any longer and went to {b him}
"sorry a b | are a b cross
    I am sorry. I was unkind to you.
    I am sorry for what I said.
    Please do not be cross any more.
    I have been a real donkey. Will you forgive me?
"sorry-too a b | are a b cross
    I am sorry too.
    I was silly too.
    So am I. Let us never quarrel again.
    I missed you the whole time.
make-up a b | here a b, are a b cross, +arent a b cross, +not a lonely, +not b lonely
    {ab} were friends again
    {ab} shook hands and made up
    {ab} hugged, and the quarrel was over
share a b o | here a b, near a o
    {ab} took turns with {o}
    {ab} shared {o} from then on
"ask-deed a b k:deed
    Could you please {k} today?
    Will you {k} for me, {b voc}?
    I have to go away. Can you {k} while I am gone?
"promise-deed a b k:deed | +promise a k
    I promise to {k}.
    I will {k}, I promise!
    You have my word, I promise to {k}.
tempt a
    {a} wanted to go swimming with the others
    {a} would rather have stayed in bed
    {a} heard the other children laughing and singing in the lane
    {a} saw a puppet show being set up across the street
remember a k:deed | promised a k
    {a} remembered the promise to {k}
    {a} thought of the promise to {k}
    {a} knew that a promise was a promise, even if it was only to {k}
keep-word a k:deed | keep a k
    {a} went to {k} and kept {a his} word
    {a} rolled up {a his} sleeves to {k}, just as promised
    {a} did not forget to {k}, and the promise was kept
"kept a b
    You kept your promise!
    I knew that I could count on you.
    A promise is safe with you!
forget a k:deed | promised a k
    {a} played all day and forgot to {k}
    {a} chased butterflies until dark and forgot to {k}
    {a} read a thrilling story and did not think to {k}
break-word a k:deed | breach a k
    {a} had promised to {k}, but {a} had broken the promise
    {a} had not kept {a his} word to {k}
    {a} had given {a his} word to {k}, and now {a his} word was broken
"broken a b
    You broke your promise!
    You gave me your word, and I trusted you.
    I waited and waited, and nothing was done.
disappointed a b | +is a sad
    {a} was disappointed in {b him}
    {a} looked at {b him} with sad eyes
"own-up a b
    You are right. I forgot, and I am sorry.
    It is my fault. I will make up for it.
    I am so ashamed. Let me put it right.
amends a k:deed
    {a} went to {k} at once and worked twice as hard
    {a} got up before everyone else to {k} after all
    {a} ran to {k} at last, late but willing
forgive a b | here a b, +not a sad
    {a} forgave {b him}
    {a} was not angry with {b him} any more
    {a} patted {b him} on the back and all was well
"borrow a b o | has b o
    May I borrow {o}?
    Could I have {o} until tonight?
    Please lend me {o the}, {b voc}!
"lend a b o
    Yes, but I need it back before dark.
    Of course, but please be careful with it.
    You may have {o} until the evening.
"promise-back a b o | +promise a o
    I promise to bring {o} back before dark.
    I will bring {o} back tonight, I promise.
    You will have {o} back before supper, I promise!
use a o | has a o
    {a} used {o} all day long
    {a} had a(n) <nice> time with {o}
    {a} could hardly put {o} down
dream-off a o | has a o, +is a asleep
    {a} sat down to rest and fell asleep with {o}
    {a} lay down beside <hiding>, put {o} under one arm and fell asleep
miss-thing a o | lacks a o
    {a} needed {o} and did not have it
    {a} waited for {o} at the window
    {a} sat at home and wondered where {o} was
late-back a b o | here a b, has a o, owns b o, +has b o, breach a o
    {a} gave {o} back to {b him}, a whole day late, and so the promise was broken
    {a} brought {o} back to {b him}, but too late to keep the promise
in-time a b o | here a b, has a o, owns b o, +has b o, keep a o
    {a} gave {o} back to {b him} before dark, just as promised
    {a} brought {o} back to {b him} and kept {a his} word
"late a b
    I am so late, and I am sorry.
    I fell asleep. Please forgive me.
"lesson a b
    Next time I will tie a knot in my handkerchief.
    A promise weighs more than a sack of flour. I will remember that.
"""


def quarrel(s):
    h = s.hero
    s.outside()
    f = s.friend()
    o = s.thing(s.one_of(("toy", "music", "treasure")))
    s.world.where[o] = s.place_of(h)
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


def _promise(s):
    """Somebody asks the hero for a deed, and the hero promises it. Returns who asked, and the deed."""
    s.outside()
    f = s.friend() if s.chance(0.6) else s.elder()
    k = s.word("deed")
    s.say("ask-deed", f, s.hero, k)
    s.say("promise-deed", s.hero, f, k)
    s.paragraph()
    return f, k


def promise_kept(s):
    h = s.hero
    f, k = _promise(s)
    s.later()
    s("tempt", h)
    s("remember", h, k, join="but")
    s("keep-word", h, k)
    s.paragraph()
    s.say("kept", f, h)
    s("proud", h)


def promise_broken(s):
    h = s.hero
    f, k = _promise(s)
    s("forget", h, k, join="but")
    s("break-word", h, k)
    s.say("broken", f, h)
    s("disappointed", f, h)
    s.say("own-up", h, f)
    s.paragraph()
    s("amends", h, k)
    s("forgive", f, h)


def borrowed(s):
    h = s.hero
    s.outside()
    f = s.friend()
    lender = f if s.chance(0.5) else s.elder()
    o = s.thing(s.one_of(("tool", "toy", "music")), holder=lender, owner=lender)
    s("own", lender, o)
    s.say("borrow", h, lender, o)
    s.say("lend", lender, h, o)
    s.say("promise-back", h, lender, o)
    s("give", lender, o, h)
    s.paragraph()
    spot = s.place_of(lender)
    s.go(h, s.somewhere())
    s("use", h, o)
    if s.chance(0.6):
        s("dream-off", h, o)
        s.paragraph()
        s("miss-thing", lender, o)
        s.opener("next-morning")
        s("run", h, spot)
        s.say("late", h, lender)
        s("late-back", h, lender, o)
        s.say("lesson", h, lender)
    else:
        s.paragraph()
        s("go", h, spot)
        s.tail("with-thing", h, o)
        s("in-time", h, lender, o)
        s.say("kept", lender, h)
        s("proud", h)


PLOTS = [quarrel, promise_kept, promise_broken, borrowed]
