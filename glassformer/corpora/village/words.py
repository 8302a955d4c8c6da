"""Classes of words that do not change what happens: sounds, manners, looks of the day.

`<softly>` in a wording stands for any phrase of the class "softly".
"""

_TEXT = """
softly: softly | gently | quietly | carefully | slowly | tenderly | without a sound | as softly as snow
quickly: quickly | at once | in a flash | right away | as fast as the wind | without waiting | in a great hurry
happily: happily | merrily | cheerfully | proudly | gladly | with a grin | with shining eyes
sadly: sadly | gloomily | in a small voice | with a heavy heart | with a sigh | with tears in both eyes
funny-thing: hopping on one leg | humming a silly song | counting the clouds | whistling like a blackbird | making up rhymes | balancing on the edges of puddles | skipping every second step | chewing on a stalk of grass | singing at the top of the lungs | walking backwards for fun
sound: crack | thump | splash | crash | rattle | creak | rustle | squeak | scratch | clatter | hoot | whoosh | bang | plop | click | snap | howl | groan
twice: twice | three times | over and over | again and again | once more | a dozen times
loudly: loudly | crossly | wildly | with all their might | until the windows shook | so that the whole street could hear
hard-work: huffing and puffing | with all the strength in the world | little by little | inch by inch | with a great heave | one careful step at a time
colour: red | golden | pink | purple | orange | silver | pale blue | yellow
morning-look: bright | misty | frosty | golden | chilly | sleepy | crisp | fresh | quiet | windy
spring-thing: buds | catkins | primroses | dandelions | daisies | violets | buttercups | snowdrops | crocuses | bluebells
big: enormous | huge | great big | mighty | giant | gigantic | very large
nice: lovely | wonderful | splendid | marvellous | perfect | beautiful | fine | grand
best: best | kindest | bravest | cleverest | funniest | dearest
smell: cinnamon | fresh hay | warm bread | pine needles | wood smoke | apple blossom | wet leaves | soap | peppermint | honey
like-sun: like a little sun | like a star | like gold | like a cat's eye | like new snow | like a drop of dew
tree: oak | birch | willow | beech | maple | hazel bush | fir | alder | chestnut tree | walnut tree | linden
spring-blue: cornflower | robin egg | forget-me-not | summer lake | jay feather
loved-thing: riddles | climbing trees | rainy days | collecting pebbles | jokes | warm bread | counting stars | puddles | whistling | old songs | building things out of sticks | asking questions
funny-sitting: watching the ants carry crumbs | drawing pictures in the dust | counting swallows | throwing pebbles at a tin can | blowing on a blade of grass | looking for shapes in the clouds | plaiting a crown of daisies | dangling both feet
season: spring | summer | autumn | winter
nice-day: best | finest | happiest | nicest | strangest | most exciting
dream: flying over the hills | talking bears | a ship made of sugar | an orchard on the moon | dancing whales | a castle in the clouds | riding a giant snail | snowflakes as big as plates
hiding: a heap of leaves | a bramble bush | a pile of logs | an old bench | a clump of ferns | a flat stone | a row of flowerpots | a stack of hay | a broken cart | a hollow log
rain-shelter: a thick bush | a wide tree | the roof of a shed | an upturned boat | a wooden porch | a stone arch
spider: sleepy spider | fat snail | row of ants | rusty nail | heap of dust | very cross beetle | grey cobweb | family of woodlice
body: nose | left ear | chin | elbow | knee | forehead | big toe | cheek
"""
WORDS: dict[str, list[str]] = {
    line.split(":")[0]: [x.strip() for x in line.split(":", 1)[1].split("|")] for line in _TEXT.strip().splitlines()
}
