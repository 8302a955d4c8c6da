"""The step: one token goes through all layers, on one thread or several.

    x = x + W_o attend(rotate(W_q h), keys, values)         h = norm(x), for each layer
    x = x + W_down activation(W_up h)                       h = norm(x)
    logits = W_head norm(x)

Every thread runs `step` with its own number. What is short (a norm of x) each of them computes for itself; of the rows of
a matrix, and of the heads, each computes its share, and they `meet` before anyone reads what the others have written.
"""

from typing import Any

from numba import carray

from glassformer.generate.step.formulas import activate, attend, keep, norm, rotate
from glassformer.generate.step.linear import add_linear, linear, prepare, share
from glassformer.generate.step.records import GEGLU, LAYER, MODEL, SWIGLU, WORK, floats, heads16, heads32, pointer
from glassformer.generate.step.threads import meet
from glassformer.kernels._numbers_cpu import f32
from glassformer.system.compiled import kernel


@kernel
def project(layer, model, work, x, h, thread, n_threads):
    """q, k, v = W_q h, W_k h, W_v h with h = norm(x)."""
    norm(layer.mixer_norm, x, h)
    prepare(layer.q, h, work)
    first, last = share(layer.q.rows, thread, n_threads)
    linear(layer.q, h, work, floats(model.q, layer.q.rows), first, last, model.vnni)
    first, last = share(layer.k.rows, thread, n_threads)
    linear(layer.k, h, work, floats(model.k, layer.k.rows), first, last, model.vnni)
    linear(layer.v, h, work, floats(model.v, layer.v.rows), first, last, model.vnni)


@kernel
def norm_heads(settings, all_heads, x, first, last, D, y):
    """x (heads * D,) -> y: the heads from `first` to `last` normalised one by one, or all heads as one vector."""
    if all_heads:
        return norm(settings, x, y)
    for head in range(first, last):
        norm(settings, x[head * D : head * D + D], y[head * D : head * D + D])


@kernel
def mix_heads(q, k, v, cos, sin, keys, values, first, last, position, work, model):
    """`mix` with keys and values (G, places, D); position p lies in place p mod places, over one that nobody sees now."""
    D, G, H = keys.shape[2], keys.shape[0], model.n_head
    place, S = position % keys.shape[1], min(position + 1, keys.shape[1])
    scores, y = floats(work.scores, S), floats(model.y, H * D)
    for g in range(first * G // H, (last - 1) * G // H + 1):
        rotate(k[g * D : g * D + D], cos, sin)
        keep(k[g * D : g * D + D], keys[g], place)
        keep(v[g * D : g * D + D], values[g], place)
    for head in range(first, last):
        g, here = head * G // H, slice(head * D, head * D + D)
        rotate(q[here], cos, sin)
        attend(q[here], keys[g, :S], values[g, :S], scores, y[here])


@kernel
def mix(layer, model, work, thread, n_threads, position):
    """y = attend(q, keys, values) for the thread's heads, after this token's key and value have joined the cache."""
    H, G, D, S = model.n_head, model.n_kv_head, model.head_dim, layer.places
    first, last = H * thread // n_threads, H * (thread + 1) // n_threads
    if first == last:
        return
    first_g, last_g = first * G // H, (last - 1) * G // H + 1  # threads that share a group write the same numbers
    q, k = floats(work.queries, H * D), floats(work.keys, G * D)
    norm_heads(layer.q_norm, model.norm_all_heads, floats(model.q, H * D), first, last, D, q)
    norm_heads(layer.k_norm, model.norm_all_heads, floats(model.k, G * D), first_g, last_g, D, k)
    row = 4 * model.turned * position  # bytes
    cos, sin = floats(model.cos + row, model.turned), floats(model.sin + row, model.turned)
    if model.cache_bits == 32:
        keys, values = heads32(layer.keys, G, S, D), heads32(layer.values, G, S, D)
        mix_heads(q, k, floats(model.v, G * D), cos, sin, keys, values, first, last, position, work, model)
    else:
        keys, values = heads16(layer.keys, G, S, D), heads16(layer.values, G, S, D)
        mix_heads(q, k, floats(model.v, G * D), cos, sin, keys, values, first, last, position, work, model)


@kernel
def widen(layer, model, work, x, h, hidden, thread, n_threads):
    """hidden = activation(W_up h), or activation(W_gate h, W_up h), with h = norm(x)."""
    norm(layer.mlp_norm, x, h)
    prepare(layer.up, h, work)
    first, last = share(layer.up.rows, thread, n_threads)
    linear(layer.up, h, work, hidden, first, last, model.vnni)
    gate = floats(model.gate, layer.up.rows)
    if model.activation == SWIGLU or model.activation == GEGLU:
        linear(layer.gate, h, work, gate, first, last, model.vnni)
    activate(model.activation, hidden, gate, first, last)


@kernel
def write(matrix, model, work, y, x, thread, n_threads):
    """x = x + W y."""
    prepare(matrix, y, work)
    first, last = share(matrix.rows, thread, n_threads)
    add_linear(matrix, y, work, x, first, last, model.vnni)


@kernel
def step(thread, n_threads, position, the_model, the_layers, the_work):
    """Read the token whose embedding lies at `model.x`, at this position of the text; its logits are left at
    `model.logits`, and the stream at `model.x`. The last three arguments are the addresses of records."""
    model = carray(pointer(the_model), 1, MODEL)[0]
    layers = carray(pointer(the_layers), model.n_layer, LAYER)
    work: Any = carray(pointer(the_work), n_threads, WORK)[thread]
    x, h = floats(model.x, model.n_embd), floats(work.h, model.n_embd)
    y, hidden = floats(model.y, model.n_head * model.head_dim), floats(model.hidden, model.n_hidden)
    meeting = 0
    for i in range(model.n_layer):
        layer = layers[i]
        project(layer, model, work, x, h, thread, n_threads)
        meet(model.arrived, n_threads, meeting + 1)
        mix(layer, model, work, thread, n_threads, position)
        meet(model.arrived, n_threads, meeting + 2)
        write(layer.o, model, work, y, x, thread, n_threads)
        meet(model.arrived, n_threads, meeting + 3)
        widen(layer, model, work, x, h, hidden, thread, n_threads)
        meet(model.arrived, n_threads, meeting + 4)
        write(layer.down, model, work, hidden, x, thread, n_threads)
        meet(model.arrived, n_threads, meeting + 5)
        meeting += 5
    norm(model.final_norm, x, h)
    for i in range(model.n_embd):
        h[i] *= f32(model.head_scale)
    prepare(model.head, h, work)
    first, last = share(model.head.rows, thread, n_threads)
    linear(model.head, h, work, floats(model.logits, model.head.rows), first, last, model.vnni)
    meet(model.arrived, n_threads, meeting + 1)
