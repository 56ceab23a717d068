"""What an answer means and what a failure leads to: the rules in force, which a reload replaces."""

from __future__ import annotations

from dataclasses import dataclass

from stream.model.policies import DeadLetterPolicy
from stream.rules.outcome import OutcomeTable, RetryPolicy


@dataclass(frozen=True)
class DeliveryRules:
    """What an answer means, and when a failed attempt is made again."""

    outcomes: OutcomeTable
    retry: RetryPolicy


class RulesInForce:
    """Those of the last reload; written by the engine alone."""

    def __init__(self, rules: DeliveryRules, dead_letters: DeadLetterPolicy) -> None:
        self.replace(rules, dead_letters)

    def replace(self, rules: DeliveryRules, dead_letters: DeadLetterPolicy) -> None:
        """Judge by these from the next answer on."""
        self.outcomes, self.retry, self.dead_letters = rules.outcomes, rules.retry, dead_letters
