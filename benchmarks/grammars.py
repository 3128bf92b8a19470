"""Libraries for constrained decoding beside each other: time of a mask, of the schema, of the tokenizer, and memory.

python benchmarks/grammars.py --model FOLDER [--path FOLDER_WITH_THE_LIBRARIES]

Each library runs in a process of its own, over the same JSON text and the same tokenizer. Of the time of a mask the
median and the worst over the text's tokens count; ratios are to llguidance in the same run.
"""

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import distribution

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "married": {"type": "boolean"},
        "kind": {"enum": ["person", "company", "place"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "addresses": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}},
                "required": ["city", "zip"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["name", "married", "kind", "age", "addresses"],
    "additionalProperties": False,
}
VALUE = {
    "name": "Ada Lovelace, Countess of Lovelace, who wrote the first program",
    "married": True,
    "kind": "person",
    "age": 36,
    "addresses": [{"city": "London", "zip": "12345"}, {"city": "Kirkby Mallory in Leicestershire", "zip": "54321"}],
}
REPEATS = 5


class LLGuidance:
    """llguidance: an Earley parser over derivatives of regular expressions; the mask is computed at each token."""

    module = "llguidance"

    def tokenizer(self, tokenizer, vocab):
        from llguidance.hf import from_tokenizer

        self.made = from_tokenizer(tokenizer, vocab)

    def start(self):
        self.matcher = self.module.LLMatcher(self.made, self.module.LLMatcher.grammar_from_json_schema(SCHEMA))

    def mask(self, bitmask):
        self.matcher.unsafe_compute_mask_ptr(bitmask.data_ptr(), bitmask.numel() * 4)

    def consume(self, token):
        return self.matcher.consume_token(token)


class XGrammar:
    """xgrammar: a pushdown automaton; masks that do not depend on the stack are computed with the schema."""

    module = "xgrammar"

    def tokenizer(self, tokenizer, vocab):
        info = self.module.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocab)
        self.compiler = self.module.GrammarCompiler(info, max_threads=1, cache_enabled=False)

    def start(self):
        compiled = self.compiler.compile_json_schema(json.dumps(SCHEMA))
        self.matcher = self.module.GrammarMatcher(compiled)

    def mask(self, bitmask):
        self.matcher.fill_next_token_bitmask(bitmask)

    def consume(self, token):
        return self.matcher.accept_token(token)


class OutlinesCore:
    """outlines-core: a finite automaton whose every mask is computed with the schema."""

    module = "outlines_core"

    def tokenizer(self, tokenizer, vocab):
        end = tokenizer.eos_token_id
        # Its own loader asks the hub, so the vocabulary is given: bytes of each token.
        letters = byte_letters()
        known = {}
        for text, number in tokenizer.get_vocab().items():
            if number != end and all(c in letters for c in text):
                known.setdefault(bytes(letters[c] for c in text), []).append(number)
        self.made = self.module.Vocabulary(end, known)

    def start(self):
        from outlines_core.json_schema import build_regex_from_schema

        index = self.module.Index(build_regex_from_schema(json.dumps(SCHEMA)), self.made)
        self.guide = self.module.Guide(index)

    def mask(self, bitmask):
        self.guide.write_mask_into(bitmask.data_ptr(), bitmask.numel(), 4)

    def consume(self, token):
        self.guide.advance(token, False)
        return True


LIBRARIES = {"llguidance": LLGuidance, "xgrammar": XGrammar, "outlines-core": OutlinesCore}


def byte_letters():
    """The letters that byte-level tokenizers write for bytes (GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name, folder):
    """Figures of one library, in this process."""
    import torch
    from transformers import AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocab = len(tokenizer)
    text = json.dumps(VALUE, indent=None, separators=(", ", ": "))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    bitmask = torch.full(((vocab + 31) // 32,), -1, dtype=torch.int32)
    before, library = memory(), LIBRARIES[name]()
    found = {"import": seconds(lambda: setattr(library, "module", importlib.import_module(library.module)))}
    found["tokenizer"] = seconds(lambda: library.tokenizer(tokenizer, vocab))
    found["schema"] = seconds(library.start)
    masks = []
    for _ in range(REPEATS):
        library.start()
        for i, token in enumerate(ids):
            masks.append(seconds(lambda: library.mask(bitmask)))
            allowed = bool(bitmask[token // 32] >> (token % 32) & 1)
            if not (allowed and library.consume(token)):
                found["stopped at"] = text[: len(tokenizer.decode(ids[:i]))]
                break
    found |= {"mask": statistics.median(masks), "worst mask": max(masks), "memory": memory() - before}
    package = distribution(name)
    found["licence"] = package.metadata.get("License-Expression") or package.metadata.get("License")
    found["needs"] = len([r for r in package.requires or () if "extra ==" not in r])
    wheel = package.read_text("WHEEL") or ""
    found["wheel"] = next(line[5:] for line in wheel.splitlines() if line.startswith("Tag: "))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a tokenizer")
    parser.add_argument("--path", default="", help="folder with a folder for each library, if they are not installed")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given.model)))
        return
    found = {}
    for name in LIBRARIES:
        command = [sys.executable, __file__, "--model", given.model, "--only", name]
        own = {"PYTHONPATH": f"{given.path}/{name}"} if given.path else {}
        ran = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, check=False)
        if ran.returncode:
            print(f"{name}: {ran.stderr.strip().splitlines()[-1]}")
            continue
        found[name] = json.loads(ran.stdout.splitlines()[-1])
    names = list(found)
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for row in ("licence", "wheel", "needs"):
        print(f"| {row} | " + " | ".join(str(found[n][row]) for n in names) + " |")
    units = {"import": "s", "tokenizer": "s", "schema": "ms", "mask": "us", "worst mask": "us", "memory": "MB"}
    factor = {"s": 1, "ms": 1e3, "us": 1e6, "MB": 1}
    for row, unit in units.items():
        base = found["llguidance"][row]
        cells = [f"{found[n][row] * factor[unit]:.3g} {unit} ({found[n][row] / base:.2f})" for n in names]
        print(f"| {row} | " + " | ".join(cells) + " |")
    for name in names:
        if "stopped at" in found[name]:
            print(f"{name} does not take this text: {found[name]['stopped at']!r}")


if __name__ == "__main__":
    main()
