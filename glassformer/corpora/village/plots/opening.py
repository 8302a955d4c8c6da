"""How a story begins and how it ends."""

TEXT = """
lived a
    there once lived a {a child} named {a new}
    in a small house with a <colour> door lived a {a child} named {a new}
    once there was a {a child} called {a new}
    not far from the river lived a {a child} called {a new}
    {a new} was a {a child} who loved <loved-thing>
at-place a l | at a l
    {a} {a was} playing {l at}
    {a} {a was} sitting {l at}, <funny-sitting>
    {a} stood {l at}, <funny-sitting>
    {a} had come {l to} to look for <spring-thing>
start-new a l | at a l
    a {a child} named {a new} {a was} sitting {l at}
    a {a child} called {a new} {a was} playing {l at}
    {a new} {a was} <funny-thing> {l at}
    {a new} {a was} on the way back from an errand {l at}
@once
    once upon a time
    one fine day
    on the first day of <season>
    on market day
    the day before the <season> fair
@one-day
    one day
    one fine day
    on a <morning-look> day
end-day a | later evening night, +at a home(a)
    {a} went home to bed
    {a} fell into bed and dreamed of <dream>
end-happy a
    it was the <nice-day> day {a} had had in a long time
    {a} thought about it for a long time
    {a} smiled all the way through supper
end-asleep a | ~is a asleep
    outside, the moon kept watch over {a his} window
    nothing in the world could have woken {a} now
    {a} dreamed of <dream>
end-both a b | here a b
    from that day on {ab} were the best of friends
    {ab} laughed about it for a long, long time
end-thing a o | has a o
    and {a} kept {o} safe for many years
    {a} went to sleep that night with {o} close by
"""


def begin(s):
    """Who, where, when; sometimes the weather."""
    h, place = s.hero, s.setting
    if s.chance(0.4):
        s("lived", h)
        s.opener(s.one_of(("morning", "one-day")))
        s("at-place", h, place)
    else:
        if s.chance(0.7):
            s.opener(s.one_of(("once", "morning")))
        s("start-new", h, place)
    if s.chance(0.4):
        s.world.phase = s.world.phase or 1
        s("sunny")


def end(s):
    """A last line that remembers."""
    h = s.hero
    s.paragraph()
    f = s.company[0] if s.company else None
    keepsake = getattr(s, "keepsake", None)
    pick = s.random()
    if s.world.flags.get((h, "asleep")):
        s("end-asleep", h)
        return
    if keepsake and s.world.where.get(keepsake) == h and pick < 0.4:
        s("end-thing", h, keepsake)
    elif f and s.together(f, h) and pick < 0.7:
        s("end-both", h, f)
    elif pick < 0.85:
        s("end-day", h)
    else:
        s("end-happy", h)
