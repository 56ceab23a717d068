"""What Kafka's error codes mean for us; decided by explicit lists, since `retriable()` says False to many that are."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from stream.model.errors import InstanceIdTakenError, RefusedError, SourceError, UnreachableError
from stream.model.source import CommitOutcome

NO_COORDINATOR_YET = frozenset(
    {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE}
)
"""The broker that keeps a group's offsets is coming up, or another takes over."""
_COMMIT_LATER = NO_COORDINATOR_YET | frozenset(
    {
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._WAIT_COORD,
        KafkaError._ALL_BROKERS_DOWN,
    }
)
UNREACHABLE = frozenset(
    {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE}
)
_CONNECTION = frozenset({KafkaError._SSL, KafkaError._TRANSPORT})
_NOT_OURS = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
        KafkaError._DESTROY,
    }
)
NEVER_STORED = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED})
"""Answers to a commit that no later one will change. A fenced member hears of it as a fatal error."""
_REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.UNRELEASED_INSTANCE_ID,
    }
)
_CALLBACK_FAILED = "OAuth callback raised"
"""librdkafka's text where a client asked for a token while there was no valid one."""
_UNVERIFIED = "certificate verify failed"
_UNKNOWN_AUTHORITY_FIX = (
    " Set ssl.ca.location in [kafka.options] to the file (PEM) of the authority that vouches for it."
)
"""librdkafka says something of the kind, but not each time."""


def commit_outcome(error: KafkaError | None) -> CommitOutcome:
    """What a commit's answer means for the next one."""
    if error is None or error.code() in (KafkaError.NO_ERROR, KafkaError._NO_OFFSET):
        return CommitOutcome.OK
    if error.code() in _COMMIT_LATER:
        return CommitOutcome.RETRIED
    return CommitOutcome.DROPPED if error.code() in _NOT_OURS else CommitOutcome.FAILED


def is_refused(error: KafkaError) -> bool:
    """Whether Kafka said no to who we are or what we may, or we to who it is: trying again as we are does not help."""
    if error.code() == KafkaError._FATAL:  # the client's last word; its text alone says why
        return any(_names(error, code) for code in _REFUSED)
    if _CALLBACK_FAILED in error.str():  # the keeper of tokens goes on trying, and says so
        return False
    if error.code() in _CONNECTION:  # mostly what may recover by itself; a certificate that is refused does not
        return "certificate" in error.str()
    return error.code() in _REFUSED


def _names(error: KafkaError, code: int) -> bool:
    """Whether it is this error, or a fatal one that says so in its text."""
    return error.code() == code or (error.code() == KafkaError._FATAL and KafkaError(code).str() in error.str())


def is_transient(error: KafkaError) -> bool:
    """Whether Kafka is not reachable or not settled for now, so that asking again may help."""
    return error.code() in _COMMIT_LATER or error.code() in (KafkaError.NOT_CONTROLLER, KafkaError._RESOLVE)


def kafka_error(error: KafkaException | KafkaError) -> KafkaError:
    """The error within an exception of confluent-kafka."""
    inner = error.args[0] if isinstance(error, KafkaException) else error
    return inner if isinstance(inner, KafkaError) else KafkaError(KafkaError._FAIL, str(inner))


def as_source_error(error: KafkaException | KafkaError, doing: str) -> SourceError:
    """Our error for Kafka's, with what we were doing when it came."""
    inner = kafka_error(error)
    if _names(inner, KafkaError.UNRELEASED_INSTANCE_ID):
        return InstanceIdTakenError(f"Kafka, {doing}: {error_text(inner)}.")
    if is_refused(inner):
        fix = _UNKNOWN_AUTHORITY_FIX if _UNVERIFIED in inner.str() else ""
        return RefusedError(f"Kafka, {doing}: {error_text(inner)}.{fix}")
    if inner.code() in UNREACHABLE:
        return UnreachableError(doing)
    return SourceError(f"Kafka, {doing}: {error_text(inner)}.")


def error_text(error: KafkaError | KafkaException) -> str:
    """The error's text, with the name under which Kafka documents it; names of the client's own are left out."""
    inner = kafka_error(error)
    return _client_text(inner) or f"{inner.str()} ({inner.name()})"


def error_word(error: KafkaError) -> str:
    """Kafka's documented name of the error; of an error of the client's own, its text."""
    return _client_text(error) or error.name()


def _client_text(error: KafkaError) -> str:
    """The text of an error that the client made, whose name is documented nowhere; empty for one of Kafka's."""
    if not error.name().startswith("_"):
        return ""
    text = error.str().replace("Local: ", "")
    return text[:1].lower() + text[1:]
