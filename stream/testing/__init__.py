"""The world to test in: a real Kafka, one inside the process, workflows that fail on demand, and checkers."""
