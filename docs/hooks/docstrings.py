"""Docstrings as the API pages need them: roles of reStructuredText as code, sessions of the interpreter as blocks."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc|obj):`~?([^`]+)`")
_SESSION = re.compile(r"(?:^>>> .*\n(?:^(?!>>> ).+\n)*)+", re.MULTILINE)
_DIRECTIVE = re.compile(r" *# doctest: .*$", re.MULTILINE)


def as_markdown(text: str) -> str:
    """A docstring with its roles and its unfenced ``>>>`` lines turned into Markdown.

    What stands below a heading *Examples* is left alone: numpydoc's parser fences that itself.
    """
    text = _ROLE.sub(r"`\1`", text)
    head, heading, examples = text.partition("\nExamples\n---")
    fenced = _SESSION.sub(lambda session: f"```pycon\n{_DIRECTIVE.sub('', session[0])}```\n", head + "\n")
    return fenced.rstrip("\n") + heading + examples


class MarkdownDocstrings(Extension):
    """Griffe calls this for everything that it finds."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
