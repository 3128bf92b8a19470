"""Chat templates of ours that follow the rules of well-known model families, and what is to be found out about each.

None is a copy: each is the shortest one that takes, refuses and drops what its family's does.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes import CHATML
from thermolang.models.prompts import SHORT_ANSWER
from thermolang.models.turns import IN_SYSTEM_TURN, CallStyle

AS_TEXT = CallStyle(as_text=True)
AS_CALLS = CallStyle()


@dataclass(frozen=True)
class Kind:
    """A family: its template, the rules that must be found in it, and how its models write a call."""

    template: str | dict[str, str]
    system: str = "anywhere"
    alternates: bool = False
    tools: str | None = None
    calls: CallStyle | None = None
    thinks: bool = False
    call: str = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


ANSWERS = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
SYSTEM_WITH_TOOLS = (
    "{% if tools %}<|im_start|>system\n{% if messages[0].role == 'system' %}{{ messages[0].content }}\n{% endif %}"
    "{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
)
HERMES_TURNS = (
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response>"
    "<|im_end|>\n{% elif m.tool_calls %}<|im_start|>assistant\n{{ m.content or '' }}{% for c in m.tool_calls %}"
    '<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>'
    "{% endfor %}<|im_end|>\n{% elif not (tools and loop.first and m.role == 'system') %}"
    "<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endif %}{% endfor %}"
)
QWEN_2 = SYSTEM_WITH_TOOLS + HERMES_TURNS + ANSWERS
QWEN_3 = (
    QWEN_2.removesuffix("{% endif %}")
    + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
QWEN_CODER = QWEN_2.replace(
    '<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}</tool_call>',
    "<tool_call>\n<function={{ c.function.name }}>\n{% for key, value in c.function.arguments | items %}"
    "<parameter={{ key }}>\n{{ value }}\n</parameter>\n{% endfor %}</function>\n</tool_call>",
)

LLAMA_3 = (
    "{{ bos_token }}{% set own = messages[0].role == 'system' %}<|start_header_id|>system<|end_header_id|>\n\n"
    "{{ strftime_now('%d %b %Y') }}\n{% if own %}{{ messages[0].content }}{% endif %}{% if tools %}"
    "{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}<|eot_id|>"
    "{% for m in (messages[1:] if own else messages) %}{% if m.tool_calls is defined %}"
    "{% if m.tool_calls | length != 1 %}{{ raise_exception('one call at a time') }}{% endif %}"
    "{% set f = m.tool_calls[0].function %}<|start_header_id|>assistant<|end_header_id|>\n\n"
    '{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}<|eot_id|>'
    "{% elif m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>\n\n{{ m.content | tojson }}<|eot_id|>"
    "{% else %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

TAKES_TURNS = (
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user and assistant alternate') }}"
    "{% endif %}"
)
GEMMA_TURNS = (
    TAKES_TURNS + "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{% if loop.first %}{{ start }}{% endif %}{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
GEMMA_2 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% set start = '' %}{% for m in messages %}" + GEMMA_TURNS
)
GEMMA_3 = (
    "{{ bos_token }}{% set own = messages[0].role == 'system' %}"
    "{% set start = messages[0].content + '\n\n' if own else '' %}"
    "{% for m in (messages[1:] if own else messages) %}" + GEMMA_TURNS
)

MISTRAL_01 = (
    "{{ bos_token }}{% for m in messages %}" + TAKES_TURNS + "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}</s>{% else %}{{ raise_exception('two roles only') }}{% endif %}"
    "{% endfor %}"
)
NINE = "{% if ID is not defined or ID | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}"
MISTRAL_03 = (
    "{{ bos_token }}{% set own = messages[0].role == 'system' %}{% set talk = messages[1:] if own else messages %}"
    "{% set asked = talk | selectattr('role', 'equalto', 'user') | list %}{% set ns = namespace(i=0) %}"
    "{% for m in talk %}{% if m.role != 'tool' and m.tool_calls is not defined %}"
    "{% if (m.role == 'user') != (ns.i % 2 == 0) %}{{ raise_exception('user and assistant alternate') }}{% endif %}"
    "{% set ns.i = ns.i + 1 %}{% endif %}{% endfor %}"
    "{% for m in talk %}{% if m.role == 'user' %}{% if tools and m == asked[-1] %}[AVAILABLE_TOOLS]"
    "{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST]{% if own and loop.last %} {{ messages[0].content }}\n"
    "{% endif %} {{ m.content }}[/INST]{% elif m.tool_calls is defined %}[TOOL_CALLS] [{% for c in m.tool_calls %}"
    + NINE.replace("ID", "c.id")
    + '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}'
    "{% if not loop.last %}, {% endif %}{% endfor %}]</s>{% elif m.role == 'assistant' %} {{ m.content }}</s>"
    "{% elif m.role == 'tool' %}"
    + NINE.replace("ID", "m.tool_call_id")
    + '[TOOL_RESULTS] {"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]'
    "{% else %}{{ raise_exception('a system turn comes first') }}{% endif %}{% endfor %}"
    "{% if own and talk[-1].role != 'user' %}{{ messages[0].content }}{% endif %}"
)
MISTRAL_NEMO = MISTRAL_03.replace(" [{%", "[{%").replace("[TOOL_RESULTS] ", "[TOOL_RESULTS]").replace("%} {{", "%}{{")
MISTRAL_SMALL = MISTRAL_NEMO.replace("[TOOL_CALLS][{% for c", "{% for c").replace(
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}'
    "{% if not loop.last %}, {% endif %}{% endfor %}]</s>",
    "[TOOL_CALLS]{{ c.function.name }}[CALL_ID]{{ c.id }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}</s>",
)

PHI_3 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|user|>\n{{ m.content }}<|end|>\n<|assistant|>\n"
    "{% elif m.role == 'assistant' %}{{ m.content }}<|end|>\n{% endif %}{% endfor %}"
)
PHI_4 = (
    "{% for m in messages %}{% if m.role in ['system', 'user', 'assistant'] %}"
    "<|im_start|>{{ m.role }}<|im_sep|>{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"
)
PHI_4_MINI = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% if m.role == 'system' and m.tools %}"
    "<|tool|>{{ m.tools }}<|/tool|>{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}"
)

BEGIN, SEP, END = (f"<\uff5ctool\u2581{w}\uff5c>" for w in ("call\u2581begin", "sep", "call\u2581end"))
CALLS_BEGIN, CALLS_END = (f"<\uff5ctool\u2581calls\u2581{w}\uff5c>" for w in ("begin", "end"))
DEEPSEEK_R1 = (
    "{{ bos_token }}{% set ns = namespace(said='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.said = m.content %}{% endif %}{% endfor %}{{ ns.said }}{% for m in messages %}"
    "{% if m.role == 'user' %}<\uff5cUser\uff5c>{{ m.content }}{% elif m.role == 'tool' %}"
    "<\uff5ctool\u2581output\u2581begin\uff5c>{{ m.content }}<\uff5ctool\u2581output\u2581end\uff5c>"
    "{% elif m.role == 'assistant' %}{% if m.tool_calls %}<\uff5cAssistant\uff5c>" + CALLS_BEGIN + "{% for c in "
    "m.tool_calls %}" + BEGIN + "{{ c.type }}" + SEP + "{{ c.function.name }}\n```json\n"
    "{{ '' + c.function.arguments }}\n```" + END + "{% endfor %}" + CALLS_END + "{% endif %}"
    "{% if m.content is not none %}<\uff5cAssistant\uff5c>{{ m.content.split('</think>')[-1] }}"
    "<\uff5cend\u2581of\u2581sentence\uff5c>{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<\uff5cAssistant\uff5c><think>\n{% endif %}"
)

GRANITE_3 = (
    "{% set own = messages[0].role == 'system' %}<|start_of_role|>system<|end_of_role|>"
    "{% if own %}{{ messages[0].content }}{% else %}You are a helpful model.{% endif %}{% if thinking %}"
    " Write your thoughts after 'Here is my thought process:' and your answer after 'Here is my response:'.{% endif %}"
    "{% if tools %} To use a tool, write <|tool_call|> and a JSON list.{% endif %}<|end_of_text|>\n"
    "{% if tools %}<|start_of_role|>available_tools<|end_of_role|>{{ tools | tojson }}<|end_of_text|>\n{% endif %}"
    "{% for m in (messages[1:] if own else messages) %}"
    "<|start_of_role|>{{ m.role }}<|end_of_role|>{{ '' + m.content }}<|end_of_text|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
GRANITE_4 = QWEN_2.replace("<|im_start|>{{ m.role }}\n", "<|start_of_role|>{{ m.role }}<|end_of_role|>").replace(
    "<|im_end|>", "<|end_of_text|>"
)
for role in ("system", "user", "assistant"):
    GRANITE_4 = GRANITE_4.replace(f"<|im_start|>{role}\n", f"<|start_of_role|>{role}<|end_of_role|>")

SMOLLM_3 = (
    "{% set think = enable_thinking is not defined or enable_thinking %}{% set own = messages[0].role == 'system' %}"
    "<|im_start|>system\nReasoning Mode: {{ '/think' if think else '/no_think' }}\n"
    "{% if own %}{{ messages[0].content }}\n{% endif %}{% if xml_tools %}{{ xml_tools | tojson }}{% endif %}"
    "<|im_end|>\n"
    "{% for m in (messages[1:] if own else messages) %}{% if m.role == 'tool' %}<|im_start|>user\n{{ m.content }}"
    "<|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if not think %}<think>\n\n</think>\n{% endif %}{% endif %}"
)
OLMO_2 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}<|assistant|>\n{{ m.content }}{{ eos_token }}"
    "{% elif m.role in ['system', 'user'] %}<|{{ m.role }}|>\n{{ m.content }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)

COMMAND_ROLES = (
    "{{ bos_token }}{% set own = messages[0].role == 'system' %}<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>"
    "{% if own %}{{ messages[0].content }}{% endif %}"
)
COMMAND_END = "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
COMMAND_TURN = (
    "<|START_OF_TURN_TOKEN|>{{ '<|USER_TOKEN|>' if m.role == 'user' else '<|CHATBOT_TOKEN|>' }}{{ m.content }}"
    "<|END_OF_TURN_TOKEN|>"
)
COMMAND_R = {
    "default": COMMAND_ROLES + "{% for m in (messages[1:] if own else messages) %}" + TAKES_TURNS + COMMAND_TURN
    + "{% endfor %}" + COMMAND_END,
    "tool_use": COMMAND_ROLES + "{% for t in tools %}{{ t.function | tojson }}{% endfor %}"
    "{% for m in (messages[1:] if own else messages) %}{% if m.role == 'tool' %}<results>{{ m.content }}</results>"
    "{% elif m.tool_calls %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{{ m.content or '' }}Action: ```json\n["
    '{% for c in m.tool_calls %}{"tool_name": "{{ c.function.name }}", '
    '"parameters": {{ c.function.arguments | tojson }}}'
    "{% if not loop.last %}, {% endif %}{% endfor %}]```<|END_OF_TURN_TOKEN|>{% else %}" + COMMAND_TURN
    + "{% endif %}{% endfor %}" + COMMAND_END,
}  # fmt: skip

BRIEF = (
    "{% if not tools and messages[0].role != 'system' %}<|im_start|>system\n" + SHORT_ANSWER + "<|im_end|>\n{% endif %}"
    + QWEN_2
)  # fmt: skip
"""Of no family: as Qwen 2.5's, and models as small as SmolLM2-135M are asked for few words, as they end no others."""

MISTRAL_CALL = '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}}]'
MISTRAL_STYLE = CallStyle(short_ids=True)

KINDS: dict[str, Kind] = {
    "chatml": Kind(CHATML, calls=AS_TEXT),
    "llama-3": Kind(
        LLAMA_3,
        tools="tools",
        calls=CallStyle(one_each=True),
        call='{"name": "weather", "parameters": {"city": "Oslo"}}',
    ),
    "gemma-2": Kind(GEMMA_2, system="none", alternates=True),
    "gemma-3": Kind(GEMMA_3, system="first", alternates=True),
    "mistral-0.1": Kind(MISTRAL_01, system="none", alternates=True),
    "mistral-0.3": Kind(
        MISTRAL_03, system="first", alternates=True, tools="tools", calls=MISTRAL_STYLE, call=MISTRAL_CALL
    ),
    "mistral-nemo": Kind(
        MISTRAL_NEMO, system="first", alternates=True, tools="tools", calls=MISTRAL_STYLE, call=MISTRAL_CALL
    ),
    "mistral-small": Kind(
        MISTRAL_SMALL,
        system="first",
        alternates=True,
        tools="tools",
        calls=MISTRAL_STYLE,
        call='[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
    ),
    "phi-3": Kind(PHI_3, system="none"),
    "phi-4": Kind(PHI_4),
    "phi-4-mini": Kind(
        PHI_4_MINI,
        tools=IN_SYSTEM_TURN,
        calls=AS_TEXT,
        call='<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|/tool_call|>',
    ),
    "qwen-2.5": Kind(QWEN_2, tools="tools", calls=AS_CALLS),
    "qwen-3": Kind(QWEN_3, tools="tools", calls=AS_CALLS, thinks=True),
    "qwen3-coder": Kind(
        QWEN_CODER,
        tools="tools",
        calls=AS_CALLS,
        call="<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
    ),
    "deepseek-r1": Kind(
        DEEPSEEK_R1,
        system="first",
        calls=CallStyle(json_arguments=True),
        thinks=True,
        call=f'{CALLS_BEGIN}{BEGIN}function{SEP}weather\n```json\n{{"city": "Oslo"}}\n```{END}{CALLS_END}',
    ),
    "granite-3": Kind(
        GRANITE_3,
        tools="tools",
        calls=AS_TEXT,
        call='<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]',
    ),
    "granite-4": Kind(GRANITE_4, tools="tools", calls=AS_CALLS),
    "smollm-3": Kind(SMOLLM_3, tools="xml_tools", calls=AS_TEXT, thinks=True),
    "olmo-2": Kind(OLMO_2),
    "command-r": Kind(
        COMMAND_R,
        system="first",
        alternates=True,
        tools="tools",
        calls=AS_CALLS,
        call='Action: ```json\n[{"tool_name": "weather", "parameters": {"city": "Oslo"}}]```',
    ),
}
