"""llama.cpp as a contestant of decode.py: a process of another environment that writes tokens when it is asked to.

Make the environment once; building from source takes some minutes and uses every instruction that this CPU has:

    python -m venv llama && llama/bin/pip install gguf
    llama/bin/pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36

Started by itself (`llama/bin/python bench/llama_peer.py 8 2`), this file is that process: it writes a GGUF file of GPT-2's
shape with random weights of so many bits, loads it, and then reads lines "number of tokens" from its standard input.
"""

import subprocess
import sys
import tempfile
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
        """n ids, which mean nothing: the weights are random."""
        assert self.process.stdin
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return [int(id) for id in self._answer().split(",")]

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
    file.add_tokenizer_model("none")

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
    """Answer each line with as many ids as it says."""
    import llama_cpp
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        write_gguf(Path(folder) / "model.gguf", bits)
        model = llama_cpp.Llama(
            f"{folder}/model.gguf", n_ctx=512, n_threads=n_threads, n_threads_batch=n_threads, verbose=False
        )
    print("ready", flush=True)
    for line in sys.stdin:
        model.reset()
        new, text = prompt, []
        for _ in range(int(line)):
            model.eval(new)
            scores = llama_cpp.llama_get_logits(model.ctx)
            new = [int(np.ctypeslib.as_array(scores, (model.n_vocab(),)).argmax())]
            text += new
        print(",".join(map(str, text)), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), [int(id) for id in sys.argv[3].split(",")] if sys.argv[3:] else [1] * 128)
