"""What the commands share: options, output, signals."""
