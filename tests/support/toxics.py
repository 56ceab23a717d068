"""What a `TcpProxy` does to the bytes of one direction, in the words of Shopify's Toxiproxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Toxics:
    """The ills of one direction; several may hold at once, and the default is a healthy line."""

    latency_s: float = 0.0
    """Each piece arrives that much later."""
    jitter_s: float = 0.0
    """... and up to that much more, at random."""
    bytes_per_s: float | None = None
    """Bandwidth."""
    slice_bytes: int | None = None
    """Slicer: pieces are cut to at most that many bytes."""
    limit_bytes: int | None = None
    """The connection is reset once that many bytes have passed."""
    is_black_hole: bool = False
    """Nothing passes, and nobody is told; what was sent comes through once it is over."""


HEALTHY = Toxics()


@dataclass(slots=True)
class Flow:
    """How far one direction of one connection has come; decides what becomes of each chunk."""

    passed: int = 0
    free_at: float = 0.0
    """When the line has taken what was given to it, where its bandwidth is limited."""

    def pieces(self, chunk: bytes, toxics: Toxics) -> Iterator[bytes]:
        """The chunk as it passes: cut to size, and cut off at the limit."""
        if toxics.limit_bytes is not None:
            chunk = chunk[: max(0, toxics.limit_bytes - self.passed)]
        self.passed += len(chunk)
        size = toxics.slice_bytes or max(1, len(chunk))
        return (chunk[start : start + size] for start in range(0, len(chunk), size))

    def is_over(self, toxics: Toxics) -> bool:
        """Whether the limit is reached."""
        return toxics.limit_bytes is not None and self.passed >= toxics.limit_bytes

    def due_at(self, piece: bytes, toxics: Toxics, now: float, luck: float) -> float:
        """When a piece that came at `now` arrives; `luck` is at random from 0 to 1."""
        if toxics.bytes_per_s:
            self.free_at = max(now, self.free_at) + len(piece) / toxics.bytes_per_s
            now = self.free_at
        return now + toxics.latency_s + toxics.jitter_s * luck
