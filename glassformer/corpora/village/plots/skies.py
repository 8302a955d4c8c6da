"""Weather and night: a storm, noises in the night, fear of the dark, a day of snow."""

TEXT = """
storm-comes | ~+weather storm
    dark clouds rolled over the hills, and thunder rumbled
    lightning flashed, and the thunder went <thunder>
    a storm broke over the village
shelter a | +is a wet
    {a} crawled under <rain-shelter>, but the rain found a way in
    {a} crouched under <rain-shelter>, wet to the skin
    {a} ran for <rain-shelter>, but every hair was wet before it came in sight
afraid a | +is a afraid
    {a} {a was} frightened
    {a} trembled like a leaf
    {a his} heart was beating like a drum
    {a} wished for a warm bed and a closed door
"brave a b | here a b
    Hold my hand, it will soon be over.
    Do not be afraid, I am with you.
    Let us sing until it stops!
    It is only the clouds bumping their heads.
hold-hand a b | here a b
    {a} held {b his} hand
    {a} put one arm around {b him}
    {a} moved a little closer to {b him}
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
wring a | is a wet
    {a} wrung out {a his} socks
    {a} emptied the water out of {a his} shoes
hear-night a | now night, at a home(a)
    {a} lay in bed and heard a strange noise: <sound>, <sound>, <sound>
    {a} sat up in bed, because something in the dark went <sound>
    {a} pulled the blanket up, for outside something went <sound>, and again <sound>
"monster a b
    There is a monster behind the house!
    Something is scratching at the wall!
    I heard a ghost!
"no-monster a b
    Let us go and see. Most monsters are very small.
    Monsters do not live here, the rent is too high.
    Come, we will look at this ghost together.
fetch-light a o | +has a o
    {a} lit {o an}
    {a} took {o an} from the shelf and lit it
shine a o | has a o
    {a} held up {o}
    {a} shone {o} into every corner
culprit a | ~joins a
    there sat {a an}, chewing on an old slipper
    there was {a an} with its head stuck in a milk jug
    in the flowerpot sat {a an}, blinking at the light
    {a an} was rolling a turnip across the yard
"only-you a b
    So you are my monster!
    It is only you, little fellow!
    You scared me out of my socks!
back-bed a | at a home(a)
    {a} went back to bed
    {a} crept back under the blanket
dark-way a
    it was so dark that {a} could not see {a his} own feet
    the trees looked like giants to {a him}, and every bush had eyes
    every shadow seemed to reach out for {a him}
light-out a o | has a o, +is o dark
    a puff of wind blew out {o}, and {a} stood in the dark
    {o} flickered and went out, and {a} held {a his} breath
sing-dark a | is a afraid
    {a} sang the silliest song in the world, louder and louder
    {a} counted every step aloud, one, two, three
    {a} told the darkness a joke
fireflies a
    {a} saw a hundred fireflies dancing over the path
    the moon came out from behind a cloud and lit up the way for {a him}
    {a} saw that the giants were only trees, and the eyes were only dewdrops
"dark-friend a b
    The dark is only the day with its eyes closed.
    I was afraid, but I went all the same!
    The night is full of stars. You just have to look up!
snow-morning | ~weather snow
    everything was white, and the village had grown soft and silent
    snow had fallen all night long
    the snow was as high as the fence
snowman a k:snow
    {a} rolled three big snowballs and built a snow <snow-folk> with {k} for a nose
    {a} built a snow <snow-folk> and gave it {k} for a nose
cold a | +is a cold
    {a} {a was} so cold that {a his} teeth chattered
    {a} could not feel {a his} toes any more
warm a | is a cold, +not a cold
    {a} warmed {a his} hands at the stove and was not cold any more
    {a} drank hot cocoa until {a his} toes were warm again
    {a} sat by the fire until the cold was gone
snowball a b | here a b
    {a} threw a snowball and hit {b him} right on the <body>
    {a} slipped and fell into the snow next to {b him}
"""


def storm(s):
    h = s.hero
    s.outside()
    f = s.friend()
    s.opener("suddenly")
    s("storm-comes")
    s("shelter", (h, f))
    s("afraid", h)
    s.say("brave", f, h)
    s("hold-hand", f, h)
    s.paragraph()
    if s.chance(0.5):
        s.when("storm-ends")
    else:
        s.opener("at-last")
        s("storm-ends")
    s("not-afraid", h)
    s("wring" if s.chance(0.5) else "dry", (h, f))


def night_noises(s):
    h = s.hero
    s.evening()
    s("sleepy-home", h)
    s.opener("night")
    s("hear-night", h)
    s("afraid", h)
    p = s.parent()
    s.say("monster", h, p)
    s.say("no-monster", p, h)
    s.paragraph()
    o = s.thing("light")
    s("fetch-light", p, o)
    s("shine", p, o)
    c = s.creature()
    s("culprit", c)
    s("laugh", h)
    s.say("only-you", h, c)
    s("not-afraid", h)
    s("back-bed", h)
    s("sleep", h)


def fear_of_the_dark(s):
    h = s.hero
    s.evening()
    s.opener("night")
    o, light = s.thing(s.one_of(("wear", "toy", "treasure"))), s.thing("light")
    place = s.somewhere()
    s.world.where[o] = place
    s("fetch-light", h, light)
    s("left-behind", h, o, place, join="but")
    s.go(h, place)
    s("dark-way", h)
    s("afraid", h)
    s.paragraph()
    s.opener("suddenly")
    s("light-out", h, light)
    s("sing-dark", h)
    s.opener("then")
    s("fireflies", h)
    s("not-afraid", h)
    s("pick", h, o)
    s("go", h, s.world.home(h))
    p = s.parent()
    s.say("dark-friend", h, p)
    s("hug", p, h)


def snow_day(s):
    h = s.hero
    s.fresh_day(always=True)
    s("snow-morning")
    s.go(h, s.somewhere())
    f = s.friend()
    s("snowman", (h, f), s.word("snow"))
    s("snowball", f, h)
    s("laugh", (h, f))
    if s.chance(0.5):
        s("snowball", h, f)
    s.paragraph()
    s.opener("soon")
    s("cold", h)
    s("lead", f, h, s.world.home(f))
    s("warm", h)
    s.say("thanks", h, f)


PLOTS = [storm, night_noises, fear_of_the_dark, snow_day]
