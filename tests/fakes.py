"""Models for tests: a programmable one without weights, and a real Llama small enough to make in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from thermolang.errors import ModelError
from thermolang.models.fields import SpelledAnswer
from thermolang.models.rotations import averaged, shifts, with_rotated_options
from thermolang.types import Generation, Message, ModelIdentity, OptionScores

HIDDEN = 16

IDENTITY = ModelIdentity(
    architecture="FakeForCausalLM",
    hidden_size=HIDDEN,
    num_layers=2,
    vocab_size=100,
    tokenizer="tokenizer",
    template="template",
    prompt_version="1",
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass
class FakeModel:
    """A ScoringModel whose readings are a function of the conversation's last text.

    Attributes:
        logits: From (question, number of options) to logits; by default a function of the text's hash.
        hidden: From the question to a hidden state; by default a function of the text's hash.
        mass: Share of the next-token probability on the options.
        logprob: Exp of the mean log-probability of an answer that is given as text.
        answer: What it generates.
        said: What it says when it is asked again, over and over.
        context: Conversations of more characters are refused, as a real model does.
        calls: Names of the readings that were asked for, in order.
    """

    logits: Callable[[str, int], Sequence[float]] | None = None
    hidden: Callable[[str], Sequence[float]] | None = None
    mass: float = 0.9
    logprob: float | None = None
    answer: str = "Paris"
    said: Sequence[str] = ("Paris", "Paris.", "Rome", "It is Paris")
    context: int = 1000
    name: str = "fake"
    identity: ModelIdentity = IDENTITY
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Generation:
        """Say ``answer``."""
        self._note("generate", messages)
        return Generation(self.answer, (1, 2), (-0.1, -0.2), "stop", 5)

    def generate_batch(self, conversations: Sequence[Sequence[Message]], sampling: object) -> list[Generation]:
        """Say ``answer`` to each."""
        return [self.generate(messages) for messages in conversations]

    def sample(
        self,
        messages: Sequence[Message],
        n: int = 8,
        *,
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        top_p: float = 0.9,
        seed: int | None = None,
        stop: Sequence[str] = (),
        answer: Generation | None = None,
        after: int = 0,
    ) -> list[Generation]:
        """Say what ``said`` lists, in turn."""
        self._note(f"sample {n - after}", messages)
        texts = [self.said[i % len(self.said)] for i in range(after, n)]
        return [Generation(text, (1, 2, 3), (-0.5, -0.5, -0.5), "stop", 5) for text in texts]

    def choice_logits(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        answer: Generation | None = None,
        *,
        rotations: int = 1,
    ) -> OptionScores:
        """Logits of the options; options that are the same share a token."""
        if len(set(choices)) < len(choices):
            msg = f"the choices share a token: {list(choices)}"
            raise ModelError(msg)
        self._note("choice_logits", messages)
        if rotations == 1:
            return self._scores(messages[-1]["content"], tuple(choices))
        moved = shifts(len(choices), rotations)
        texts = [with_rotated_options(messages, choices, shift)[-1]["content"] for shift in moved]
        return averaged([self._scores(text, tuple(choices)) for text in texts], moved)

    def choice_logits_batch(
        self, conversations: Sequence[Sequence[Message]], choices: Sequence[str]
    ) -> list[OptionScores]:
        """Logits of the options, a conversation at a time."""
        return [self.choice_logits(messages, choices) for messages in conversations]

    def self_check_batch(
        self, pairs: Sequence[tuple[Sequence[Message], Generation | str]], *, questions: Sequence[str] = ()
    ) -> list[OptionScores]:
        """Logits of yes and no, a pair at a time; with ``questions`` a function of what is asked."""
        asked = questions or [""] * len(pairs)
        about = [[*m, {"role": "user", "content": q}] if q else m for (m, _), q in zip(pairs, asked, strict=True)]
        return [self.self_check(messages, answer) for messages, (_, answer) in zip(about, pairs, strict=True)]

    def spelled(self, answer: Generation) -> SpelledAnswer:
        """Nothing is kept of its answers, so nothing is known of their tokens."""
        return SpelledAnswer(answer, lambda ids: "")

    def self_check(self, messages: Sequence[Message], answer: Generation | str) -> OptionScores:
        """Logits of yes and no."""
        self._note("self_check", messages)
        return replace(self._scores(messages[-1]["content"], ("yes", "no")), answer_logprob=self.logprob)

    def _note(self, call: str, messages: Sequence[Message]) -> None:
        with self.lock:
            self.calls.append(call)
        length = sum(len(m["content"]) for m in messages)
        if length > self.context:
            msg = f"the conversation has {length} tokens, but {self.name} takes at most {self.context}; shorten it"
            raise ModelError(msg)

    def _scores(self, text: str, options: tuple[str, ...]) -> OptionScores:
        random = np.random.default_rng(list(text.encode()))
        logits = random.normal(0, 2, len(options)) if self.logits is None else self.logits(text, len(options))
        hidden = random.normal(0, 1, HIDDEN) if self.hidden is None else self.hidden(text)
        return OptionScores(options, np.asarray(logits, float), np.asarray(hidden, np.float32), self.mass)


def tiny_tokenizer(*, template: str = CHATML, adds_bos: bool = False):
    """A byte-level BPE tokenizer, trained on the spot, with one token for each option, bare and after a space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from thermolang.models import prompts

    corpus = [f"{word} {word}" for word in ("Yes", "yes", "No", "no", "A", "B", "C", "D")] * 50
    corpus += [prompts.SELF_CHECK, prompts.SHORT_ANSWER, "user system assistant Question: Answer with the letter"] * 5
    corpus += [f"{question} {answer}" for question, answer in prompts.PROBES]
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    specials = ["<s>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    byte_level.train_from_iterator(corpus, trainer)
    if adds_bos:
        byte_level.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, bos_token="<s>", eos_token="<|im_end|>")
    tokenizer.chat_template = template
    return tokenizer


def tiny_llama(vocab_size: int, *, seed: int = 0, context: int = 256):
    """A Llama of two layers with random weights, large enough ones that the answer depends on the question."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=context,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def says(model, monkeypatch, text, *, finish="stop"):
    """Let a LocalModel say a text, whatever it is asked, a token at a time."""
    ids = model.encode(text)

    def answers(rows, prefixes=(), *, first=False):
        for n in range(1, len(ids) + 1):
            for row in rows:
                row.token_ids, row.logprobs = ids[:n], [-0.1] * n
                row.finish_reason = finish if n == len(ids) else ""
            yield

    monkeypatch.setattr(model.scheduler, "answers", answers)


def answered(model, messages, text, *, finish="stop"):
    """An answer as a LocalModel would have given it, with its KV cache."""
    import torch

    from thermolang.models.scoring import KVCache

    prompt, ids = model.encode(model.render(messages)), model.encode(text)
    with torch.inference_mode():
        out = model.model(input_ids=torch.tensor([prompt + ids[:-1]]), use_cache=True)
    start = out.logits[0, len(prompt) - 1].float(), torch.zeros(model.identity.hidden_size)
    cache = KVCache(model.model, tuple(prompt), tuple(ids), out.past_key_values, start, tuple(messages))
    return Generation(text, tuple(ids), tuple(-0.1 for _ in ids), finish, len(prompt), cache)


def chat_huggingface(model, *, max_new_tokens: int = 32):
    """The LangChain chat model that users have, over the weights of a LocalModel."""
    from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
    from transformers import pipeline

    text_generation = pipeline(
        "text-generation",
        model=model.model,
        tokenizer=model.tokenizer,
        return_full_text=False,
        do_sample=False,
        max_new_tokens=max_new_tokens,
    )
    llm = HuggingFacePipeline(pipeline=text_generation, model_id=model.name)
    return ChatHuggingFace(llm=llm, tokenizer=model.tokenizer)
