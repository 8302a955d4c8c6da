"""The formulas of a layout's cost: what each of 256 simulated processes stores. What processes send is compared with a
count in test_divided.py."""

import pytest
import torch
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore

from glassformer.model.gpt import GPT
from glassformer.parallel import Mesh, Parallel, parallelize
from glassformer.parallel.cost import Work, part, sharded, stored, traffic
from glassformer.recipes.presets import named

GRID = {"tensor": 8, "pipeline": 8, "shard": True, "sequence": True}


def on_meta(n_layer):
    with torch.device("meta"):
        return GPT(named("gpt3").override("model.vocab_size=50257", f"model.n_layer={n_layer}").model)


@pytest.mark.parametrize("n_layer", [16, pytest.param(96, marks=pytest.mark.slow)])
def test_bytes_of_gpt3_on_256_processes_are_those_of_the_formula(n_layer):
    setup, whole, found = Parallel.parse(GRID), on_meta(n_layer), 0
    for rank in (0, 37, 255):
        distributed.init_process_group("fake", store=FakeStore(), rank=rank, world_size=256)
        try:
            mesh, model = Mesh(setup.layout(256), "cpu"), on_meta(n_layer)
            parallelize(model, mesh, setup)
            found = sum(p.to_local().numel() for p in model.parameters())
            shapes = stored(whole, mesh.layout, setup.schedule, mesh.at("pipeline"), mesh.at("tensor"))
            assert found == sharded(shapes, 4, mesh.at("shard"))
            assert mesh.at("pipeline") == rank // 32 and mesh.at("tensor") == rank % 8
        finally:
            distributed.destroy_process_group()
    assert found


def test_the_parts_of_all_processes_are_the_whole():
    setup, whole = Parallel.parse({**GRID, "schedule": "interleaved1f1b"}), on_meta(17)
    layout, total = setup.layout(256), 0
    for pipeline in range(8):
        for tensor in range(8):
            shapes = stored(whole, layout, setup.schedule, pipeline, tensor)
            total += sum(sharded({name: shape}, 4, at) for name, shape in shapes.items() for at in range(4)
                         if not (name == "embed.weight" and pipeline) and (_is_cut(name) or not tensor))  # fmt: skip
    assert total == sum(p.numel() for p in whole.parameters())


def _is_cut(name):
    words = name.split(".")
    inner = {"o_proj.weight", "down_proj.weight", "embed.weight"} | {
        f"{p}_proj.{kind}" for p in "qkv" for kind in ("weight", "bias")
    }
    return ".".join(words[-2:]) in inner | {"up_proj.weight", "up_proj.bias"}


def test_a_part_is_what_torch_cuts():
    for size, n in ((10, 4), (7, 2), (8, 8), (50257, 8)):
        chunks = torch.empty(size, 3).chunk(n)
        assert [part((size, 3), 0, n, at) for at in range(len(chunks))] == [tuple(c.shape) for c in chunks]


def test_traffic_grows_as_the_layout_says():
    whole, setup = on_meta(16), Parallel.parse(GRID)
    once = traffic(whole, setup.layout(256), setup, Work(10, 1, 2048, 2))
    twice = traffic(whole, setup.layout(256), setup, Work(20, 1, 2048, 2))
    assert twice.bytes["tensor"] == 2 * once.bytes["tensor"] and twice.bytes["data"] == once.bytes["data"]  # once a step
    copies = Parallel.parse({})
    assert [traffic(whole, copies.layout(n), copies, Work(n, 1, 2048, 2)).bytes.get("data", 0) for n in (1, 2)] == [
        0, 4 * sum(p.numel() for p in whole.parameters())
    ]  # fmt: skip
