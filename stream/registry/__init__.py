"""The edge to a Schema Registry: schemas by their ids, and the readers that they make."""
