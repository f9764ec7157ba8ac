"""What may have been meant by a command that there is not."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup


class Suggesting(TyperGroup):
    """A group that also looks into its groups: ``dapatlas nnunet`` is ``dapatlas export nnunet``.

    For a word that is like one of its own commands Typer itself says so.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the first word names, or say which may be meant."""
        word = args[0]
        if word not in self.commands and word[:1] != "-" and not ctx.resilient_parsing:
            meant = elsewhere(word, self)
            if meant:
                ctx.fail(f"No such command {word!r}. Did you mean {' or '.join(map(repr, meant))}?")
        return super().resolve_command(ctx, args)


def elsewhere(word: str, group: TyperGroup) -> list[str]:
    """Full names of commands in the groups of ``group`` that a word is like, where none of its own is."""
    if get_close_matches(word, group.commands):
        return []
    inner = [words for words in _all(group) if len(words) > 1]
    close = get_close_matches(word, {words[-1] for words in inner}, n=1)
    return [" ".join(words) for words in inner if words[-1] in close]


def _all(group: Any) -> Iterator[tuple[str, ...]]:
    """The words of every command under a group."""
    for name, command in getattr(group, "commands", {}).items():
        yield (name,)
        yield from ((name, *words) for words in _all(command))
