"""A real Apache Kafka that wants to know who its clients are, and lets each do only what it may."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from stream.demo.apache_kafka import ApacheKafka, free_ports
from support.authority import Authority

PASSWORDS = {"admin": "admin-s3cret", "reader": "reader-s3cret"}
ANSWER_S = 60.0
_LOGIN = "org.apache.kafka.common.security"
_SASL_PLAIN = f"{_LOGIN}.plain.PlainLoginModule required " + " ".join(
    f'user_{name}="{password}"' for name, password in PASSWORDS.items()
)


class SecuredKafka(ApacheKafka):
    """Besides the plain listener, which is for administration: SASL without and with TLS, and mutual TLS.

    `admin` may do everything, `reader` what `allow` says; by TLS one is what the certificate's common name says.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.authority = Authority(directory / "authority")
        server = self.authority.issue("broker", "DNS:localhost", "IP:127.0.0.1")
        self._ports = dict(zip(("SASL", "SASLS", "MUTUAL"), free_ports(3), strict=True))
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items())
        protocols = "SASL:SASL_PLAINTEXT,SASLS:SASL_SSL,MUTUAL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        self.properties |= {
            "listeners": f"{self.properties['listeners']},{listeners}",
            "listener.security.protocol.map": protocols,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:admin;User:CN=admin",
            "allow.everyone.if.no.acl.found": "false",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.mutual.ssl.client.auth": "required",
            **_logins("sasl", "sasls"),
            "listener.name.sasl.oauthbearer.connections.max.reauth.ms": "60000",  # a token's end is a session's end
        }

    @property
    def sasl_bootstrap(self) -> str:
        """Where one logs in without TLS."""
        return f"127.0.0.1:{self._ports['SASL']}"

    def plain(self, user: str, password: str = "") -> dict[str, str]:
        """Options of a client that logs in with SASL/PLAIN, without TLS."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": password or PASSWORDS[user],
        }

    def bearer(self) -> dict[str, str]:
        """Options of a client that logs in with a token, which need not be signed."""
        return {"sasl.mechanism": "OAUTHBEARER", "security.protocol": "SASL_PLAINTEXT"}

    def ways_in(self) -> Mapping[str, tuple[str, dict[str, str]]]:
        """For each way to log in as `admin`: the brokers to connect to, and the client's options."""
        trust = {"ssl.ca.location": str(self.authority.certificate)}
        client = self.authority.issue("admin")
        scram = {**self.plain("admin"), "sasl.mechanism": "SCRAM-SHA-512"}
        scram_over_tls = {**scram, **trust, "security.protocol": "SASL_SSL"}
        unsigned = {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "principal=admin"}
        mutual = {"ssl.certificate.location": str(client), "ssl.key.location": str(client)}
        return {
            "PLAIN": (self.sasl_bootstrap, self.plain("admin")),
            "SCRAM": (self.sasl_bootstrap, scram),
            "SCRAM over TLS": (f"localhost:{self._ports['SASLS']}", scram_over_tls),
            "OAUTHBEARER": (self.sasl_bootstrap, {**self.bearer(), **unsigned}),
            "mutual TLS": (f"localhost:{self._ports['MUTUAL']}", {"security.protocol": "SSL", **mutual, **trust}),
        }

    def start(self, timeout_s: float = 60.0) -> None:
        """Start it, and make the users known to SCRAM, whose passwords Kafka keeps itself."""
        super().start(timeout_s)
        self._make_known(PASSWORDS)

    def add_user(self, name: str, password: str, prefix: str) -> dict[str, str]:
        """Options of a new user, who logs in with SCRAM and may do everything with whatever begins with `prefix`."""
        self._make_known({name: password})
        kinds = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
        self._create([_rule(kind, prefix, AclOperation.ALL, name, ResourcePatternType.PREFIXED) for kind in kinds])
        login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512"}
        return {**login, "sasl.username": name, "sasl.password": password}

    def allow(self, kind: ResourceType, name: str, *operations: AclOperation) -> None:
        """Give the reader these rights."""
        self._create([_rule(kind, name, operation) for operation in operations])

    def forbid(self, kind: ResourceType, name: str) -> None:
        """Take all of the reader's rights to it away."""
        filter_ = AclBindingFilter(
            kind, name, ResourcePatternType.LITERAL, "User:reader", "*", AclOperation.ANY, AclPermissionType.ANY
        )
        with self._admin() as admin:
            for answer in admin.delete_acls([filter_]).values():
                answer.result(ANSWER_S)

    def _make_known(self, passwords: Mapping[str, str]) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(name, info, password.encode()) for name, password in passwords.items()
        ]
        with self._admin() as admin:
            for answer in admin.alter_user_scram_credentials(users).values():
                answer.result(ANSWER_S)

    def _create(self, rules: list[AclBinding]) -> None:
        with self._admin() as admin:
            for answer in admin.create_acls(rules).values():
                answer.result(ANSWER_S)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})


def _logins(*listeners: str) -> dict[str, str]:
    by_mechanism = {
        "plain": f"{_SASL_PLAIN};",
        "scram-sha-512": f"{_LOGIN}.scram.ScramLoginModule required;",
        "oauthbearer": f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required;",
    }
    return {
        f"listener.name.{listener}.{mechanism}.sasl.jaas.config": module
        for listener in listeners
        for mechanism, module in by_mechanism.items()
    }


def _rule(
    kind: ResourceType,
    name: str,
    operation: AclOperation,
    user: str = "reader",
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
