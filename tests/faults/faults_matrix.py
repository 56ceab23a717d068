"""The fault matrix: every row, how it is injected, and what must hold all the same."""

from __future__ import annotations

import rows_broker as broker
import rows_members as members
import rows_process as process
import rows_surroundings as surroundings
import rows_topics as topics
import rows_workflows as workflows
from faults_row import Row
from faults_stage import Stage

ROWS: tuple[Row, ...] = (
    Row(0, "no fault", "nothing is broken", "I1 I5", process.undisturbed),
    Row(1, "killed under load", "SIGKILL three times, restart", "I1 I3 I4 I5 I8", process.killed_under_load),
    Row(
        2,
        "killed between answer and commit",
        "SIGKILL once a chosen event is answered",
        "I1 I5",
        process.killed_between_answer_and_commit,
        is_fast=True,
    ),
    Row(
        3,
        "killed between dead letter and commit",
        "SIGKILL once the dead-letter topic grows",
        "I1 I5",
        process.killed_between_letter_and_commit,
    ),
    Row(
        4, "told to stop under load", "SIGTERM twice in turn", "I1 I5 I11", process.terminated_under_load, is_fast=True
    ),
    Row(
        5,
        "told to stop while a receiver hangs",
        "receiver never answers; SIGTERM",
        "I1 I3 I11",
        process.terminated_while_a_receiver_hangs,
    ),
    Row(
        6,
        "signalled twice, and while starting",
        "SIGTERM twice; SIGINT in the start",
        "I3 I11",
        process.signalled_twice_and_while_starting,
    ),
    Row(
        7,
        "frozen beyond the session",
        "SIGSTOP of one of two members, SIGCONT after the take-over",
        "I1 I3 I5",
        process.frozen_beyond_the_session,
    ),
    Row(
        8, "frozen within the session", "SIGSTOP 0.5 to 1.5 s, three times", "I5 I8", process.frozen_within_the_session
    ),
    Row(
        9,
        "deliveries slower than max.poll.interval",
        "receivers take 17 s, the interval is 15 s",
        "I8",
        process.slower_than_the_poll_interval,
    ),
    Row(
        10,
        "event loop blocked",
        "the loop is kept busy",
        "I8",
        elsewhere=(
            "acceptance/test_acceptance_process.py::test_a_scrape_is_answered_without_the_event_loop",
            "telemetry/test_telemetry_server.py::test_health_follows_the_heartbeats",
        ),
    ),
    Row(
        11,
        "max.poll.interval really exceeded",
        "the consumer thread stands still",
        "I1 I3",
        elsewhere=(
            "kafka/test_kafka_rebalance.py::test_lost_partitions_are_told_as_lost_and_come_back_in_a_new_epoch",
        ),
    ),
    Row(12, "member joins under load", "second process", "I1 I3 I4 I5", members.member_joins, is_fast=True),
    Row(13, "member leaves", "SIGTERM of one of two", "I5", members.member_leaves),
    Row(
        14,
        "rebalance storm",
        "a member comes and goes six times, polite or killed",
        "I1 I4 I8",
        members.rebalance_storm,
    ),
    Row(
        15,
        "revoked while paused",
        "all at the open limit; a member joins and leaves",
        "I8",
        members.revoked_while_paused,
    ),
    Row(
        16,
        "granted again before the drain ends",
        "slow requests; a member joins and leaves twice",
        "I3 I8",
        members.granted_again_before_the_drain_ends,
    ),
    Row(
        17,
        "callback raises",
        "an error in the rebalance callback",
        "I1",
        elsewhere=("kafka/test_kafka_commits.py::test_a_callback_that_raises_ends_the_owner_and_commits_nothing_more",),
    ),
    Row(18, "one static id twice", "two processes with one group_instance_id", "I11", members.two_with_one_instance_id),
    Row(
        19,
        "broker killed and restarted",
        "SIGKILL of the only broker, 4 to 8 s",
        "I1 I8",
        broker.killed_and_restarted,
        Stage.OWN,
        is_fast=True,
    ),
    Row(20, "broker frozen", "SIGSTOP of the only broker, 8 to 12 s", "I1 I8", broker.frozen, Stage.OWN),
    Row(21, "leader change", "two brokers, one killed", "I1 I5", broker.leader_changes, Stage.PAIR),
    Row(22, "group coordinator gone", "two brokers, one killed", "I3 I8", broker.coordinator_is_gone, Stage.PAIR),
    Row(
        23,
        "connections to the broker reset",
        "the proxy resets all, twelve times",
        "I8",
        broker.connections_reset,
        Stage.OWN,
    ),
    Row(
        24,
        "line to the broker silent",
        "the proxy is a black hole for 8 to 12 s",
        "I8",
        broker.line_is_silent,
        Stage.OWN,
    ),
    Row(25, "line to the broker slow", "64 kB/s, 500 ms there and back", "I8", broker.line_is_slow, Stage.OWN),
    Row(
        26,
        "fetches cut",
        "pieces of about 1 kB, connections end after 90 to 200 kB",
        "I2",
        broker.fetches_are_cut,
        Stage.OWN,
    ),
    Row(27, "committed offset gone", "records beyond the commit deleted", "I9", topics.retention_ate_what_was_not_read),
    Row(28, "new group", "a group without commits", "I1", topics.new_group),
    Row(
        29,
        "topic deleted and made anew",
        "administration while it is read",
        "I3",
        elsewhere=(
            "kafka/test_kafka_data_loss.py::test_a_topic_deleted_and_made_anew_while_it_is_read",
            "kafka/test_kafka_data_loss.py::test_a_topic_that_was_made_anew_is_noticed",
        ),
    ),
    Row(30, "partitions added", "4 to 8 under load", "I1", topics.partitions_are_added),
    Row(
        31,
        "gaps in the offsets",
        "transactions, committed and aborted",
        "I3 I9",
        topics.gaps_in_the_offsets,
        is_fast=True,
    ),
    Row(
        32,
        "poison records",
        "null, empty, not JSON, NaN, invalid UTF-8, 1 MB, deep, among good ones",
        "I1 I2",
        topics.poison,
    ),
    Row(33, "5xx burst", "503 for 1 to 3 s; every nth 500", "I1 I4", workflows.burst_of_failures, is_fast=True),
    Row(
        34,
        "refused for good",
        "400, 413, 422, 501 for a tenth of the events; 410 for a workflow",
        "I1",
        workflows.permanent_refusals,
    ),
    Row(
        35,
        "Retry-After",
        "429 and 503 with seconds, dates, the past, absurd and garbage values",
        "I6",
        workflows.asked_to_wait,
    ),
    Row(
        36,
        "hangs and floods",
        "hang before and in the body, trickle, endless and 10 MB bodies, gzip bomb, garbage",
        "I6 I7",
        workflows.hangs_of_every_kind,
    ),
    Row(37, "reset before the answer", "RST after the request was read", "I1 I5", workflows.reset_before_the_answer),
    Row(
        38,
        "kept connections closed",
        "the receiver closes, announced and not, and drops all at random",
        "I5",
        workflows.connections_closed_between_requests,
    ),
    Row(39, "redirects", "301, 302, 307, 308 to other hosts and the metadata address", "I10", workflows.redirected),
    Row(
        40,
        "certificates",
        "expired, wrong host, self-signed, old protocol, swapped in the run",
        "I10",
        elsewhere=(
            "webhook/test_webhook_tls.py::test_an_expired_certificate_is_refused",
            "webhook/test_webhook_tls.py::test_a_certificate_of_another_host_is_refused",
            "webhook/test_webhook_tls.py::test_a_self_signed_certificate_is_refused",
            "webhook/test_webhook_tls.py::test_a_certificate_that_is_swapped_while_running_is_noticed",
        ),
    ),
    Row(
        41,
        "names",
        "no such host, another address, a private one (rebinding)",
        "I10",
        elsewhere=(
            "webhook/test_webhook_sender.py::test_an_unknown_host_is_a_dns_failure",
            "webhook/test_webhook_egress.py::test_a_name_that_changes_its_address_gains_nothing",
            "webhook/test_webhook_fast.py::test_a_name_is_resolved_again_after_a_failure",
        ),
    ),
    Row(42, "one of ten workflows dead", "503 for one of ten", "I6 I7", workflows.one_of_ten_is_dead),
    Row(43, "all workflows dead", "5xx everywhere, then healed", "I7 I8", workflows.all_are_dead),
    Row(44, "dead letters refused", "the topic takes 100 bytes a record", "I1", topics.letters_are_refused),
    Row(
        45,
        "dead letters cannot be sent",
        "a queue of 10 and a silent line",
        "I1 I7",
        broker.letters_cannot_be_sent,
        Stage.OWN,
    ),
    Row(46, "commit metadata refused", "offset.metadata.max.bytes=64", "I3", broker.metadata_too_large, Stage.OWN),
    Row(
        47,
        "rights and password",
        "ACL of the group revoked in the run; wrong password",
        "I10 I11",
        surroundings.rights_are_taken_away,
        Stage.SECURED,
    ),
    Row(
        48,
        "log and disk gone",
        "the log's pipe closed, the trace on a full device",
        "I1",
        surroundings.log_and_disk_are_gone,
    ),
    Row(
        49,
        "clock jumps",
        "the simulation's own clocks",
        "I8",
        elsewhere=(
            "simulation/test_simulation.py::test_no_seed_has_a_finding",
            "pipeline/test_engine_failures.py::test_a_retry_is_signed_anew",
        ),
    ),
    Row(
        50,
        "settings read again",
        "SIGHUP with good and broken settings",
        "I10",
        elsewhere=("acceptance/test_acceptance_engine.py::test_a_hold_ends_by_a_reload",),
    ),
)
