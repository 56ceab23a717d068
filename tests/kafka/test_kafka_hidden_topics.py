"""Topics that are left out of a pattern, with each protocol of the group, on a real broker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from assertions import HANG_S
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from kafka_support import policy_for, until
from support.topics import Broker

from stream.kafka.client_config import consumer_config, subscription


@pytest.mark.parametrize(("protocol", "is_assigned"), [("classic", False), ("consumer", True)])
def test_only_the_client_leaves_topics_out(
    apache_kafka: Broker, topic_name: str, protocol: str, is_assigned: bool
) -> None:
    """A broker that compares patterns assigns the dead letters as well: the settings refuse such a pattern."""
    letters = f"{topic_name}.dead-letters"
    for topic in (topic_name, letters):
        apache_kafka.create_topic(topic, 1)
    policy = replace(
        policy_for(apache_kafka, topic_name),
        topics=(f"^{topic_name}",),
        hidden_topics=(letters,),
        group_protocol=protocol,
        consumer_options={},
    )
    consumer = Consumer(consumer_config(policy))
    admin = AdminClient({"bootstrap.servers": apache_kafka.bootstrap})
    try:
        consumer.subscribe(subscription(policy))

        def broker_says() -> set[str]:
            consumer.poll(0.2)
            (group,) = admin.describe_consumer_groups([policy.group]).values()
            try:
                found = group.result()
            except KafkaException as error:  # the coordinator moves while the cluster creates its topics
                if not error.args[0].retriable():
                    raise
                return set()
            parts = [a.topic_partitions for m in found.members for a in (m.assignment, m.target_assignment) if a]
            return {tp.topic for part in parts for tp in part}

        wanted = {topic_name, letters} if is_assigned else {topic_name}
        until(lambda: wanted <= broker_says(), HANG_S)
        until(lambda: broker_says() == wanted, HANG_S)
    finally:
        consumer.close()
