"""Looking inside a model. Every number shown is one that the model computed.

`trace` records a forward pass, and others ask it something: `patterns` who reads whom, `stream` what each part adds,
`logit_lens` what each layer would say, `attribution` which part said it. `interventions` change a value during a pass, and
`sweep` changes each in turn. `heads` measures what each head does, `why` follows one number down to the weights, and
`learning` asks about gradients and a whole training. All of them stand on `seam`, through which every value passes under
its name, and know nothing of a variant. `tokens` looks at text instead.
"""
