"""Carrying offsets and maps between the two layouts: one group for all workflows, or a group for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from stream.model.commit_map import CommitMap, Range, encode, name_hash, read_map, topic_id_in

K = TypeVar("K")


class Committed(NamedTuple):
    """A group's commit for one partition."""

    offset: int
    metadata: str = ""


def to_workflow(shared: Committed, name: str, max_bytes: int) -> Committed:
    """The commit of the group of the workflow `name` that says what the shared commit says of it."""
    ranges = _done(shared, name)
    offset = shared.offset
    if ranges and ranges[0][0] == offset:
        offset = ranges.pop(0)[1]
    topic_id = topic_id_in(shared.metadata, shared.offset)
    return Committed(offset, encode(CommitMap(offset, {name_hash(name): ranges}, topic_id), max_bytes))


def to_shared(commits: Mapping[str, Committed], max_bytes: int) -> Committed:
    """The one commit that says what the commits of the workflows' groups say; `commits` by name, at least one.

    It is the lowest of them: what the others have done beyond it is in the map. A workflow without a commit has done
    nothing and takes part from there on. So has one whose commit belongs to another topic id.
    """
    lowest = min(commits.values(), key=lambda commit: commit.offset)
    offset, topic_id = lowest.offset, topic_id_in(lowest.metadata, lowest.offset)
    done: dict[int, list[Range]] = {}
    for name, commit in commits.items():
        if topic_id and topic_id_in(commit.metadata, commit.offset) not in ("", topic_id):
            continue
        ahead = [(offset, commit.offset)] if commit.offset > offset else []
        done[name_hash(name)] = ahead + _done(commit, name)
    return Committed(offset, encode(CommitMap(offset, done, topic_id), max_bytes))


def is_newer(unused: Mapping[K, Committed], used: Mapping[K, Committed]) -> bool:
    """Whether the layout that is not in use is ahead in some partition (the keys) of the one that is."""
    return any(key not in used or commit.offset > used[key].offset for key, commit in unused.items())


def _done(commit: Committed, name: str) -> list[Range]:
    """What the commit's map has as done for the workflow; nothing where it has no map."""
    return list(read_map(commit.metadata, commit.offset)[1].of(name_hash(name)))
