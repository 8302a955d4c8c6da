"""From training and held-out text to the ids of a dataset, with threads or processes; it can resume at any document."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from glassformer.config import variant_class, variants
from glassformer.data.index import SplitIndex
from glassformer.data.prepare.holdout import HoldOut, Piece
from glassformer.data.prepare.preparation import Preparation
from glassformer.data.prepare.spool import Spool, utf8_size
from glassformer.data.prepare.writer import SplitWriter
from glassformer.errors import TokenizerError
from glassformer.system.workers import in_order
from glassformer.tokenizers import Tokenizer, TokenizerRecipe

BATCH = 1 << 20  # characters


class Encoding:
    """The work on a batch of pieces. It returns their ids, up to the first piece that the tokenizer cannot encode, and
    why it cannot."""

    def __init__(self, tokenizer: Tokenizer, recipe: str | None) -> None:
        """`recipe` is the name of the tokenizer's variant, or the path of the user's own; None if it is not known."""
        self.tokenizer = tokenizer
        self._recipe = tokenizer.name if recipe is None else recipe

    def can_travel(self) -> bool:
        """Whether another process can rebuild this tokenizer."""
        return self._recipe.endswith(".py") or self._recipe in variants(TokenizerRecipe)

    def __call__(self, pieces: list[Piece]) -> tuple[list[np.ndarray], str]:
        found = []
        try:
            for ids in self.tokenizer.encode_array(piece.text for piece in pieces):
                found.append(ids)
        except TokenizerError as error:
            return found, str(error)
        return found, ""

    def __getstate__(self) -> dict[str, Any]:
        return {"recipe": self._recipe, "json": self.tokenizer.to_json()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        recipe = variant_class(TokenizerRecipe, state["recipe"])
        assert issubclass(recipe, TokenizerRecipe)
        self.__init__(Tokenizer.from_json(state["json"], recipe), state["recipe"])


def encode(
    name: str, held_out: HoldOut, spool: Spool, encoding: Encoding, n_sources: int, preparation: Preparation
) -> SplitIndex:
    """Write the files of one split; an interrupted preparation is continued where the journal ends.

    Raises TokenizerError, with the document's origin, for text that the tokenizer cannot encode.
    """
    folder, config, journal, stage, n_workers = preparation
    stage_name, tokenizer = f"encoding {name}", encoding.tokenizer
    facts = journal.last(stage_name) or {"next": 0, "done": 0, "writer": None}
    writer = SplitWriter(
        folder, name, tokenizer.dtype, tokenizer.require_end_of_text(), config.shard_tokens, n_sources, facts["writer"]
    )
    done = facts["done"]
    stage.begin(stage_name, done, held_out.n_bytes(name))
    for piece, ids in _encoded(encoding, held_out.pieces(name, facts["next"]), n_workers):
        if isinstance(ids, str):
            raise TokenizerError(f"{spool.look_up([piece.number])[piece.number][0]}: {ids}")
        size = utf8_size(piece.text)
        writer.append(ids, size, piece.source)
        done += size
        stage.at(done)
        if journal.is_due():
            journal.write(stage_name, next=piece.number + 1, done=done, writer=writer.sync())
    index = writer.close()
    stage.end(done)
    return index


def _encoded(encoding: Encoding, pieces: Iterator[Piece], n_workers: int) -> Iterator[tuple[Piece, np.ndarray | str]]:
    """Each piece with its ids. A piece that cannot be encoded comes last, with the reason in place of its ids."""
    if encoding.tokenizer.threads:
        tokenizer = copy.copy(encoding.tokenizer)
        tokenizer.threads = n_workers
        told, read = itertools.tee(pieces)  # the tokenizer reads some MB ahead
        yield from zip(told, tokenizer.encode_array(piece.text for piece in read))
        return
    for batch, (found, wrong) in in_order(encoding, _batches(pieces), n_workers if encoding.can_travel() else 1):
        yield from zip(batch, found)
        if wrong:
            yield batch[len(found)], wrong
            return


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch, size = [], 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
