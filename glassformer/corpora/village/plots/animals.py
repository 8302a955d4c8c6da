"""Animals in need: a sick pet, a creature to rescue, a lost young one brought home."""

TEXT = """
ill a | +is a sick
    {a} would not eat and hung {a his} head
    {a} lay in the straw with dull eyes and did not get up
    {a} sneezed and shivered from nose to tail
worry a b | is b sick
    {a} was worried about {b him}
    {a} stroked {b him} and did not know what to do
"sick-pet a b c | is c sick
    {c name} is sick! Please help!
    Something is wrong with {c name}!
"let-me-see a b c
    Hmm. Let me have a look at {c him}.
    Stay calm. First let me listen to {c his} heart.
"remedy a b o
    Nothing but {o an} will help, and plenty of sleep.
    Give {o an} to the patient, then keep the patient warm.
    It is a cold, no more. I know that {o an} works wonders.
fetch-remedy a o | +has a o
    {a} ran off and came back with {o an}
    {a} found {o an} in the kitchen
feed a o b | here a b, has a o, +gone o
    {a} fed {o} to {b him}, one crumb at a time
    {a} held {o} under {b his} nose until it was eaten up
watch-over a b
    {a} sat beside {b him} the whole night long
    {a} stayed with {b him} and sang every lullaby in the world
well a | is a sick, +not a sick
    {a} was well again
    {a} jumped up as if {a} had never been sick
    {a} was on {a his} feet again and not sick any more
stuck a k:trap | ~joins a, +is a stuck
    there was {a an}, stuck in {k}
    there lay {a an} in {k} and could not get out
    {a an} sat in {k} and cried for its mother
"poor-thing a b
    You poor little thing!
    Hold still, we will get you out!
    Do not be afraid. We will help you!
try-reach a b | is b stuck
    {a} stretched out one arm as far as {a} could, but it was not long enough to reach {b him}
    {a} tried to coax {b him} out with a blade of grass, but it did not work
    {a} pulled, but {b} was stuck fast
"need-tool a b o
    We need {o an}!
    If only we had {o an}!
    I know, {o an} would do it!
tool-near a o | lacks a o, +has a o
    {a} ran and came back with {o an}
    {a} remembered {o an} that was kept nearby and fetched it
"hold-me a b
    You hold my feet, and I will reach down.
    On three. One, two, three!
    Slowly now. Gently does it.
free a b o | here a b, has a o, is b stuck, +not b stuck
    with the help of {o}, {a} set {b him} free
    {a} used {o} with great care, and {b} was free
    {a} worked with {o} until {b} was out at last
thank-lick a b | here a b
    {a} licked {b his} hand with a tiny tongue
    {a} looked up at {b him} as if to say thank you
    {a} rubbed its head against {b his} knee
run-off a | ~+at a the-wild
    {a} hopped away into the tall grass
    {a} disappeared between the ferns, safe and sound
young-one a | ~joins a
    all alone in the middle of the path sat {a an}
    a thin little cry came from the ditch, and there sat {a an}
    something small and <soft> stumbled into the sunlight: {a an}
"where-mother a b
    Where is your mother, little one?
    Are you lost? Come, I will take you home.
lift a b | here a b, +at b a
    {a} lifted {b him} up and wrapped it in {a his} jacket
    {a} took {b him} in both arms
"know-mother a b l
    I heard somebody calling for her little one {l at}.
    Its mother lives {l at}, I believe.
put-down a b | here a b, +at b place(a)
    {a} put {b him} down gently
    {a} set {b him} on the ground
mother-comes a
    at once its mother came running and licked {a him} from head to tail
    an answering cry came from the bushes, and {a} ran straight to its mother
sound-pet a
    {a} <pet-sound>
"""
YOUNG = ("lamb", "duckling", "kitten", "calf", "foal", "fawn", "piglet", "chick", "gosling", "otter")


def sick_animal(s):
    h = s.hero
    s.outside()
    p = s.animal()
    s("ill", p)
    s("worry", h, p)
    r = s.role("doctor", "shepherd", "beekeeper", "gardener", "blacksmith")
    s.come(r)
    s.say("sick-pet", h, r, p)
    s.say("let-me-see", r, h, p)
    o = s.thing("food")
    s.say("remedy", r, h, o)
    s.paragraph()
    s("fetch-remedy", h, o)
    s("feed", h, o, p)
    s.evening(home=False)
    s("watch-over", h, p)
    s.opener("next-morning")
    s("well", p)
    s("sound-pet", p)
    s("happy" if s.chance(0.5) else "laugh", h)


def rescue(s):
    h = s.hero
    s.outside()
    f = s.friend()
    c = s.creature()
    s.opener("suddenly")
    s("stuck", c, s.word("trap"))
    s.say("poor-thing", h, c)
    s("try-reach", h, c)
    s.paragraph()
    o = s.thing("save-tool")
    s.say("need-tool", f, h, o)
    s("tool-near", f, o)
    s.say("hold-me", h, f)
    s.opener("at-last")
    s("free", f, c, o)
    s("thank-lick", c, h)
    s("laugh", (h, f))
    s("run-off", c)


def lost_young(s):
    h = s.hero
    s.outside()
    c = s.unused(YOUNG)
    s("young-one", c)
    s.say("where-mother", h, c)
    s("lift", h, c)
    s.paragraph()
    r = s.role()
    place = s.somewhere()
    s.come(r)
    s.say("know-mother", r, h, place)
    s("go", h, place)
    s.tail("with-young", h, c)
    s("put-down", h, c)
    s("mother-comes", c)
    s("happy", h)


PLOTS = [sick_animal, rescue, lost_young]
