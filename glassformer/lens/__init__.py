"""Looking inside a model. Every number shown is one that the model computed.

`trace` records a forward pass, and everything else asks it something: `patterns` who reads whom, `stream` what each part
adds, `logit_lens` what each layer would say, `attribution` which part said it. All of them stand on
`seam`, through which every value passes under its name, and know nothing of a variant. `tokens` looks at text instead.
"""
