"""Looking inside a model. Every number shown is one that the model computed.

`trace` records a forward pass, and others ask it something: `patterns` who reads whom, `stream` what each part adds,
`logit_lens` what each layer would say, `attribution` which part said it. `interventions` change a value during a pass,
`heads` measures what each head does, and `why` follows one number down to the weights. All of them stand on `seam`, through
which every value passes under its name, and know nothing of a variant. `tokens` looks at text instead.
"""
