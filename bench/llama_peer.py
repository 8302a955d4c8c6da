"""llama.cpp as a contestant of decode.py: a process of another environment that writes tokens when it is asked to.

    python -m venv llama && llama/bin/pip install xllamacpp gguf

The wheel of xllamacpp uses the instructions of every CPU of the last ten years (AVX2), and not AVX-512; built from source
it would use all that this CPU has. Started by itself (`llama/bin/python bench/llama_peer.py 8 2`), this file is that
process: it writes a GGUF file of GPT-2's shape with random weights of so many bits, loads it into llama.cpp's server, and
then reads lines "number of tokens" from its standard input.
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path


class Peer:
    """`peer(n)` lets llama.cpp read the prompt and write n tokens."""

    def __init__(self, python: str, bits: int, prompt: list[int], n_threads: int):
        words = [python, __file__, str(bits), str(n_threads), ",".join(map(str, prompt))]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def __call__(self, n: int) -> list[int]:
        """Nothing: the weights are random, and so is what they say."""
        assert self.process.stdin
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        assert int(self._answer()) == n
        return []

    def _answer(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "llama.cpp ended; start this file by itself to see why"
        return line


def write_gguf(path: Path, bits: int) -> None:
    """GPT-2 124M with weights from N(0, 0.02^2) in F32, BF16, Q8_0 or Q4_0."""
    import gguf
    import numpy as np

    kind = {32: "F32", 16: "BF16", 8: "Q8_0", 4: "Q4_0"}[bits]
    kind, V, C, L = gguf.GGMLQuantizationType[kind], 50257, 768, 12
    draw, file = np.random.default_rng(0), gguf.GGUFWriter(path, "gpt2")
    file.add_context_length(1024), file.add_embedding_length(C), file.add_block_count(L), file.add_head_count(12)
    file.add_feed_forward_length(4 * C), file.add_layer_norm_eps(1e-5), file.add_vocab_size(V)
    file.add_tokenizer_model("gpt2"), file.add_tokenizer_pre("gpt-2")
    file.add_token_list([chr(33 + i) if i < 94 else f"token{i}" for i in range(V)])
    file.add_token_types([gguf.TokenType.NORMAL] * V), file.add_token_merges(["a b"])

    def matrix(name: str, rows: int, columns: int) -> None:
        w = draw.standard_normal((rows, columns), dtype=np.float32) * np.float32(0.02)
        if name == "position_embd.weight":
            file.add_tensor(name, w)
        else:
            file.add_tensor(name, gguf.quants.quantize(w, kind), raw_dtype=kind)

    def vector(name: str, n: int, value: float) -> None:
        file.add_tensor(name, np.full(n, value, np.float32))

    matrix("token_embd.weight", V, C)
    matrix("position_embd.weight", 1024, C)
    vector("output_norm.weight", C, 1), vector("output_norm.bias", C, 0)
    for i in range(L):
        for name, rows, columns in (
            ("attn_qkv", 3 * C, C), ("attn_output", C, C), ("ffn_up", 4 * C, C), ("ffn_down", C, 4 * C)
        ):  # fmt: skip
            matrix(f"blk.{i}.{name}.weight", rows, columns)
            vector(f"blk.{i}.{name}.bias", rows, 0)
        for name in ("attn_norm", "ffn_norm"):
            vector(f"blk.{i}.{name}.weight", C, 1), vector(f"blk.{i}.{name}.bias", C, 0)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def serve(bits: int, n_threads: int, prompt: list[int]) -> None:
    """For each line, write as many tokens as it says."""
    import xllamacpp

    with tempfile.TemporaryDirectory() as folder:
        write_gguf(Path(folder) / "model.gguf", bits)
        settings = xllamacpp.CommonParams()
        settings.model.path, settings.n_ctx, settings.n_parallel = f"{folder}/model.gguf", 512, 1
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = n_threads
        server = xllamacpp.Server(settings)
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = {"prompt": prompt, "n_predict": int(line), "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        request = urllib.request.Request(server.listening_address + "/completion", json.dumps(wanted).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            print(json.loads(answer.read())["timings"]["predicted_n"], flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), [int(id) for id in sys.argv[3].split(",")] if sys.argv[3:] else [1] * 128)
