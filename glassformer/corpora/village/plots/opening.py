"""How a story begins and how it ends. The last line comes back to something from earlier in the story."""

TEXT = """
lived a k:love | loves a k
    there once lived a {a child} named {a new} who loved {k}
    {a new} was a {a child} who loved {k}
    nobody in the whole village loved {k} as much as a {a child} named {a new}
    once there was a {a child} called {a new}, and what {a} loved most was {k}
lived-at a
    once there was a {a child} called {a new}
    in a small house with a(n) <colour> door lived a {a child} named {a new}
    not far from the river lived a {a child} called {a new}
    at the end of the lane, where the <tree> stands, lived a {a child} named {a new}
    in the last house of the village lived a {a child} called {a new}
at-place a l | at a l
    {a} {a was} playing {l at}
    {a} {a was} sitting {l at}, <idling>
    {a} stood {l at}, <idling>
    {a} had come {l to} to look for <spring-thing>
    {a} had nothing to do and lay {l at}, <idling>
start-new a l | at a l
    a {a child} named {a new} {a was} sitting {l at}
    a {a child} called {a new} {a was} playing {l at}
    {a new} {a was} <funny-thing> {l at}
    {a new} {a was} on the way back from an errand {l at}
    {a new} sat {l at}, <idling>
@once
    once upon a time
    one fine day
    on the first day of <season>
    on market day
    the day before the <season> fair
    on the longest day of the year
    many years ago
@one-day
    one day
    one fine day
    on a(n) <morning-look> day
    on the first day of <season>
bored a
    {a} did not know yet what a day it was going to be
    {a} was looking for an adventure
    {a} had the feeling that something was going to happen
    {a} was in the best of moods
end-bed a | later evening night, +at a home(a)
    {a} went home to bed and dreamed of <dream>
    {a} fell into bed at home and slept like a stone
    {a} lay in bed at home and thought about everything once more
end-happy a
    it was the <nice-day> day {a} had had in a long time
    {a} thought about it for a long time
    {a} smiled all the way through supper
    that night {a} dreamed of <dream>
    {a} never forgot that day
    {a} told the story at supper, and it grew a little with every spoonful
end-asleep a | ~is a asleep
    outside, the moon kept watch over {a his} window
    nothing in the world could have woken {a him} now
    {a} dreamed of <dream>
end-both a b | here a b
    from that day on {ab} were the best of friends
    {ab} laughed about it for a long, long time
    {ab} walked home arm in arm
    {ab} agreed that it had been the <nice-day> day of the <season>
    {ab} still talk about it whenever they eat <smell-food>
end-love a b k:love | loves a k
    and if you ask what {a} loves even more than {k} today, the answer is {b name}
    {a} still loved {k}, but a friend like {b name} was better
    from then on {ab} enjoyed {k} together
end-thing a o | has a o
    {a} kept {o the} safe for many years
    {a} went to sleep that night with {o the} close by
    {a} put {o the} on the windowsill, where the moon could see it
    if you visit {a him} one day, you can see {o the} on the shelf above the bed
end-pet a b | here a b, owns a b
    {a} gave {b name} an extra bowl of <pet-food>
    that night {b name} slept at the foot of {a his} bed
end-place a l
    whenever {a} came {l to} after that, {a} had to smile
    to this day {a} waves when {a} passes by {l}
moral a k:moral
    {a} had learned that {k}
    now {a} knew that {k}
    {a} told everybody that {k}
    so {a} found out that {k}
"goodbye a b
    See you tomorrow!
    What a day! Sleep well, {b voc}!
    Tomorrow we will do it all over again!
    Good night, {b voc}, and mind the puddles!
"""

MORALS = {  # plot: what one learns from it
    "lost_and_found": ("four eyes see more than two", "lost things like to hide where nobody looks"),
    "hide_and_seek": ("nobody can hide a sneeze", "it is the finding that makes hiding fun"),
    "mistaken_suspicion": ("it is better to ask than to shout", "crumbs do not always tell the truth"),
    "runaway": ("a good friend always comes back", "a closed gate saves a long walk"),
    "quarrel": ("saying sorry is hard for only a moment", "no toy is worth a friend"),
    "promise_kept": ("a promise is a promise", "it feels good to be trusted"),
    "promise_broken": ("a word is quickly given and slowly mended", "a promise is a promise"),
    "borrowed": ("borrowed things have to find their way home", "a promise is a promise"),
    "storm": ("every storm passes", "being afraid is half as bad when there are two of you"),
    "night_noises": ("most monsters are very small", "a little light makes big fears small"),
    "fear_of_the_dark": ("the dark is full of small lights", "being brave means going all the same"),
    "snow_day": ("cold hands make a warm evening", "snow is best when it is shared"),
    "sick_animal": ("patience is good medicine", "love is the best medicine"),
    "rescue": ("even the smallest creature can say thank you", "two can do what one cannot"),
    "lost_young": (
        "every little one has somebody who is looking for it",
        "even the smallest creature can say thank you",
    ),
    "baking": ("good cooks laugh and try again", "cakes taste best when you have made them yourself"),
    "building": ("the second try is often the best", "two can do what one cannot"),
    "garden": ("good things grow slowly", "roots come first"),
    "skill": ("falling down is part of learning", "nobody is born a master"),
    "caught_kite": ("what the wind takes, a friend brings back", "two can do what one cannot"),
    "share_food": ("bread tastes best in company", "half an apple can be more than a whole one"),
    "trade": ("a good swap makes two people happy", "some things should never be traded"),
    "gift": ("a present is worth the trouble one takes", "giving is as nice as getting"),
    "secret": ("a secret is like a seed and likes the quiet", "true friends can be silent together"),
    "carry": ("a load is lighter when two carry it", "kindness is never heavy"),
    "newcomer": ("everybody was new somewhere once", "a friend may be waiting behind any fence"),
    "errand": ("the long way round also gets there", "a good messenger does not give up"),
    "race": ("winning alone is no fun", "there is always another race"),
    "treasure_map": ("the best treasures are not made of gold", "whoever digs together shares together"),
    "crossing": ("a hand to hold makes any bridge wider", "brave people are sometimes afraid"),
    "fog": ("music finds the way when eyes cannot", "a friendly sound is as good as a lamp"),
}


def begin(s):
    """Say who the story is about, where and when it begins, and sometimes what the weather is."""
    h, place = s.hero, s.setting
    pick = s.random()
    s.love = None
    if pick < 0.5:
        if pick < 0.3:
            s.love = s.word("love")
            s("lived", h, s.love)
        else:
            s("lived-at", h)
        s.opener(s.one_of(("morning", "one-day")))
        s("at-place", h, place)
    else:
        if s.chance(0.75):
            s.opener(s.one_of(("once", "morning")))
        s("start-new", h, place)
    if s.chance(0.35):
        s.world.phase = s.world.phase or 1
        s(s.one_of(("sunny", "sunny", "sunny", "windy")))
    elif s.chance(0.3):
        s("bored", h)
    if s.chance(0.12):
        s.animal()
    elif s.chance(0.1):
        neighbour = s.elder()
        s.say("hello", neighbour, h)
        s.say("hello", h, neighbour)


def between(s):
    """Let time pass from one plot to the next."""
    h = s.hero
    if s.world.flags.get((h, "tired")):
        s("rest", h)
    phase = s.world.phase or 1
    if s.world.weather_now in (None, "sunny", "wind") and phase < 4 and s.chance(0.12):
        s("rain-starts")
        s("wait-rain", h)
        s.clear()
        return
    if phase < 3 and s.chance(0.5):
        s("noon-comes" if phase < 2 and s.chance(0.4) else "afternoon-comes")


def end(s, plots):
    """Tell the last line, which comes back to something from earlier."""
    h, world = s.hero, s.world
    s.paragraph()
    if world.flags.get((h, "asleep")):
        s("end-asleep", h)
        return
    f = s.company[0] if s.company and s.together(s.company[0], h) else None
    if f and s.chance(0.15) and plots[-1] != "garden":
        s.say("goodbye", f, h)
    endings = [("end-happy", h), ("moral", h, s.one_of(MORALS[s.one_of(plots)]))]
    endings += [endings[1]]
    if s.keepsake and world.where.get(s.keepsake) == h:
        endings += [("end-thing", h, s.keepsake)] * 3
    if f:
        endings += [("end-both", h, f)] * 2
        if s.love:
            endings += [("end-love", h, f, s.love)] * 4
    if s.pet and s.together(s.pet, h):
        endings += [("end-pet", h, s.pet)] * 3
    if s.place_of(h) in s.used and not s.place_of(h).startswith("home:"):
        endings += [("end-place", h, s.place_of(h))]
    if world.phase is None or world.phase < 4:
        endings += [("end-bed", h)]
    s(*s.one_of(endings))
