"""Constrained decoding: at each token only those that keep the answer on the way to what a grammar allows.

A JSON schema becomes a grammar of llguidance (https://github.com/guidance-ai/llguidance), and its matcher computes
which tokens may come next. An answer that ends by itself is complete; only the token limit can cut it.

Tokens are chosen by the masked logits. Their log-probabilities are reported from the unmasked ones, as everywhere else:
how probable a text is under the model does not depend on what it was not allowed to say, and a model that would rather
have said something else shows it. Where few tokens are allowed, such as at the options of an enum, a ``Fork`` keeps
the logits of those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from thermolang.answers.json_schema import can_end, closed
from thermolang.errors import InvalidInputError, ModelError, require

MOST_AT_A_FORK = 512
"""Where more tokens than this are allowed, the text is free and nothing is kept."""

# As json.dumps writes it: one way to write a value, so that a model cannot go on with blanks for ever.
_STYLE = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False, "coerce_one_of": True}


@dataclass(frozen=True)
class Grammar:
    """What an answer must look like; made by ``json_grammar``, ``call_grammar`` and ``either_grammar``.

    Attributes:
        text: The grammar, in llguidance's Lark or JSON form.
    """

    text: str


@dataclass(frozen=True, eq=False)
class Fork:
    """A place in an answer where a few tokens were allowed.

    Attributes:
        ids: Shape (n,); these tokens.
        logits: Shape (n,); theirs, as the model gave them.
        total: Log of the sum of exp over the logits of the whole vocabulary.
        hidden: Shape (d,), float32; the hidden state of the last layer at this place.
    """

    ids: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]
    total: float
    hidden: torch.Tensor

    @property
    def mass(self) -> float:
        """Share of the next-token probability that falls on the allowed tokens, in [0, 1]."""
        return min(float(np.exp(np.logaddexp.reduce(self.logits) - self.total)), 1.0)


def json_grammar(schema: Mapping[str, Any]) -> Grammar:
    """The grammar of JSON texts that validate against a schema, written in one line as ``json.dumps`` does.

    Objects with ``properties`` hold no others, unless the schema says ``additionalProperties``.

    Raises:
        InvalidInputError: The schema cannot be enforced token by token, or no finite text validates against it.
    """
    llguidance = require("llguidance", "structured")
    return _checked(llguidance.LLMatcher.grammar_from_json_schema(_finite(schema), defaults=_STYLE))


def call_grammar(schemas: Mapping[str, Mapping[str, Any]], *, several: bool = False) -> Grammar:
    """The grammar of a call of one of several functions, as ``{"name": ..., "arguments": {...}}``.

    Args:
        schemas: JSON schemas of the arguments, by the functions' names.
        several: Whether more calls may follow, each in a line of its own.

    Raises:
        InvalidInputError: As ``json_grammar``.
    """
    lines = ["start: call more*" if several else "start: call", 'more: "\\n" call' if several else ""]
    lines.append("call: " + " | ".join(f"call_{i}" for i in range(len(schemas))))
    for i, (name, schema) in enumerate(schemas.items()):
        opening = json.dumps(f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": ', ensure_ascii=False)
        lines.append(f'call_{i}: {opening} arguments_{i} "}}"\narguments_{i}: %json {_embedded(schema)}')
    return _checked("\n".join(lines))


def either_grammar(answer: Mapping[str, Any], mark: str, encode: Callable[[str], list[int]]) -> Grammar:
    """The grammar of JSON of a schema, or of anything that begins with a mark, such as a tool call.

    Args:
        answer: The schema.
        mark: What the model writes before a call.
        encode: Token ids of a text.

    Raises:
        InvalidInputError: As ``json_grammar``.
    """
    json_grammar(answer)  # checks it; a grammar that names token ids cannot be checked without the tokenizer
    ids = encode(mark)
    # Some tokenizers have a token of its own for it, which never matches as a text.
    begin = f"<[{ids[0]}]>" if len(ids) == 1 else json.dumps(mark, ensure_ascii=False)
    return Grammar(f"start: answer | {begin} rest\nanswer: %json {_embedded(answer)}\nrest: /(.|\\n)*/")


def _embedded(schema: Mapping[str, Any]) -> str:
    return json.dumps({**_finite(schema), "x-guidance": _STYLE}, ensure_ascii=False)


def _finite(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without further properties, if a finite value can validate."""
    whole: dict[str, Any] = closed(dict(schema))
    if not can_end(whole, whole):
        msg = "every value of this schema holds another one of its kind, without end: make the recursive field optional"
        raise InvalidInputError(msg)
    return whole


def _checked(text: str) -> Grammar:
    _, problems = require("llguidance", "structured").LLMatcher.validate_grammar_with_warnings(text)
    if problems:
        msg = (
            f"this schema cannot be enforced token by token ({'; '.join(problems)}): leave that part out of the schema "
            "and check it after parsing, for example in a pydantic validator"
        )
        raise InvalidInputError(msg)
    return Grammar(text)


class Constraint:
    """Follows one answer through a grammar.

    Args:
        grammar: What the answer must look like.
        tokenizer: As ``grammar_tokenizer`` returns it.
    """

    def __init__(self, grammar: Grammar, tokenizer: Any) -> None:
        matcher = require("llguidance", "structured").LLMatcher
        self._matcher = matcher(tokenizer, grammar.text, log_level=0)
        # 32 tokens in a word.
        self._words = np.zeros((tokenizer.vocab_size + 31) // 32, np.int32)

    @property
    def complete(self) -> bool:
        """Whether the answer so far is all that the grammar asks for."""
        return not self.failed and bool(self._matcher.is_accepting())

    @property
    def ended(self) -> bool:
        """Whether nothing may follow any more."""
        return bool(self._matcher.is_stopped())

    @property
    def failed(self) -> bool:
        """Whether the grammar became too complex for the matcher, so that it allows nothing any more."""
        return bool(self._matcher.is_error())

    def allowed(self, vocabulary: int) -> np.ndarray[Any, Any]:
        """Which tokens may come next, shape (vocabulary,), bool; ids that the tokenizer does not know may not."""
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        found = np.zeros(vocabulary, bool)
        known = np.unpackbits(self._words.view(np.uint8), bitorder="little")[: min(vocabulary, len(self._words) * 32)]
        found[: len(known)] = known
        return found

    def take(self, token: int) -> None:
        """Go on with a token; ``failed`` after one that is not allowed."""
        self._matcher.consume_token(token)


def grammar_tokenizer(tokenizer: Any, end_ids: Collection[int]) -> Any:
    """A tokenizer for ``Constraint``; making it takes a second or two, so it is kept with its model.

    Args:
        tokenizer: The transformers tokenizer of a model.
        end_ids: Tokens that end an answer.

    Raises:
        ModelError: It is none of the fast tokenizers, whose vocabulary can be read.
    """
    require("llguidance", "structured")
    from llguidance.hf import from_tokenizer

    if not getattr(tokenizer, "is_fast", False):
        msg = f"answers of a given form need a fast tokenizer, which {type(tokenizer).__name__} is not: use_fast=True"
        raise ModelError(msg)
    return from_tokenizer(tokenizer, eos_token=sorted(end_ids))
