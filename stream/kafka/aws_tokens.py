"""Tokens for MSK with IAM. Needs the packages of the extra `aws`."""

from __future__ import annotations

from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

from stream.kafka.token import BearerToken, TokenError
from stream.model.errors import describe_error


class AwsTokens:
    """Tokens signed with the credentials that the AWS SDK finds: no request to MSK is made."""

    def __init__(self, region: str) -> None:
        self._region = region

    def __call__(self) -> BearerToken:
        """Sign one. May ask AWS for credentials."""
        try:
            value, expires_at_ms = MSKAuthTokenProvider.generate_auth_token(self._region)
        except Exception as error:  # whatever the SDK and its sources of credentials raise
            raise TokenError(f"AWS gives no credentials to sign with ({describe_error(error)})") from error
        return BearerToken(value, expires_at_ms / 1000)

    def close(self) -> None:
        """Nothing is open."""
