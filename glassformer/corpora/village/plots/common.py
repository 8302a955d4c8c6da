"""What every plot says now and then: who spoke, time, weather, coming and going, meeting, giving, feeling."""

SPEAKING = """
^s a
    said {a name}
    {a} said
    said {a name}
    {a} said <softly>
    said {a name}, looking up
    said {a name}, scratching {a his} <body>
    {a} said with a nod
^s-to a b
    {a} told {b him}
    said {a name} to {b him}
    {a} said to {b him}
%s a
    {a} said
    {a} thought for a moment and said
    {a} took a deep breath and said
%s-to a b
    {a} turned to {b him} and said
    {a} looked at {b him} and said
^e a
    cried {a name}
    {a} [cried|called|shouted]
    called {a name}
    {a} exclaimed
    shouted {a name}
    burst out {a name}
^joy a
    cried {a name}, clapping {a his} hands
    shouted {a name}, jumping up and down
    {a} cheered
    called {a name} with shining eyes
^joy-to a b
    {a} called to {b him} with shining eyes
^e-to a b
    {a} called to {b him}
    {a} shouted to {b him}
%e a
    {a} jumped up and cried
    {a} cupped {a his} hands and called
%e-to a b
    {a} waved to {b him} and called
    {a} ran up to {b him} and cried
^q a
    asked {a name}
    {a} asked
    asked {a name}, tilting {a his} head
    {a} wanted to know
    wondered {a name}
^q-to a b
    {a} asked {b him}
%q a
    {a} frowned and asked
    {a} looked around and asked
%q-to a b
    {a} turned to {b him} and asked
    {a} tugged at {b his} sleeve and asked
^whisper a
    whispered {a name}
    {a} whispered
    {a} breathed
    murmured {a name}
^whisper-to a b
    {a} whispered to {b him}
    {a} whispered into {b his} ear
^cross a
    grumbled {a name}
    {a} snapped
    {a} said, stamping {a his} foot
    said {a name}, folding {a his} arms
^cross-to a b
    {a} snapped at {b him}
    {a} grumbled at {b him}
^laugh a
    laughed {a name}
    {a} laughed
    chuckled {a name}
    {a} said with a giggle
^laugh-to a b
    {a} said to {b him} with a laugh
^sob a
    sobbed {a name}
    {a} sniffed
    {a} said in a trembling voice
    said {a name}, wiping {a his} eyes
^sob-to a b
    {a} sobbed to {b him}
    {a} told {b him} in a trembling voice
"""

TIME = """
@then
    then
    after that,
    a moment later,
    before long,
@soon
    soon
    after a while,
    little by little
@at-last
    at last
    finally,
    in the end,
    at long last
@suddenly
    suddenly
    all at once
    all of a sudden,
    just then
@meanwhile
    meanwhile,
    at that very hour,
@noon | later noon
    at noon,
    when the bell rang noon,
    when the sun stood high,
@afternoon | later afternoon
    that afternoon,
    later that afternoon,
    after lunch,
@evening | later evening
    that evening,
    towards evening,
    when the shadows grew long,
    as the sun went down,
@night | later night
    that night,
    in the middle of the night,
    when the whole village was dark,
@next-morning | next_day morning
    the next morning,
    when the new day came,
    early the next day,
    the following morning,
@morning | now morning
    one <morning-look> morning,
    one morning,
@dawn | now dawn
    one day before sunrise,
    at the crack of dawn,
"""

WEATHER = """
sunny | ~now morning noon afternoon dawn, weather sunny
    the sun was shining over the rooftops
    there was not a cloud in the sky
    the sky was as blue as a <spring-blue>
    sunlight [danced on|poured over|warmed] the cobblestones
    the sun shone [warm and bright|like a gold coin]
    the air smelled of <smell>
rainy | ~weather rain
    rain drummed on the roofs
    it was raining cats and dogs
    the rain fell in long silver threads
    raindrops ran down every windowpane
windy | ~weather wind
    the wind was blowing from the hills
    a wild wind tugged at every hat
    the weathercock was spinning like a top
snowy | ~weather snow
    snow lay thick on every fence
    white flakes were drifting down
    the whole village wore a cap of snow
foggy | ~weather fog
    a thick fog hid the houses
    the fog was as grey as an old mouse
rain-starts | ~+weather rain
    it began to rain
    dark clouds rolled in, and it began to pour
    fat raindrops [began|started] to fall
rain-stops | ~weather rain storm, +weather sunny
    the rain stopped
    the clouds drifted apart
    a rainbow stood over the village
wind-rises | ~+weather wind
    a strong wind came up
    the wind began to blow
    a gust of wind came whistling down the lane
snow-starts | ~+weather snow
    it began to snow
    the first flakes came tumbling down
fog-lifts | ~weather fog, +weather sunny
    the fog lifted
    the sun broke through the fog
"""

GOING = """
go a l | away a l, +at a l
    {a} went {l to}
    {a} [walked|ran|hurried|strolled|skipped] {l to}
    {a} set off and walked {l to}
    {a} made {a his} way {l to}
go-fun a l | away a l, +at a l
    {a} went {l to}, <funny-thing>
    {a} walked {l to}, <funny-thing> all the way
run a l | away a l, +at a l
    {a} ran {l to} <quickly>
    {a} raced {l to} without looking back
    {a} dashed {l to}
lead a b l | here a b, away a l, +at a l, +at b l
    {a} led {b him} {l to}
    {a} took {b him} along {l to}
sit a l | at a l
    {a} sat down {l at}
    {a} rested for a while {l at}
be a l | ~at a l
    {a} {a was} {l at}
wait a l | at a l
    {a} waited {l at}
    {a} {a was} waiting {l at}
"""

MEETING = """
friend-here b a | at b place(a)
    {a his} friend {b new} {b was} there too
    with {a him} was {a his} best friend {b new}
    {b new}, {a his} friend, sat close by
friend-comes b a | ~joins b
    {a his} friend {b new} came [running|skipping|hopping] along
    along came {a his} friend {b new}
    {b new}, who lived next door, came by
child-comes b a | ~joins b
    a {b child} named {b new} came along the path
    a {b child} called {b new} came walking up
    there came a {b child} whose name was {b new}
friend-comes-to b a | ~with a b
    {a his} friend {b new} came to see {a him}
child-comes-to b a | ~with a b
    a {b child} named {b new} came up to {a name}
comes-to b a | ~with a b
    {b name} came to join {a him}
    {b name} came looking for {a him}
comes b a | ~joins b
    {b} came along
    {b} came [walking|hurrying|strolling] up
    along came {b name}
pet-with b a | at b place(a), owns a b
    with {a him} was {a his} {b species}, {b new}
    {a his} {b species} {b new} trotted beside {a him}
    {a his} {b species} {b new} was never far away
creature-here b a | ~joins b
    there was {b an} in the grass
    {b an} was sitting in the grass
    in the grass sat {b an}
"hello a b
    Good day!
    Hello there!
    Hello, {b voc}!
    How nice to see you!
"where-going a b
    Where are you going?
    What are you up to today?
"come-along a b
    Do you want to come along?
    Will you come with me?
    Come with me, {b voc}!
"yes a b
    Yes, let's!
    Of course!
    With pleasure!
    That is a(n) <nice> idea!
    I would love to!
"thanks a b
    Thank you so much!
    Thank you, {b voc}!
    Thank you, that is very kind.
    I will never forget this.
"welcome a b
    You are welcome.
    It was nothing at all.
    That is what friends are for.
    Any time, {b voc}.
"oh-no a b
    Oh no!
    Oh dear, oh dear!
    What a mess!
    What bad luck!
"""

HAVING = """
own a o | owns a o, has a o
    {a} had {o an}
    {a} owned {o an}, and {a} looked after {o} every day
    {a his} greatest treasure was {o an}
packed a o | has a o
    {a} had {o an} in {a his} bag
    {a} had brought {o an} for lunch
    {a} pulled {o an} out of {a his} pocket
carry a o | has a o
    {a} carried {o} under one arm
    {a} held {o} tightly
    {a} had {o} with {a him}
pick a o | near a o, lacks a o, +has a o
    {a} picked up {o}
    {a} reached for {o} and took it
    {a} took {o}
give a o b | here a b, has a o, +has b o
    {a} gave {o} to {b him}
    {a} held {o} out to {b him}, and {b} took it
    {a} handed {o the} to {b him}
    {a} put {o} into {b his} hands
give-back a o b | here a b, has a o, owns b o, +has b o
    {a} gave {o} back to {b him}
    {a} handed {o the} back to {b him}
    {a} brought {o} back to {b him}
put-in a o p | near a p, has a o, +within o p
    {a} put {o} into {p}
    {a} laid {o} in {p}
take-out a o p | near a p, within o p, +has a o
    {a} took {o} out of {p}
    {a} pulled {o} from {p}
,with-young a b | here a b
    with {b him} in both arms
    while {b} peeped out of {a his} jacket
,with-thing a o | has a o
    with {o} in one hand
    holding {o}
    still carrying {o}
"""

FEELING = """
happy a | not a sad
    {a} {a was} happy
    {a} smiled from ear to ear
    {a} felt warm all over
    {a} hummed a little tune
    {a} {a was} as happy as a lark
sad a | +is a sad
    {a} {a was} very sad
    a tear ran down {a his} cheek
    {a} hung {a his} head
    {a} swallowed hard
glad a | is a sad, +not a sad
    {a} {a was} not sad any more
    {a his} face lit up again
    {a} could smile again
laugh a
    {a} laughed out loud
    {a} laughed until {a his} sides hurt
    {a} giggled
hear a
    {a} heard a strange <munch> noise
    {a} pricked up {a his} ears, for somewhere there was a soft <munch>
    there was a(n) <munch> sound, and {a} turned around
meet a b | here a b
    {a} met {b name} there
    {a} found {b name} hard at work
    {a} ran into {b name}
run-to a b | +at a place(b)
    {a} ran to {b name} as fast as {a} could
    {a} raced off to fetch {b name}
sleepy-home a | +at a home(a)
    {a} was at home and ready for bed
    {a} put on a nightshirt at home and brushed {a his} teeth
left-behind a o l | at o l
    {a} had left {o an} {l at}
    {a} had forgotten {o an} {l at}
hug a b | here a b
    {a} hugged {b him}
    {a} gave {b him} a big hug
    {a} threw both arms around {b him}
think a
    {a} thought hard
    {a} scratched {a his} <body>
    {a} thought and thought
sigh a
    {a} sighed
    {a} sighed deeply
    {a} let out a long sigh
proud a
    {a} {a was} very proud
    {a} felt as tall as a tower
    {a} stood up very straight
hungry a | +is a hungry
    {a} {a was} so hungry that {a his} belly growled
    {a his} belly began to rumble
    {a} had not eaten since breakfast
tired a | +is a tired
    {a} {a was} tired
    {a his} legs felt as heavy as stones
    {a} yawned
sleep a | +is a asleep, +not a tired
    {a} fell asleep
    {a} fell fast asleep
    {a his} eyes closed, and {a} slept
bed a | now evening night, +at a home(a)
    {a} went to bed
    {a} crept into bed
    {a} climbed into bed and pulled up the blanket
get-up a | at a home(a)
    {a} jumped out of bed
    {a} was up before the rooster
    {a} rubbed {a his} eyes and got dressed
    {a} ate a bowl of porridge with <porridge>
wake a | ~is a asleep, +not a asleep
    {a} woke up
    {a} opened {a his} eyes
    {a} woke with a start
"""
TEXTS = [SPEAKING, TIME, WEATHER, GOING, MEETING, HAVING, FEELING]
