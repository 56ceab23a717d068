"""The engine of one consumer group: from polled records to committed offsets, through the ports of stream.model."""
