"""Things made and learned: baking, building, a garden, a skill, a kite flown and freed."""

TEXT = """
"lets-bake a b
    Shall we bake something today?
    The oven is warm. Do you want to help me bake?
    My hands are itching to knead some dough!
mix a
    {a} cracked the eggs, stirred the flour and spilled only half of the milk
    {a} stirred the batter until both arms ached
    {a} sneezed into the flour, and a white cloud filled the kitchen
    {a} licked the spoon twice and the bowl once
mishap a
    {a} put in salt instead of sugar, and the first try tasted dreadful
    {a} forgot the first try in the oven, and it turned as black as coal
    {a} dropped the first bowl with a loud <thunder>
"again a b
    Never mind, we will start again.
    Good bakers laugh and try again.
    The birds will like it. Let us make another!
bake a b o | here a b, +has a o
    {ab} took {o an} out of the oven
    {ab} pulled {o an} from the oven, and the whole house smelled of <smell>
eat-all a b o | here a b, near a o, +gone o
    {ab} ate {o} to the last crumb
    {ab} sat on the doorstep and ate {o} while it was warm
"tasty a b
    It is the best I have ever tasted!
    It tastes like summer!
    May I have one more bite?
start-build a k:building
    {a} wanted to build a(n) {k}
    {a} dreamed of having a(n) {k}
    {a} drew a plan of a(n) {k} in the sand
"try-again a b
    Never mind, let us try again.
    Oh well. Even the tower of the church was not built in a day!
    Now we know how not to do it. Once more!
"help-build a b
    I am good with nails. I will help you.
    Two builders are faster than one!
    Wait, I know how to do it!
lend-tool a b o | here a b, has a o, +has b o
    {a} lent {b him} {o an} for the work
    {a} brought {o an} and put it into {b his} hands
build a
    {a} measured and sawed and hammered all day
    {a} carried planks and sticks, <hard-work>
    {a} tied knots until {a his} fingers were sore
collapse a k:building
    {a} leaned against the {k}, and it fell down with a <thunder>
    {a} tested the {k}, and it wobbled and fell apart
built a k:building
    {a} stood before a finished {k}
    {a} put the last piece on top, and the {k} was done
    {a} hung a little flag on the {k}, for it was finished at last
"admire a b k:building
    What a(n) <nice> {k}!
    That is the best {k} in the whole village!
got-seed a o | +has a o
    {a} found {o an} in an old jar
    {a} was given {o an} by a passing pedlar
    {a} won {o an} in a game of marbles
dig a o | has a o
    {a} dug a small hole for {o}
    {a} made a bed of soft earth for {o}
plant a o l | has a o, at a l, +gone o
    {a} planted {o} {l at}
    {a} laid {o} in the earth {l at} and covered it well
water a
    {a} watered the spot every morning
    {a} pulled out the weeds one by one
    {a} chased away the crows twice a day
"nothing-grows a b
    Nothing is growing!
    Maybe it does not like me.
"patience a b
    Good things grow slowly.
    Give it time. Roots come first.
    You cannot pull a plant to make it grow.
sprout a
    a green tip peeked out of the earth, and {a} jumped for joy
    {a} saw two tiny leaves that had come up overnight
bloom a k:bloom
    by the end of the summer {a} had {k}
    when summer came, {a} was the proud owner of {k}
    half a year later {a} showed everybody {k}
learn-wish a k:skill
    {a} wanted to learn to {k}
    {a} wished with all {a his} heart to be able to {k}
    {a} could not {k}, but {a} wanted to
"teach-me a b k:skill
    Will you teach me to {k}?
    I want to learn to {k}. Is it hard?
"teach a b k:skill
    It is easy to {k}. You only need patience.
    Nobody is born able to {k}. Watch me closely.
    First you fall on your nose, then you can {k}.
fail a k:skill | not a able
    {a} tried to {k} and fell flat on {a his} <body>
    {a} tried to {k}, but it did not work at all
    {a} tried and tried and still could not {k}
practise a
    {a} practised from morning until night
    {a} practised behind the barn where nobody could see
    {a} did not give up and tried <twice>
succeed a k:skill | +is a able
    {a} could {k}
    {a} managed to {k} as if it were nothing
    {a} had learned to {k}
"i-can a b k:skill | is a able
    Look, I can {k}!
    I did it! I can {k}!
cheer a b
    {a} clapped and cheered for {b him}
    {a} whistled and threw {a his} cap into the air for {b him}
    {a} bowed to {b him} like a courtier to a queen
fly-kite a o | has a o
    {a} let {o} dance above the treetops
    {a} ran with {o} until it rose up, up, up
tangle o k:tall | +at o up-there
    {o} was caught in {k}
    the wind snatched {o} and hung it up in {k}
"jump-for a b o
    I cannot reach {o}!
    {o} is up there, and I am down here!
too-high a
    {a} jumped as high as {a} could, but it was not high enough
    {a} threw a stick at it, and now the stick was up there too
    {a} climbed halfway up and slid down again
reach-down a o p | has a p, lacks a o, +has a o
    {a} got {o} down with {p}
    {a} used {p} and brought {o} down in one piece
"""


def baking(s):
    h = s.hero
    b = s.unused(("baker", "Grandma", "Mama", "Papa", "Grandpa"))
    s.visit(b)
    s.say("lets-bake", b, h)
    s.say("yes", h, b)
    s.paragraph()
    s("mix", h)
    if s.chance(0.6):
        s("mishap", s.one_of((h, b)))
        s.say("again", b, h)
        s("mix", h)
    o = s.thing("baked")
    s.opener("at-last")
    s("bake", h, b, o)
    s.say("tasty", h, b)
    if s.chance(0.6):
        s("eat-all", h, b, o)
    else:
        box = s.keep(s.thing("box-like"))
        s("fetch-box", b, box)
        s("put-in", h, o, box)
        s("give", b, box, h)
        s("carry", h, box)
    s("happy", h)


def building(s):
    h = s.hero
    s.outside()
    k = s.word("building")
    s("start-build", h, k)
    f = s.friend()
    s.say("help-build", f, h)
    r = s.role("carpenter", "blacksmith", "miller", "gardener", "fisherman")
    o = s.thing("build-tool", holder=r, owner=r)
    s.come(r)
    s("lend-tool", r, h, o)
    s.paragraph()
    s("build", (h, f))
    if s.chance(0.6):
        s("collapse", h, k, join="but")
        s("sigh", h)
        s.say("try-again", f, h)
        s("build", (h, f))
    s.opener("at-last")
    s("built", (h, f), k)
    s.say("admire", r, h, k)
    s("give-back", h, o, r)
    s("proud", (h, f))


def garden(s):
    h = s.hero
    s.outside()
    o = s.thing("seed")
    s("got-seed", h, o)
    s("dig", h, o)
    s("plant", h, o, s.place_of(h))
    s("water", h)
    s.paragraph()
    e = s.elder()
    s.say("nothing-grows", h, e, how="sob")
    s.say("patience", e, h)
    if s.chance(0.5):
        s("water", h)
    s.opener("next-morning")
    s("sprout", h)
    s("bloom", h, s.word("bloom"))
    s("proud", h)


def skill(s):
    h = s.hero
    s.outside()
    k = s.word("skill")
    s("learn-wish", h, k)
    e = s.elder() if s.chance(0.6) else s.friend()
    s.say("teach-me", h, e, k)
    s.say("teach", e, h, k)
    s.paragraph()
    s("fail", h, k)
    s("sigh", h)
    s("practise", h)
    if s.chance(0.5):
        s("fail", h, k)
        s("practise", h)
    s.paragraph()
    s.opener("at-last")
    s("succeed", h, k)
    s.say("i-can", h, e, k)
    s("cheer", e, h)
    s("proud", h)


def caught_kite(s):
    h = s.hero
    if "kite" in s.used:
        return
    s.outside()
    o = s.keep(s.thing("kite-like", holder=h, owner=h))
    s("own", h, o)
    if not s.world.weather_now:
        s("wind-rises")
    s("fly-kite", h, o)
    s("tangle", o, s.word("tall"), join="but")
    f = s.friend()
    s.say("jump-for", h, f, o)
    s("too-high", h)
    s.paragraph()
    p = s.thing("long-tool")
    s.say("need-tool", f, h, p)
    s("tool-near", f, p)
    s("reach-down", f, o, p)
    s("give-back", f, o, h)
    s.say("thanks", h, f)
    s.say("welcome", f, h)


PLOTS = [baking, building, garden, skill, caught_kite]
