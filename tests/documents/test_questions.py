"""What a newcomer asks is answered on the page where it is looked for, in the words that are typed into the search."""

from __future__ import annotations

import pytest
from pages import DOCS

QUESTIONS = {
    "Is it at-least-once?": ("at-least-once", "concepts/delivery-guarantees"),
    "Is it exactly-once?": ("exactly-once", "guides/faq"),
    "Can events come twice?": ("twice", "concepts/delivery-guarantees"),
    "How do I drop repetitions?": ("deduplicates Idempotency-Key", "guides/receiver"),
    "How do I verify a signature in Node?": ("verify signature node", "guides/receiver"),
    "How do I verify it in tray?": ("check signature workflow", "guides/tray-workflow"),
    "Lag grows, what do I do?": ("lag grows", "guides/troubleshooting"),
    "How many workers for 5,000 events/s at 200 ms?": ("5000 events 200 ms workers", "guides/sizing"),
    "How much memory does it need?": ("memory", "guides/sizing"),
    "MSK with IAM?": ("MSK IAM", "connect/msk"),
    "MSK with SCRAM?": ("MSK SCRAM", "connect/msk"),
    "Which ACLs does it need?": ("permissions ACL", "connect/index"),
    "Avro and a Schema Registry?": ("Avro Schema Registry", "connect/topics"),
    "How do I move from Segment without double delivery?": ("double delivery segment", "guides/migrate-from-segment"),
    "How do Segment's events get onto Kafka?": ("kafka destination mapping", "guides/migrate-from-segment"),
    "Are user deletions forwarded?": ("delete deletion", "guides/migrate-from-segment"),
    "What happens if Kafka is down for an hour?": ("Kafka down hour", "guides/faq"),
    "What happens if a workflow is down?": ("workflow down hour", "guides/faq"),
    "Is there a circuit breaker?": ("circuit breaker", "concepts/retries"),
    "Is Retry-After honoured?": ("Retry-After", "concepts/retries"),
    "What about backpressure?": ("backpressure", "concepts/backpressure"),
    "In what order are events sent?": ("order user", "concepts/ordering"),
    "Does one dead workflow stop the others?": ("dead workflow others", "concepts/isolation"),
    "Where is the DLQ and how do I replay it?": ("DLQ replay", "guides/redrive"),
    "How do I send a range again?": ("replay from until", "guides/replay"),
    "Why was this event filtered?": ("event filtered", "guides/filters"),
    "Why did an event not arrive?": ("event not arrive", "guides/explain"),
    "An event is stuck?": ("stuck held", "guides/held"),
    "How do I roll back a version?": ("roll back version", "guides/upgrading"),
    "How do I rotate the secret?": ("rotate secret", "security/signatures"),
    "How do I change settings without a restart?": ("change settings without restart SIGHUP", "guides/reload"),
    "How do I pause a workflow?": ("pause workflow maintenance", "guides/pause"),
    "How do I send a test event?": ("send test event", "guides/send"),
    "Can I test my filters with example events?": ("example events cases expect", "guides/ci"),
    "How do I watch what passes?": ("watch events live filter", "guides/tap"),
    "Can I test settings in CI?": ("settings CI", "guides/ci"),
    "What does the alert mean?": ("TrayGateClosed means", "reference/runbooks"),
    "What does exit code 3 mean?": ("exit 3", "reference/exit-codes"),
    "What is the text in the commit's metadata?": ("commit metadata", "reference/commit-metadata"),
    "What does a quiet hour look like?": ("quiet hour", "start/first-hour"),
}


@pytest.mark.parametrize(("words", "page"), QUESTIONS.values(), ids=QUESTIONS)
def test_the_answer_is_found(words: str, page: str) -> None:
    """Each word of the search is on the page that answers."""
    text = (DOCS / f"{page}.md").read_text().lower()
    assert [word for word in words.lower().split() if word not in text] == []


def test_there_are_thirty() -> None:
    """Or more."""
    assert len(QUESTIONS) >= 30
