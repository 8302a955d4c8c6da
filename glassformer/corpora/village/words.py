"""Classes of words that do not change what happens: sounds, manners, what a day looks like.

`<softly>` in a wording stands for any phrase of the class "softly". `k:deed` in a header binds one phrase to a name, so
that a promise to "feed the hens" is kept by feeding the hens.
"""

_TEXT = """
gently: quietly | softly | calmly | kindly | slowly | thoughtfully | in a friendly voice | after a while | with a
    wink | earnestly
softly: softly | gently | quietly | carefully | slowly | tenderly | without a sound | as softly as snow
quickly: quickly | at once | in a flash | right away | as fast as the wind | without waiting | in a great hurry
happily: happily | merrily | cheerfully | proudly | gladly | with a grin | with shining eyes
sadly: sadly | gloomily | in a small voice | with a heavy heart | with a sigh | with tears in both eyes
funny-thing: hopping on one leg | humming a silly song | counting the clouds | whistling like a blackbird | making
    up rhymes | balancing on the edges of puddles | skipping every second step | chewing on a stalk of grass |
    singing at the top of the lungs | walking backwards for fun
sound: crack | thump | splash | crash | rattle | creak | rustle | squeak | scratch | clatter | hoot | whoosh | bang
    | plop | click | snap | howl | groan
twice: three times | over and over | again and again | a dozen times
loudly: loudly | crossly | wildly | with all their might | until the windows shook | so that the whole street could
    hear
hard-work: huffing and puffing | with all the strength in the world | little by little | inch by inch | with a great
    heave | one careful step at a time
colour: red | golden | pink | purple | orange | silver | pale blue | yellow
morning-look: bright | misty | frosty | golden | chilly | sleepy | crisp | fresh | quiet | windy
spring-thing: buds | catkins | primroses | dandelions | daisies | violets | buttercups | snowdrops | crocuses |
    bluebells
big: enormous | huge | great big | mighty | giant | gigantic | very large
nice: lovely | wonderful | splendid | marvellous | perfect | beautiful | fine | grand
best: best | kindest | bravest | cleverest | funniest | dearest
smell: cinnamon | fresh hay | warm bread | pine needles | wood smoke | apple blossom | wet leaves | soap |
    peppermint | honey
like-sun: like a little sun | like a star | like gold | like a cat's eye | like new snow | like a drop of dew
tree: oak | birch | willow | beech | maple | hazel bush | fir | alder | chestnut tree | walnut tree | linden
spring-blue: cornflower | robin egg | forget-me-not | summer lake | jay feather
love: riddles | old ships | thunder and lightning | stories about pirates | the smell of rain | snails | climbing
    trees | rainy days | collecting pebbles | jokes | warm bread | counting stars | puddles | whistling | old songs
    | building things out of sticks | asking questions
idling: watching the ants carry crumbs | drawing pictures in the dust | counting swallows | throwing pebbles at a
    tin can | blowing on a blade of grass | looking for shapes in the clouds | plaiting a crown of daisies |
    dangling both feet
season: spring | summer | autumn | winter
nice-day: best | finest | happiest | nicest | strangest | most exciting
dream: flying over the hills | talking bears | a ship made of sugar | an orchard on the moon | dancing whales | a
    castle in the clouds | riding a giant snail | snowflakes as big as plates
hiding: a heap of leaves | a bramble bush | a pile of logs | an old bench | a clump of ferns | a flat stone | a row
    of flowerpots | a stack of hay | a broken cart | a hollow log
rain-shelter: a thick bush | a wide tree | the roof of a shed | an upturned boat | a wooden porch | a stone arch
spider: sleepy spider | fat snail | row of ants | rusty nail | heap of dust | very cross beetle | grey cobweb |
    family of woodlice
deed: feed the hens | water the tulips | sweep the yard | milk the cow | stack the firewood | paint the fence |
    brush the pony | pick the cherries | wash the windows | mend the fishing nets | carry the milk to the dairy |
    close the shutters | shell the peas | polish the spoons | look after the goslings | turn the hay | light the
    stove
skill: whistle with two fingers | walk on stilts | skip a stone seven times | stand on both hands | juggle with pine
    cones | row a boat | ride a pony | tie a sailor's knot | swim like an otter | carve a duck out of wood | read
    the stars | dance a jig | turn a cartwheel | spin wool
building: birdhouse | raft | tree house | rabbit hutch | bench | doghouse | little bridge | swing | seesaw |
    hedgehog house | windmill made of paper | soapbox cart | stage for puppets
bloom: sunflowers as tall as the roof | tulips in every colour | beans as long as a flute | pumpkins as big as drums
    | roses without a single thorn | hollyhocks taller than the gate | the prettiest bush in the village
trap: a deep bucket | the mud | an old net | a hole in the ice | a drainpipe | a thorn hedge | a tall chimney | a
    rolled-up carpet | a watering trough | a wobbly tower of crates
snow: a carrot | a pine cone | a potato | a clothes peg | a parsnip | an icicle | a red pepper
snow-folk: man | giant | king | queen | bear | pirate
ledge: the windowsill | the garden wall | a flat stone | the doorstep | an upturned pail | a tree stump | the edge
    of the table
passing: a swarm of swallows | a wagon full of hay | a very small cloud | two geese quarrelling | a butterfly with
    blue wings | a chimney sweep on a bicycle | the clock strike three | a beetle pushing a ball
pet-fun: chewing on somebody's sock | asleep in a heap of hay | covered with flour | drinking from a puddle |
    chasing a feather | eating somebody's picnic | wearing a flowerpot like a hat | rolling in the daisies
pet-sound: made a small happy noise | blinked as if nothing had happened | sneezed | looked very pleased | shook
    from head to tail | wriggled with joy | turned around three times
soft: soft | fluffy | warm | shivering | round
thunder: crash | bang | boom | crack | rumble | thump
obstacle: a fallen tree | a flock of two hundred sheep | a broken bridge | a puddle as wide as a pond | a cart
    without a wheel | a gate with a rusty lock | a grumpy ram | a landslide
water: a roaring brook | a broken footbridge | a row of wet stepping stones | a fallen log over deep water | a
    swaying rope bridge
tall: the top of a poplar | the church steeple | the tallest chimney | the branches of a chestnut tree | the arms of
    a scarecrow | the weathercock
wonder: a nest with five blue eggs | a family of baby hedgehogs | a tiny waterfall behind a curtain of ivy | a
    newborn foal on wobbly legs | a hollow tree as big as a room | a mother cat with six kittens | a ring of red
    mushrooms | a swing that hung from the sky
scraped: knee | elbow | chin | hand | shin
munch: munching | rustling | crunching | scraping | giggling | smacking | snuffling | rattling
porridge: honey | raisins | cream | blackberry jam | nuts | a baked apple
smell-food: pancakes | plum cake | gingerbread | apple pie | hot chestnuts | cherry soup
pet-food: milk | oats | carrots | leftovers | clover | broth
moral: a closed gate saves a long walk | a friend may be waiting behind any fence | a friendly sound is as good as a
    lamp | a good friend always comes back | a good messenger does not give up | a good swap makes two people happy
    | a hand to hold makes any bridge wider | a little light makes big fears small | a load is lighter when two
    carry it | a present is worth the trouble one takes | a promise is a promise | a secret is like a seed and likes
    the quiet | a word is quickly given and slowly mended | being afraid is half as bad when there are two of you |
    being brave means going all the same | borrowed things have to find their way home | brave people are sometimes
    afraid | bread tastes best in company | cakes taste best when you have made them yourself | cold hands make a
    warm evening | crumbs do not always tell the truth | even the smallest creature can say thank you | every little
    one has somebody who is looking for it | every storm passes | everybody was new somewhere once | falling down is
    part of learning | four eyes see more than two | giving is as nice as getting | good cooks laugh and try again |
    good things grow slowly | half an apple can be more than a whole one | it feels good to be trusted | it is
    better to ask than to shout | it is the finding that makes hiding fun | kindness is never heavy | lost things
    like to hide where nobody looks | love is the best medicine | most monsters are very small | music finds the way
    when eyes cannot | no toy is worth a friend | nobody can hide a sneeze | nobody is born a master | patience is
    good medicine | roots come first | saying sorry is hard for only a moment | snow is best when it is shared |
    some things should never be traded | the best treasures are not made of gold | the dark is full of small lights
    | the long way round also gets there | the second try is often the best | there is always another race | true
    friends can be silent together | two can do what one cannot | what the wind takes, a friend brings back |
    whoever digs together shares together | winning alone is no fun
body: nose | left ear | chin | elbow | knee | forehead | big toe | cheek
"""
WORDS: dict[str, list[str]] = {}
for _line in _TEXT.replace("\n    ", " ").strip().splitlines():
    _klass, _, _phrases = _line.partition(":")
    WORDS[_klass] = [phrase.strip() for phrase in _phrases.split("|")]
