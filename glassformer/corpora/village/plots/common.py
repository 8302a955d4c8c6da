"""Kinds of sentences that every plot uses: time, weather, coming and going, meeting, giving, feeling."""

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
wait-rain a | weather rain
    {a} waited under <rain-shelter> and listened to the rain
    {a} caught raindrops with {a his} tongue
    {a} jumped into every puddle there was
rain-stops | ~weather rain storm, +weather sunny
    the rain stopped
    the clouds drifted apart
    a rainbow stood over the village
wind-rises | ~+weather wind
    a strong wind came up
    the wind began to blow
    a gust of wind came whistling down the lane
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
"""

MEETING = """
friend-here b a | here a b
    {a his} friend {b new} {b was} there too
    with {a him} was {a his} best friend {b new}
    {b new}, {a his} friend, sat close by
friend-comes b a | ~joins b
    {a his} friend {b new} came [running|skipping|hopping] along
    along came {a his} friend {b new}
    {b new}, who lived next door, came by
friend-comes-to b a | ~with a b
    {a his} friend {b new} came to see {a him}
comes-to b a | ~with a b
    {b name} came to join {a him}
    {b name} came looking for {a him}
comes b a | ~joins b
    {b} came along
    {b} came [walking|hurrying|strolling] up
    along came {b name}
pet-with b a | here a b, owns a b
    with {a him} was {a his} {b species}, {b new}
    {a his} {b species} {b new} trotted beside {a him}
    {a his} {b species} {b new} was never far away
"hello a b
    Good day!
    Hello there!
    Hello, {b voc}!
    How nice to see you!
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
"""

HAVING = """
own a o | owns a o, has a o
    {a} had {o an}
    {a} owned {o an}, and {a} looked after {o} every day
    {a his} greatest treasure was {o an}
with-a a o | has a o
    {a} had {o an} under one arm
    {a} was carrying {o an}
packed a o | has a o
    {a} had {o an} in {a his} bag
    {a} had brought {o an} for lunch
    {a} unpacked {o an}
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
fetch-box a o | lacks a o, +has a o
    {a} fetched {o an} from the shelf
    {a} brought {o an} lined with straw
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
rest a | is a tired, +not a tired
    {a} rested in the shade until {a} {a was} not tired any more
    {a} took off {a his} shoes, wiggled {a his} toes and forgot that {a} {a was} tired
    {a} drank cold water from a spring and {a was} not tired any more
noon-comes | ~later noon
    the church clock struck twelve
    it was noon, and the whole village smelled of <smell-food>
    noon came, and even the bees took a nap
afternoon-comes | ~later afternoon
    soon it was afternoon
    the afternoon was long and lazy
    the shadows moved, and the afternoon came
evening-comes | ~later evening
    evening came
    the sun went down behind the hills
    the first star appeared in the sky
get-up a | at a home(a)
    {a} jumped out of bed
    {a} was up before the rooster
    {a} rubbed {a his} eyes and got dressed
    {a} ate a bowl of porridge with <porridge>
"""
TEXTS = [TIME, WEATHER, GOING, MEETING, HAVING, FEELING]
