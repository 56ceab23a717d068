"""Keeps a valid token for every Kafka client of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from stream.kafka.token import BearerToken, FetchToken, TokenError
from stream.model.errors import RefusedError, UnreachableError, describe_error
from stream.model.ports import Logger
from stream.model.statistics import TokenStats

REFRESH_AT = 0.6
"""Of its lifetime, a token is replaced. librdkafka asks for the next one at 0.8, so that it is there by then."""
LEAST_PAUSE_S = 0.5
AGAIN_AFTER_S, AGAIN_AT_MOST_S = 0.5, 15.0
"""Pause after a failure; doubles with each one."""
LOOK_EVERY_S = 5.0
"""The clock may be set, and a machine may sleep: the thread looks at the time so often."""
FIRST_WITHIN_S = 30.0
"""How long the first token is tried for before that counts as refused."""
ANSWER_WITHIN_S = 2.0
"""How long a client waits for a token that has run out: librdkafka asks again ten seconds later."""
NO_TOKEN = ("-", 0.0)
"""librdkafka takes it for a failure: it has run out."""

ClientToken = tuple[str, float] | tuple[str, float, str, dict[str, str]]


class TokenKeeper:
    """Refreshes the token ahead of time, in a thread of its own; clients get what is there.

    An instance is the `oauth_cb` of each client: librdkafka calls it on a thread of its own.
    """

    def __init__(
        self,
        fetch: FetchToken,
        logger: Logger,
        stats: TokenStats | None = None,
        close: Callable[[], None] = lambda: None,
        first_within_s: float = FIRST_WITHIN_S,
    ) -> None:
        self.stats = stats or TokenStats()
        self._fetch = fetch
        self._close = close
        self._logger = logger
        self._first_within_s = first_within_s
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._token: BearerToken | None = None
        self._why = "the provider has not answered yet"
        self._failures = 0
        self._is_final = False
        self._began_at = 0.0
        self._refresh_at = 0.0
        """Wall clock, like the token's end."""

    def __call__(self, _config: str = "") -> ClientToken:
        """librdkafka asks for a token. Never raises."""
        token = self._await_valid(ANSWER_WITHIN_S)
        if token is None:
            return NO_TOKEN
        if token.principal or token.extensions:
            return token.value, token.expires_at, token.principal, dict(token.extensions)
        return token.value, token.expires_at

    def require(self) -> None:
        """Wait for a valid token before a client is opened, which could not say why there is none.

        Raises:
            RefusedError: there never was one, and the provider had its time.
            UnreachableError: the last one has run out; there may be one again.
        """
        self._begin()
        left_s = self._first_within_s - (time.monotonic() - self._began_at)
        wait_s = max(0.0, left_s) if self._token is None else ANSWER_WITHIN_S
        if self._await_valid(wait_s) is not None:
            return
        if self._token is None:
            raise RefusedError(f"There is no token to log in to Kafka with: {self._why}. Check [kafka.token].")
        raise UnreachableError("logging in", f"the token has run out, and there is no new one: {self._why}.")

    def close(self) -> None:
        """End the thread and a command that is running."""
        self._ended.set()
        self._close()

    def _begin(self) -> None:
        with self._changed:
            if self._thread is None:
                self._began_at = time.monotonic()
                self._thread = threading.Thread(target=self._keep, name="kafka token", daemon=True)
                self._thread.start()

    def _await_valid(self, timeout_s: float) -> BearerToken | None:
        with self._changed:
            self._changed.wait_for(lambda: self._valid() is not None or self._is_refused(), timeout_s)
            return self._valid()

    def _valid(self) -> BearerToken | None:
        return self._token if self._token is not None and self._token.expires_at > time.time() else None

    def _is_refused(self) -> bool:
        return self._is_final and self._token is None

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                token = self._fetch()
            except TokenError as error:
                self._note_failure(str(error), error.is_final)
            except Exception as error:  # a fault of a provider must not end the thread that asks it
                self._note_failure(f"the provider failed ({describe_error(error)})", is_final=False)
            else:
                self._note(token)
            self._pause()

    def _pause(self) -> None:
        while (left_s := self._refresh_at - time.time()) > 0 and not self._ended.wait(min(left_s, LOOK_EVERY_S)):
            pass

    def _note(self, token: BearerToken) -> None:
        now = time.time()
        with self._changed:
            failures, self._failures, self._is_final = self._failures, 0, False
            self._token = token
            self._refresh_at = now + max(LEAST_PAUSE_S, REFRESH_AT * (token.expires_at - now))
            self._changed.notify_all()
        self.stats.note_ok()
        if failures:
            self._logger.info("There is a new token for Kafka again.", failures=failures)

    def _note_failure(self, why: str, is_final: bool) -> None:
        now = time.time()
        with self._changed:
            self._why, self._is_final = why, is_final
            self._failures += 1
            self._refresh_at = now + min(AGAIN_AT_MOST_S, AGAIN_AFTER_S * 2 ** min(self._failures - 1, 10))
            self._changed.notify_all()
            left_s = None if self._token is None else self._token.expires_at - now
        self.stats.note_failed(now)
        if left_s is None:
            self._logger.warning("No token for Kafka yet; retrying.", error=why)
        elif left_s > 0:
            self._logger.warning("No new token for Kafka; retrying.", error=why, valid_for=f"{left_s:.0f} s")
        else:
            self._logger.error("The token for Kafka has run out; retrying.", error=why)


def keeper_of(config: Mapping[str, object]) -> TokenKeeper | None:
    """The keeper that a client with these options asks; None: it logs in without."""
    callback = config.get("oauth_cb")
    return callback if isinstance(callback, TokenKeeper) else None
