"""Writes one split of a dataset, document by document. It can be interrupted anywhere and continued.

`sync` forces everything to disk and returns the few numbers that a later writer needs to continue. That writer cuts off
whatever was written after them, so the finished files are the same whether or not, and wherever, the first was killed.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassformer.data.index import Component, Shard, SplitIndex
from glassformer.data.prepare.journal import cut
from glassformer.data.shards import documents_file, shard_file, sources_file
from glassformer.system.files import sha256

WAITING = 1 << 18  # ids


class SplitWriter:
    """Appends documents to one split of a dataset that is being made.

    `state` is what `sync` of an earlier writer returned, whose files are in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        dtype: np.dtype,
        end_of_text: int,
        shard_tokens: int,
        n_sources: int = 1,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder, self._name, self._shard_tokens = folder, name, shard_tokens
        self._separator = np.array([end_of_text], dtype.newbyteorder("<"))
        self._documents = documents_file(folder, name)
        self._sources = sources_file(folder, name)
        state = state or {"sources": [[0, 0, 0]] * n_sources, "shards": [], "in_shard": 0}
        self._counts = np.array(state["sources"], np.int64)  # (n_sources, 3): documents, tokens, bytes
        self._shards = [Shard(**shard) for shard in state["shards"]]
        self._in_shard = state["in_shard"]
        self._empty()
        self._touched: set[Path] = set()
        self._cut()

    def append(self, ids: np.ndarray, n_bytes: int, source: int = 0) -> None:
        """Add a document: its ids, the number of UTF-8 bytes that they stand for, and the number of its source.

        An array that is mapped from a file is read in pieces, so it may be larger than memory.
        """
        self._wait(self._separator)
        for start in range(0, len(ids), WAITING):
            self._wait(ids[start : start + WAITING])
        self._lengths.append(1 + len(ids))
        self._from.append(source)
        self._counts[source] += (1, 1 + len(ids), n_bytes)

    def _wait(self, ids: np.ndarray) -> None:
        if self._n_waiting + len(ids) > WAITING:
            self._write()
        self._waiting.append(ids)
        self._n_waiting += len(ids)

    def sync(self) -> dict[str, Any]:
        """Force everything to disk. Returns what another writer needs to continue, as plain values."""
        self._write()
        for path in self._touched:
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        self._touched.clear()
        shards = [shard.model_dump() for shard in self._shards]
        return {"sources": self._counts.tolist(), "shards": shards, "in_shard": self._in_shard}

    def close(self) -> SplitIndex:
        """Write what is left. Returns the split's part of the index."""
        self._write()
        self._end_shard()
        documents, tokens, n_bytes = self._counts.sum(0).tolist()
        several = len(self._counts) > 1
        return SplitIndex(
            documents=documents,
            tokens=tokens,
            bytes=n_bytes,
            shards=tuple(self._shards),
            documents_sha256=sha256(self._documents),
            sources=tuple(Component(documents=d, tokens=t, bytes=b) for d, t, b in self._counts.tolist()),
            sources_sha256=sha256(self._sources) if several else "",
        )

    def _cut(self) -> None:
        """Cut the files to the lengths that the counts say."""
        for path in self._folder.glob(f"{self._name}-[0-9]*.bin"):
            if int(path.stem.rpartition("-")[2]) >= len(self._shards) + bool(self._in_shard):
                path.unlink()
        self._digest = hashlib.sha256()
        if self._in_shard:
            path = shard_file(self._folder, self._name, len(self._shards))
            cut(path, self._in_shard * self._separator.itemsize)
            with open(path, "rb") as file:
                self._digest = hashlib.file_digest(file, "sha256")
        documents, self._end, _ = self._counts.sum(0).tolist()
        if documents:
            cut(self._documents, 8 * (documents + 1))
        else:
            self._documents.write_bytes(bytes(8))
        if len(self._counts) > 1:
            self._sources.touch()
            cut(self._sources, documents)

    def _write(self) -> None:
        """Write what waits. The last document may go on: its end is written when all of it is there."""
        if not self._waiting and not self._lengths:
            return
        ids = np.concatenate([*self._waiting, self._separator[:0]], dtype=self._separator.dtype)
        ends = self._end + np.cumsum(self._lengths, dtype="<i8")
        self._append(self._documents, ends)
        if len(self._counts) > 1:
            self._append(self._sources, self._from)
        self._end = int(ends[-1]) if len(ends) else self._end
        self._empty()
        while len(ids):
            part = ids[: self._shard_tokens - self._in_shard]
            self._append(shard_file(self._folder, self._name, len(self._shards)), part)
            self._digest.update(part.data)
            self._in_shard += len(part)
            if self._in_shard == self._shard_tokens:
                self._end_shard()
            ids = ids[len(part) :]

    def _append(self, path: Path, numbers: np.ndarray | bytearray) -> None:
        with open(path, "ab") as file:
            file.write(numbers.data if isinstance(numbers, np.ndarray) else numbers)
        self._touched.add(path)

    def _empty(self) -> None:
        self._waiting: list[np.ndarray] = []
        self._lengths: list[int] = []
        self._from = bytearray()
        self._n_waiting = 0

    def _end_shard(self) -> None:
        if self._in_shard:
            self._shards.append(Shard(tokens=self._in_shard, sha256=self._digest.hexdigest()))
        self._in_shard, self._digest = 0, hashlib.sha256()
