"""Chat templates written for the tests, each with one habit that the templates of some family have.

Where calls stand, what closes them, where a tool's result goes, what the generation prompt holds, and what is left out.
"""

from __future__ import annotations


def _turns(*, user: str, said: str, result: str, asks: str, before: str = "{{ bos_token }}") -> str:
    """A template that writes each message in its place: `user`, what the assistant `said`, a tool's `result`."""
    return (
        f"{before}{{%- for m in messages -%}}"
        f"{{%- if m.role == 'tool' -%}}{result}"
        f"{{%- elif m.role == 'assistant' -%}}{said}"
        f"{{%- else -%}}{user}{{%- endif -%}}{{%- endfor -%}}"
        f"{{%- if add_generation_prompt -%}}{asks}{{%- endif -%}}"
    )


_USER = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
_RESULT = "{{ '<|im_start|>tool\n' + m.content + '<|im_end|>\n' }}"
_ASKS = "{{ '<|im_start|>assistant\n' }}"
_THOUGHT = (
    "{%- if m.reasoning_content -%}{{ '<think>\n' + m.reasoning_content + '\n</think>\n\n' }}{%- endif -%}"
)
_CALLS = (
    "{%- for c in m.tool_calls or [] -%}{{ '<tool_call>\n' + {'name': c.function.name, 'arguments': c.function.arguments}"
    " | tojson + '\n</tool_call>\n' }}{%- endfor -%}"
)
_END = "{{ '<|im_end|>\n' }}"


def _chatml(said: str, **given: str) -> str:
    return _turns(**{"user": _USER, "said": said, "result": _RESULT, "asks": _ASKS, **given})


_RESULTS_AHEAD = (
    "{%- macro results(i) -%}{%- set t = namespace(on=true) -%}{%- for r in messages[i + 1:] -%}"
    "{%- if r.role == 'tool' and t.on -%}{{ '<|result>' + r.content + '<result|>' }}{%- else -%}{%- set t.on = false -%}"
    "{%- endif -%}{%- endfor -%}{%- endmacro -%}{{ bos_token }}"
)
_BARE_CALLS = (
    "{%- for c in m.tool_calls or [] -%}{{ '<|call>' + c.function.name + c.function.arguments | tojson + '<call|>' }}"
    "{%- endfor -%}"
)

WHOLE = {
    "calls behind the text": _chatml(
        _ASKS + _THOUGHT + "{{ m.content + '\n' if m.content }}" + _CALLS + _END
    ),
    "calls before the text": _chatml(_ASKS + _THOUGHT + _CALLS + "{{ m.content }}" + _END),
    "an empty block is asked with": _chatml(
        _ASKS
        + "{{ '<think>\n' + (m.reasoning_content or '') + '\n</think>\n\n' + m.content }}"
        + _CALLS
        + _END,
        asks=_ASKS + "{{ '<think>\n\n</think>\n\n' }}",
    ),
    "an opened block is asked with": _chatml(
        _ASKS
        + "{{ '<think>\n' + (m.reasoning_content or '') + '\n</think>\n\n' + m.content }}"
        + _CALLS
        + _END,
        asks=_ASKS + "{{ '<think>\n' }}",
    ),
    "results within the turn": _turns(
        before=_RESULTS_AHEAD,
        user="{{ '<|turn>user\n' + m.content + '<turn|>\n' }}",
        said="{{ '<|turn>model\n' }}"
        "{%- if m.reasoning_content -%}{{ '<|thought>' + m.reasoning_content + '<thought|>' }}{%- endif -%}"
        + _BARE_CALLS
        + "{%- if m.tool_calls -%}{{ results(loop.index0) }}{%- endif -%}{{ m.content + '<turn|>\n' }}",
        result="",
        asks="{{ '<|turn>model\n' }}",
    ),
    "results before the next turn's words": _turns(
        user="{{ '<|turn>user\n' + m.content + '<turn|>\n' }}",
        said="{%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' -%}{{ '<|turn>model\n' }}{%- endif -%}"
        "{%- if m.reasoning_content -%}{{ '<|thought>' + m.reasoning_content + '<thought|>' }}{%- endif -%}"
        "{{ m.content }}" + _BARE_CALLS + "{%- if not m.tool_calls -%}{{ '<turn|>\n' }}{%- endif -%}",
        result="{{ '<|result>' + m.content + '<result|>' }}",
        asks="{%- if messages[-1].role != 'tool' -%}{{ '<|turn>model\n' }}{%- endif -%}",
    ),
    "channels, each ended": _turns(
        user="{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}",
        said="{%- if m.reasoning_content -%}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.reasoning_content"
        " + '<|end|>' }}{%- endif -%}"
        "{%- if m.content or not m.tool_calls -%}{{ '<|start|>assistant<|channel|>final<|message|>'"
        " + m.content + ('<|end|>' if m.tool_calls or not loop.last else '<|return|>') }}{%- endif -%}"
        "{%- for c in m.tool_calls or [] -%}{{ '<|start|>assistant to=functions.' + c.function.name"
        " + '<|channel|>commentary<|message|>' + c.function.arguments | tojson + '<|call|>' }}{%- endfor -%}",
        result="{{ '<|start|>functions<|message|>' + m.content + '<|end|>' }}",
        asks="{{ '<|start|>assistant' }}",
    ),
    "a token closes the answer and another the turn": _turns(
        user="{{ '<|TURN|><|USER|>' + m.content + '<|END_OF_TURN|>' }}",
        said="{{ '<|TURN|><|CHATBOT|>' }}"
        "{%- if m.reasoning_content -%}{{ '<|THINKING|>' + m.reasoning_content + '<|END_THINKING|>' }}{%- endif -%}"
        "{%- if m.content or not m.tool_calls -%}{{ '<|RESPONSE|>' + m.content + '<|END_RESPONSE|>' }}{%- endif -%}"
        "{%- if m.tool_calls -%}{{ '<|ACTION|>[\n' }}{%- for c in m.tool_calls -%}{{ '{\"tool\": ' + c.function.name"
        " | tojson + ', \"parameters\": ' + c.function.arguments | tojson + '}'"
        " + (',' if not loop.last else '') + '\n' }}"
        "{%- endfor -%}{{ ']<|END_ACTION|>' }}{%- endif -%}{{ '<|END_OF_TURN|>' }}",
        result="{{ '<|TURN|><|SYSTEM|><|RESULT|>' + m.content | tojson + '<|END_RESULT|><|END_OF_TURN|>' }}",
        asks="{{ '<|TURN|><|CHATBOT|>' }}",
    ),
    "tools beside the last question": _turns(
        user="{%- set n = namespace(more=false) -%}{%- for r in messages[loop.index0 + 1:] -%}{%- if r.role == 'user' -%}"
        "{%- set n.more = true -%}{%- endif -%}{%- endfor -%}"
        "{%- if tools and not n.more -%}{{ '[TOOLS]' + tools | tojson + '[/TOOLS]' }}{%- endif -%}"
        "{{ '[INST]' + m.content + '[/INST]' }}",
        said="{{ m.reasoning_content or '' }}{{ m.content }}{%- if m.tool_calls -%}{{ '[CALLS][' }}"
        "{%- for c in m.tool_calls -%}"
        "{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson + (', ' if not loop.last else '') }}"
        "{%- endfor -%}{{ ']' }}{%- endif -%}{{ eos_token }}",
        result="{{ '[RESULT]' + m.content + '[/RESULT]' }}",
        asks="",
    ),
    "arguments as parameters": _chatml(
        _ASKS
        + _THOUGHT
        + "{{ m.content }}{%- for c in m.tool_calls or [] -%}{{ '\n<function=' + c.function.name + '>\n' }}"
        "{%- for k, v in c.function.arguments | dictsort -%}{{ '<parameter=' + k + '>\n' }}"
        "{{ v if v is string else v | tojson }}{{ '\n</parameter>\n' }}{%- endfor -%}{{ '</function>' }}{%- endfor -%}"
        + _END
    ),
    "arguments as text": _chatml(
        _ASKS
        + _THOUGHT
        + "{{ m.content }}{%- for c in m.tool_calls or [] -%}{{ '<tool_call>' + c.function.name + '\n'"
        " + c.function.arguments + '</tool_call>' }}{%- endfor -%}" + _END
    ),
    "arguments as they print": _chatml(
        _ASKS
        + _THOUGHT
        + "{{ m.content }}{%- for c in m.tool_calls or [] -%}{{ '<tool_call>' ~ c.function.name ~ '\n'"
        " ~ c.function.arguments ~ '</tool_call>' }}{%- endfor -%}" + _END
    ),
    "content in parts": _chatml(
        _ASKS + _THOUGHT + "{%- for p in m.content -%}{{ p.text }}{%- endfor -%}" + _CALLS + _END,
        user="{{ '<|im_start|>' + m.role + '\n' }}{%- for p in m.content -%}{{ p.text }}{%- endfor -%}"
        + _END,
        result="{{ '<|im_start|>tool\n' }}{%- for p in m.content -%}{{ p.text }}{%- endfor -%}" + _END,
    ),
    "marks": _chatml(
        _ASKS
        + "{% generation %}"
        + _THOUGHT
        + "{{ m.content }}"
        + _CALLS
        + "{{ '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    ),
    "marks around parts": _chatml(
        _ASKS + "{% generation %}" + _THOUGHT + "{{ m.content }}{% endgeneration %}"
        "{%- if m.tool_calls -%}{% generation %}" + _CALLS + "{{ '<|im_end|>' }}{% endgeneration %}"
        "{%- else -%}{{ '<|im_end|>' }}{%- endif -%}{{ '\n' }}"
    ),
    "marks around results": _turns(
        before=_RESULTS_AHEAD,
        user="{{ '<|turn>user\n' + m.content + '<turn|>\n' }}",
        said="{{ '<|turn>model\n' }}{% generation %}{{ m.reasoning_content or '' }}"
        + _BARE_CALLS
        + "{%- if m.tool_calls -%}{{ results(loop.index0) }}"
        "{%- endif -%}{{ m.content + '<turn|>' }}{% endgeneration %}{{ '\n' }}",
        result="",
        asks="{{ '<|turn>model\n' }}",
    ),
}
"""Templates that write everything, each in a way of its own."""

LEAVING_OUT = {
    "calls beside text": _chatml(
        _ASKS + _THOUGHT + "{{ m.content }}{%- if not m.content -%}" + _CALLS + "{%- endif -%}" + _END
    ),
    "text beside calls": _chatml(
        _ASKS
        + _THOUGHT
        + "{%- if m.tool_calls -%}"
        + _CALLS
        + "{%- else -%}{{ m.content }}{%- endif -%}"
        + _END
    ),
    "the second call": _chatml(
        _ASKS
        + _THOUGHT
        + "{{ m.content }}{%- for c in (m.tool_calls or [])[:1] -%}{{ '<tool_call>' + c.function.name"
        " + c.function.arguments | tojson + '</tool_call>' }}{%- endfor -%}" + _END
    ),
    "calls": _chatml(_ASKS + _THOUGHT + "{{ m.content }}" + _END),
    "arguments": _chatml(
        _ASKS
        + _THOUGHT
        + "{{ m.content }}{%- for c in m.tool_calls or [] -%}{{ c.function.name }}{%- endfor -%}"
        + _END
    ),
    "reasoning": _chatml(_ASKS + "{{ m.content }}" + _CALLS + _END),
    "reasoning of earlier turns": _chatml(
        "{%- set l = namespace(user=0) -%}{%- for r in messages -%}{%- if r.role == 'user' -%}"
        "{%- set l.user = loop.index0 -%}"
        "{%- endif -%}{%- endfor -%}"
        + _ASKS
        + "{%- if loop.index0 > l.user -%}"
        + _THOUGHT
        + "{%- endif -%}{{ m.content }}"
        + _CALLS
        + _END
    ),
    "results": _chatml(_ASKS + _THOUGHT + "{{ m.content }}" + _CALLS + _END, result=""),
    "the system's words": _chatml(
        _ASKS + _THOUGHT + "{{ m.content }}" + _CALLS + _END,
        user="{%- if m.role == 'user' -%}" + _USER + "{%- endif -%}",
    ),
    "long answers' ends": _chatml(_ASKS + _THOUGHT + "{{ m.content[:12] }}" + _CALLS + _END),
    "all but the last turn": _chatml(
        "{%- if loop.last -%}" + _ASKS + _THOUGHT + "{{ m.content }}" + _CALLS + _END + "{%- endif -%}"
    ),
}
"""Templates that leave something out."""

NULL = _chatml(
    _ASKS + "{%- if m.content is none -%}" + _CALLS + "{%- else -%}{{ m.content }}{%- endif -%}" + _END
)
"""Writes calls only where the content is null, as the row had it."""

SPECIAL = (
    *(
        "<|im_start|>",
        "<|im_end|>",
        "<|turn>",
        "<turn|>",
        "<|result>",
        "<result|>",
        "<|thought>",
        "<thought|>",
    ),
    *("<|call>", "<call|>", "<|start|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>", "<|TURN|>"),
    *(
        "<|USER|>",
        "<|CHATBOT|>",
        "<|SYSTEM|>",
        "<|END_OF_TURN|>",
        "<|RESPONSE|>",
        "<|END_RESPONSE|>",
        "<|THINKING|>",
    ),
    *(
        "<|END_THINKING|>",
        "<|ACTION|>",
        "<|END_ACTION|>",
        "<|RESULT|>",
        "<|END_RESULT|>",
        "[INST]",
        "[/INST]",
    ),
    *("[TOOLS]", "[/TOOLS]", "[CALLS]", "[RESULT]", "[/RESULT]", "<s>", "</s>"),
)
