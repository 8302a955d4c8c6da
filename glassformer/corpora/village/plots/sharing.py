"""What people do for each other: food shared, a trade, a gift, a secret, a load carried, a newcomer welcomed."""

TEXT = """
"hungry-say a b
    I forgot my lunch.
    My belly is growling like a bear.
    I have not eaten since yesterday.
share-food a o b | here a b, has a o, is b hungry, +not b hungry, +gone o
    {a} broke {o} in two and gave {b him} the bigger half
    {a} cut {o} into pieces and shared it with {b him}
    {a} divided {o} fairly, and {b} ate until {b} was full
"lets-share a b o | has a o
    Then we will share {o}.
    {o} is big enough for two.
    Half of {o} is yours.
"shared-joy a b
    Food tastes twice as good when you share it.
    Now we are both happy!
    You have a golden heart, {b voc}!
crumbs a b | here a b
    {a} threw the last crumbs to {b an} that had been watching
    {a} kept a little bit for {b an} on the wall
wants a o | lacks a o
    {a} could not take {a his} eyes off {o}
    {a} thought that {o} was the finest thing in the world
"trade-offer a b o p | has a o, has b p
    Will you swap {p} for {o}?
    If you give me {p the}, I will give you {o the}.
    {o} for {p}. What do you say?
"trade-yes a b
    It is a deal!
    Hmm. All right, shake on it!
    I thought you would never ask!
swap a b o p | here a b, has a o, has b p, +has b o, +has a p, +owns b o, +owns a p
    {a name} got {p the} and {b name} got {o the}
    {a name} took {p the}, {b name} took {o the}, and they spat into their hands and shook
miss-old a o | lacks a o
    {a} missed {o} all the same
    {a} thought of {o} all the way home
"regret a b o | has b o
    I miss {o} so much. Can we swap back?
    {o} was a present from my grandmother. I should never have traded it.
swap-back a b o p | here a b, has a p, has b o, +has a o, +has b p, +owns a o, +owns b p
    {a name} got {o the} back, and {b name} got {p the} back
"fair a b
    A friend is worth more than a bargain.
    I missed mine too, to tell the truth.
birthday a
    it was {a his} birthday
    {a} had a birthday
no-gift a b
    {a} had no present for {b him}
    {a} wanted to give {b him} something, but {a his} pockets were empty
"work-for a b
    Is there any work for me? I want to earn a present.
    May I help you? I would like to earn something.
"work-yes a b k:deed
    You can {k}, and you will not be sorry.
    If you {k}, I have something nice for you.
do-deed a k:deed
    {a} hurried to {k}, <hard-work>
    {a} went to {k} and did not stop until it was done
earn a o b | here a b, has b o, +has a o, +owns a o
    for that {a} was given {o an} by {b name}
    {a} got {o an} from {b name} as a reward
wrap a o | has a o
    {a} wrapped {o} in a big green leaf
    {a} tied a(n) <colour> ribbon around {o}
    {a} hid {o} behind {a his} back
"for-you a b o
    I have something for you. Close your eyes!
    Happy birthday, {b voc}!
    Guess what I have got for you!
gift a o b | here a b, has a o, +has b o, +owns b o
    {a} gave {o} to {b him} as a present
    {a} laid {o} in {b his} lap
touched a o | has a o, owns a o
    {a} was so happy about {o} that {a} could not speak
    {a} held {o} up to the light, and {a his} eyes shone
    {a} pressed {o} to {a his} heart
"secret a b l
    I know a secret. There is something wonderful {l at}.
    Can you keep a secret? Meet me {l at}, and tell nobody.
    I must show you something {l at}. But not a word to anyone!
"tell-nobody a b
    I will be as silent as a fish.
    Cross my heart. I will tell nobody.
"what-secret a b
    What were you two whispering about?
    You look like somebody with a secret. What is it?
"not-mine a b
    I cannot tell you. It is not my secret.
    My lips are sealed.
bite-lip a
    {a} almost said it, but bit {a his} lip
    {a} opened {a his} mouth and closed it again
secret-seen a k:wonder
    {a} parted the leaves, and there was {k}
    {a} looked where the finger pointed, and there was {k}
    {a} tiptoed closer and saw {k}
"so-small a b
    How tiny they are!
    It is the best secret I have ever had!
    I will guard it like a dragon.
load a o | has a o
    {a} was dragging {o an} that was much too heavy
    {a} was puffing and panting under {o an}
    {a} had put down {o an} and was mopping {a his} brow
"help-carry a b o
    Let me help you carry {o}!
    {o} looks heavy. Shall I take one end?
carry-for a b o l | away a l, near a o, +at a l, +at b l, +has a o
    {a} carried {o} {l to}, and {b} walked beside {a him}
    {a} took {o} from {b him} and carried it {l to}, <hard-work>
"strong a b
    How strong you are!
    What would I have done without you?
    My old back thanks you.
reward a b o | here a b, +has b o, +owns b o
    {a} gave {b him} {o an} for the road
    {a} reached into a deep pocket and gave {b him} {o an}
new-here a b | ~joins a
    a {a child} named {a new} had just moved to the village and stood by the fence all alone
    there was a {a child} {b} had never seen before, called {a new}
    {a new}, a {a child} from far away, had come to live in the village
shy a
    {a} was too shy to say a word
    {a} looked at {a his} shoes
    {a} hid behind the fence and peeped through a crack
"new-hello a b
    I am {a voc}. Do you want to play with me?
    Hello! My name is {a voc}. Where do you come from?
"new-answer a b
    I come from the other side of the mountains. I know nobody here.
    We used to live by the sea. I miss the gulls.
"show-you a b
    Come, I will show you around.
    Then you need somebody who knows every tree in the village!
show-around a b l | here a b, away a l, +at a l, +at b l
    {a} showed {b him} the way {l to}
    {a} took {b him} by the hand and ran with {b him} {l to}
"not-alone a b
    I am not lonely any more.
    I think I am going to like it here.
    Tomorrow I will show you how to find north by the moss!
"""


def share_food(s):
    h = s.hero
    s.outside()
    o = s.thing("food", holder=h)
    s("packed", h, o)
    f = s.friend()
    s("hungry", f)
    s.say("hungry-say", f, h)
    s.say("lets-share", h, f, o)
    s("share-food", h, o, f)
    if s.chance(0.5):
        c = s.creature()
        s.world.where[c] = s.place_of(h)
        s("crumbs", h, c)
    s.say("shared-joy", f, h)


def trade(s):
    h = s.hero
    s.outside()
    o = s.keep(s.thing(s.one_of(("treasure", "toy")), holder=h, owner=h))
    s("own", h, o)
    f = s.friend()
    p = s.thing(s.one_of(("treasure", "toy")), holder=f, owner=f)
    s("own", f, p)
    s("wants", h, p)
    s.say("trade-offer", h, f, o, p)
    s.say("trade-yes", f, h)
    s("swap", h, f, o, p)
    s.paragraph()
    if s.chance(0.6):
        s("miss-old", h, o, join="but")
        s("sad", h)
        s.say("regret", h, f, o)
        s("swap-back", h, f, o, p)
        s.say("fair", f, h)
        s("glad", h)
    else:
        s.keep(p)
        s("happy", (h, f))


def gift(s):
    h = s.hero
    s.outside()
    f = s.friend()
    s("birthday", f)
    s("no-gift", h, f)
    s("sad", h)
    s.paragraph()
    r = s.role()
    spot = s.place_of(f)
    place = s.somewhere()
    s.world.where[r] = place
    s("go", h, place)
    s("meet", h, r)
    s.say("work-for", h, r)
    k = s.word("deed")
    s.say("work-yes", r, h, k)
    s("do-deed", h, k)
    o = s.thing(s.one_of(("treasure", "toy", "wear")), holder=r)
    s("earn", h, o, r)
    s("glad", h)
    s.paragraph()
    s("wrap", h, o)
    s("run", h, spot)
    s.say("for-you", h, f, o)
    s("gift", h, o, f)
    s("touched", f, o)


def secret(s):
    h = s.hero
    s.outside()
    f = s.friend()
    place = s.somewhere()
    s.say("secret", f, h, place, how="whisper")
    s.say("tell-nobody", h, f, how="whisper")
    s.paragraph()
    if s.chance(0.7):
        r = s.role()
        s.come(r)
        s.say("what-secret", r, h)
        s("bite-lip", h)
        s.say("not-mine", h, r)
        s.paragraph()
    s.go((h, f), place)
    s("secret-seen", h, s.word("wonder"))
    s.say("so-small", h, f, how="whisper")
    s("happy", f)


def carry(s):
    h = s.hero
    s.outside()
    e = s.elder()
    o = s.thing("box", holder=e, owner=e)
    s("load", e, o)
    s.say("help-carry", h, e, o)
    s("carry-for", h, e, o, s.somewhere())
    if s.chance(0.5):
        s("tired", h)
    s("give-back", h, o, e)
    s.say("strong", e, h)
    p = s.keep(s.thing(s.one_of(("food", "treasure"))))
    s("reward", e, h, p)
    s.say("thanks", h, e)


def newcomer(s):
    h = s.hero
    s.outside()
    c = s.child()
    s.company.append(c)
    s("new-here", c, h)
    s("shy", c)
    s.paragraph()
    s.say("new-hello", h, c)
    s.say("new-answer", c, h)
    s.say("show-you", h, c)
    for _ in range(1 + s.chance(0.4)):
        s("show-around", h, c, s.somewhere())
    s.say("not-alone", c, h)
    s("laugh" if s.chance(0.5) else "happy", (h, c))


PLOTS = [share_food, trade, gift, secret, carry, newcomer]
