"""The Kafka edge: everything that touches confluent-kafka."""
