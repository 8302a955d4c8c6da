"""Who and what can be in a story: people, animals, places and things, with what the grammar needs to know about them.

An entity is its own word ("Mira", "kite", "mill"): a story never has two kites, so a word means one thing. The teller
chooses from these tables, and the checker recognises words by the same tables.
"""

import re

GIRLS = """Mira Anna Lena Nora Ida Tilda Wren Suki Amara Leila Freya Greta Hana Ines Juna Kaya Lotte Maja Nell Olive
Petra Ruby Signe Tova Una Vera Willa Yara Zora Asha Bella Clara Dora Elsa Fern Gwen Holly Iris Ada Mabel""".split()
BOYS = """Tom Oskar Finn Jonas Emil Hugo Leo Milo Nils Otto Paul Quinn Remy Samir Theo Ugo Viktor Walt Yusuf Zeno
Abel Ben Caleb Dario Elias Felix Gus Henrik Ivo Jasper Kofi Luca Matteo Noah Omar Piet Rafi Sami Timo Arlo""".split()
KIN = {
    "Mama": "she",
    "Papa": "he",
    "Grandma": "she",
    "Grandpa": "he",
}  # the hero's; Mama and Papa share the hero's home
ROLES = {  # one of each in the village, so "the baker" needs no introduction
    "baker": "he", "miller": "he", "blacksmith": "he", "weaver": "she", "potter": "she", "shepherd": "he",
    "ferryman": "he", "teacher": "she", "doctor": "she", "beekeeper": "she", "gardener": "she", "fisherman": "he",
    "carpenter": "she", "shoemaker": "he", "postwoman": "she", "innkeeper": "he", "fiddler": "he", "watchman": "he",
    "tailor": "he", "candlemaker": "she",
}  # fmt: skip
PETS = {  # named animals: species, pronoun
    "Biscuit": ("dog", "he"), "Pepper": ("cat", "she"), "Bramble": ("donkey", "he"), "Clover": ("goat", "she"),
    "Pickle": ("duck", "he"), "Hattie": ("hen", "she"), "Waffle": ("puppy", "he"), "Soot": ("cat", "he"),
    "Bluebell": ("cow", "she"), "Juniper": ("pony", "she"), "Button": ("rabbit", "he"), "Mossy": ("tortoise", "she"),
    "Rumble": ("dog", "he"), "Dapple": ("pony", "he"), "Nutmeg": ("squirrel", "she"), "Pip": ("parrot", "he"),
    "Duchess": ("goose", "she"), "Scout": ("dog", "she"), "Tansy": ("goat", "she"), "Mister": ("rooster", "he"),
}  # fmt: skip
CREATURES = """lamb duckling kitten hedgehog calf foal sparrow owl fawn piglet chick gosling mole swallow otter
badger bumblebee turtle frog bat robin""".split()

PLACES = {  # place: (where, whither)
    "mill": ("at", "to"), "river": ("by", "down to"), "orchard": ("in", "to"), "meadow": ("in", "to"),
    "wood": ("in", "into"), "hill": ("on", "up"), "market": ("at", "to"), "square": ("in", "to"),
    "well": ("by", "to"), "barn": ("in", "into"), "stable": ("in", "to"), "pond": ("by", "to"),
    "bakery": ("in", "to"), "smithy": ("at", "to"), "schoolhouse": ("at", "to"), "bell tower": ("by", "to"),
    "lake": ("by", "to"), "jetty": ("on", "to"), "cabbage field": ("in", "to"), "beehives": ("by", "to"),
    "crossroads": ("at", "to"), "cave": ("in", "into"), "waterfall": ("by", "to"), "old oak": ("under", "to"),
    "hayfield": ("in", "to"), "ferry landing": ("at", "to"), "watchtower": ("by", "to"), "greenhouse": ("in", "to"),
    "sheepfold": ("by", "to"), "marsh": ("by", "to"), "stone wall": ("by", "to"), "berry patch": ("in", "to"),
    "pine grove": ("in", "into"), "village green": ("on", "to"),
}  # fmt: skip

_COLOURS = "red blue green yellow purple orange white"
THINGS = {  # thing: (what it is good for, adjectives it may bear)
    "kite": ("toy", _COLOURS + " striped patched"), "ball": ("toy", _COLOURS + " spotted"),
    "spinning top": ("toy", "wooden tin yellow"), "doll": ("toy", "little wooden patched"),
    "toy boat": ("toy", "blue wooden tiny"), "drum": ("toy music", "red tin loud"),
    "whistle": ("toy music", "silver wooden tin"), "hoop": ("toy", "wooden willow big"),
    "puppet": ("toy", "funny wooden striped"), "marble": ("toy treasure", "green glass swirly"),
    "sled": ("toy", "fast wooden red"), "wagon": ("toy", "little squeaky blue"), "jump rope": ("toy", "long yellow"),
    "flute": ("music", "wooden silver slender"), "fiddle": ("music", "old brown fine"),
    "handbell": ("music", "brass little bright"), "harp": ("music", "small golden"), "horn": ("music", "curly brass"),
    "hammer": ("tool", "heavy old small"), "rope": ("tool", "long thick strong"), "saw": ("tool", "sharp rusty"),
    "spade": ("tool", "sturdy small iron"), "ladder": ("tool", "tall wooden wobbly"), "rake": ("tool", "green old wide"),
    "fishing net": ("tool", "wide blue"), "broom": ("tool", "stiff old"), "wheelbarrow": ("tool", "squeaky green"),
    "watering can": ("tool", "tin dented green"), "paintbrush": ("tool", "soft fine wide"),
    "pocketknife": ("tool", "small shiny"), "oar": ("tool", "long smooth"), "needle": ("tool", "thin silver"),
    "basket": ("box", "round willow deep"), "box": ("box", "wooden square painted"), "chest": ("box", "old oak iron"),
    "sack": ("box", "brown rough big"), "bucket": ("box", "tin blue wooden"), "bag": ("box", "leather small striped"),
    "crate": ("box", "empty wooden"), "clay pot": ("box", "brown big cracked"), "barrel": ("box", "empty round"),
    "apple": ("food", "red shiny ripe"), "pear": ("food", "yellow juicy ripe"), "plum": ("food", "purple sweet"),
    "bun": ("food", "warm sticky cinnamon"), "pie": ("food treat", "apple cherry plum"),
    "cake": ("food treat", "honey lemon carrot"), "cheese": ("food", "round yellow"), "carrot": ("food", "crunchy long"),
    "pancake": ("food", "golden thin"), "loaf of bread": ("food treat", "fresh warm crusty"),
    "pot of soup": ("food treat", "steaming big hot"), "honeycomb": ("food", "golden sticky"),
    "walnut": ("food", "big fat"), "biscuit": ("food", "crisp ginger"), "sausage": ("food", "long smoked"),
    "melon": ("food", "huge round"), "boiled egg": ("food", "brown speckled"), "peach": ("food", "soft ripe"),
    "scarf": ("wear", "woollen red striped"), "hat": ("wear", "straw blue floppy"), "cap": ("wear", "green woollen"),
    "coat": ("wear", "thick brown warm"), "cloak": ("wear", "grey long hooded"), "shawl": ("wear", "soft knitted"),
    "blanket": ("wear", "soft woollen checked"), "mitten": ("wear", "red warm woollen"), "boot": ("wear", "leather left"),
    "apron": ("wear", "white clean flowery"), "lantern": ("light", "brass old bright"),
    "candle": ("light", "thick white tall"), "oil lamp": ("light", "little copper"),
    "coin": ("treasure", "gold silver shiny"), "ring": ("treasure", "gold thin silver"),
    "key": ("treasure", "iron tiny brass"), "feather": ("treasure", "blue long white"),
    "seashell": ("treasure", "pink curly"), "map": ("treasure", "old folded torn"), "letter": ("treasure", "long folded"),
    "book": ("treasure", "thick old little"), "brooch": ("treasure", "silver tiny"), "watch": ("treasure", "gold ticking"),
    "locket": ("treasure", "silver tiny"), "compass": ("treasure", "brass old"), "mirror": ("treasure", "round little"),
    "spyglass": ("treasure", "brass long"), "pebble": ("treasure", "smooth white round"),
    "music box": ("treasure", "tiny painted"), "snow globe": ("treasure", "little pretty"),
    "necklace": ("treasure", "blue beaded"), "acorn": ("seed", "big shiny"), "sunflower seed": ("seed", "striped tiny"),
    "bean": ("seed", "white speckled"), "pumpkin seed": ("seed", "flat pale"), "rosebush": ("seed", "small thorny"),
    "cherry stone": ("seed", "hard little"), "tulip bulb": ("seed", "plump brown"),
}  # fmt: skip

PRONOUN = {n: "she" for n in GIRLS} | {n: "he" for n in BOYS} | KIN | ROLES
PRONOUN |= {n: p for n, (_, p) in PETS.items()} | dict.fromkeys([*CREATURES, *THINGS], "it")
CHILDREN = frozenset(GIRLS + BOYS)
ANIMALS = frozenset([*PETS, *CREATURES])
PEOPLE = frozenset([*CHILDREN, *KIN, *ROLES])
CHARACTERS = PEOPLE | ANIMALS
NAMED = frozenset([*CHILDREN, *KIN, *PETS])  # spoken of without an article
NAME = re.compile(rf"\b({'|'.join(sorted(NAMED))})\b")
ADJECTIVES = {thing: tuple(adjectives.split()) for thing, (_, adjectives) in THINGS.items()}
ADJECTIVES |= {creature: ("little", "small", "brown", "young", "fluffy", "shy") for creature in CREATURES}
KINDS_OF_THINGS: dict[str, list[str]] = {}
for _thing, (_tags, _) in THINGS.items():
    for _tag in _tags.split():
        KINDS_OF_THINGS.setdefault(_tag, []).append(_thing)

KINDS_OF_THINGS |= {
    "kite-like": ["kite"],
    "map-like": ["map", "letter"],
    "chest-like": ["box", "chest", "barrel", "clay pot"],
}
KINDS_OF_THINGS["build-tool"] = ["hammer", "rope", "saw", "spade", "ladder", "wheelbarrow", "paintbrush", "pocketknife"]
KINDS_OF_THINGS["save-tool"] = ["rope", "ladder", "fishing net", "oar", "spade", "rake", "wheelbarrow", "broom"]
KINDS_OF_THINGS["baked"] = ["pie", "cake", "loaf of bread", "bun", "biscuit"]
KINDS_OF_THINGS["box-like"] = ["basket", "box", "bag", "bucket"]
KINDS_OF_THINGS["long-tool"] = ["ladder", "rake", "fishing net", "oar", "rope", "broom"]

FORMS = {  # pronoun: by the case a template asks for
    "he": {"": "he", "him": "him", "his": "his", "himself": "himself", "was": "was"},
    "she": {"": "she", "him": "her", "his": "her", "himself": "herself", "was": "was"},
    "it": {"": "it", "him": "it", "his": "its", "himself": "itself", "was": "was"},
    "they": {"": "they", "him": "them", "his": "their", "himself": "themselves", "was": "were"},
}


def article(word: str) -> str:
    """'a' or 'an' before `word`: by its first letter, which is right for every word of the village."""
    return "an" if word[0] in "aeiouAEIOU" and not word.startswith(("use", "uni", "one")) else "a"
