"""Decides what to do about a path, from what each side has and what both last agreed on. Pure."""

from __future__ import annotations

from typing import Literal

from devenv.sync.base import State

Decision = Literal["agree", "in", "out", "aside", "leave"]
"""`agree`: both are equal; `in`: make the inner like the host's; `out`: make the host's like the inner; `aside`: keep
the inner beside, then `in`; `leave`: they differ and may."""

OVERWRITTEN = frozenset({".git/index", ".git/FETCH_HEAD", ".git/ORIG_HEAD"})
"""Protected files that any program writes anew from others: what became of them inside need not be kept."""


def decide(
    path: str,
    *,
    host: State | None,
    inner: State | None,
    host_before: State | None,
    inner_before: State | None,
    protected: bool,
) -> Decision:
    """The three-way decision.

    The table of it stands in `docs/explanation/sync.md`.

    Args:
        host: What the host has; None is nothing.
        inner: What the volume has.
        host_before: What it had when both last agreed; None also without an agreement.
        inner_before: The same for the volume. The two differ only where one side keeps a folder for what is ignored.
        protected: Whether the path is never written on the host.
    """
    if host == inner:
        return "agree"
    if "other" in (host and host.kind, inner and inner.kind):
        return "leave"
    host_stayed, inner_stayed = host == host_before, inner == inner_before
    if host_stayed and inner_stayed:
        return "leave" if host_before is not None or inner_before is not None else "agree"
    if protected:
        return _protected(path, host, inner, host_stayed=host_stayed, inner_stayed=inner_stayed)
    if host_stayed or inner_stayed:
        return "out" if host_stayed else "in"
    return _both(host, inner)


def _both(host: State | None, inner: State | None) -> Decision:
    """Both were changed, each in its way: a change outlives a removal, two changes are both kept."""
    if host is None:
        return "out"
    if inner is None or _is_alike(host, inner):
        return "in"
    return "aside"


def _protected(
    path: str, host: State | None, inner: State | None, *, host_stayed: bool, inner_stayed: bool
) -> Decision:
    """The inner side follows and never leads: what was made there stays there."""
    if host_stayed:
        return "leave"
    if inner_stayed or inner is None or path in OVERWRITTEN:
        return "in"
    if host is None:
        return "leave"
    return "in" if _is_alike(host, inner) else "aside"


def _is_alike(host: State, inner: State) -> bool:
    """Whether nothing is lost when one takes the other's place: they differ in their mode alone."""
    return host.kind == inner.kind and host.digest == inner.digest
