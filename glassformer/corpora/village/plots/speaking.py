"""Who says it, and how: the words before and after a quotation.

The teller picks `s`, `e` or `q` by the last mark of what is said, or the manner a plot asks for; `-to` names the listener.
"""

TEXT = """
^s a
    said {a name}
    {a} said
    said {a name}
    {a} said <gently>
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
    {a} called out
    {a} took a step forward and cried
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
