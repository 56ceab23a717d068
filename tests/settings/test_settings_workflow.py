"""The workflows: URL, name, types, headers, and the set of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_support import MINIMAL, URL, load, problems, workflow_problems

from stream.settings import Secret
from stream.settings.url import WorkflowUrl, url_fault

KAFKA = '[kafka]\ntopics = ["segment-events"]\n'


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a/b?c=d",
        "http://localhost:8080/",
        "https://10.0.0.1:8443/x",
        "http://[::1]:9000/x",
        "HTTPS://Hooks.Example.com",
        "https://hooks.example.com/a@b",
    ],
)
def test_a_full_url_is_taken(url: str) -> None:
    """Http and https, names and addresses, with and without port."""
    assert url_fault(url) is None


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "is empty."),
        ("hooks.example.com/x", "has no scheme."),
        ("localhost:8080/x", "has no scheme."),
        ("ftp://hooks.example.com/x", "is neither http nor https."),
        ("https://user:pass@hooks.example.com/x", "holds a user name or password."),
        ("https://hooks.example.com/x#part", "has a fragment (#…)."),
        ("https:///x", "has no host."),
        ("https://:443/x", "has no host."),
        ("https://hooks.example.com:0/x", "has no valid port."),
        ("https://hooks.example.com:/x", "has no valid port."),
        ("https://hooks.example.com:66000/x", "has no valid port."),
        ("https://hooks.example.com:port/x", "has no valid port."),
        ("https://hooks..example.com/x", "has no valid host."),
        ("https://hooks\\example.com/x", "has no valid host."),
        ("https://[fe80::1%eth0]/x", "has a zone in its IPv6 address."),
        ("https://[fe80::1%25eth0]:8443/x", "has a zone in its IPv6 address."),
        ("https://[::1/x", "has no valid host."),
        ("https://hooks.example.com/a b", "holds whitespace, a control character or a character outside ASCII."),
        ("https://hooks.example.com/a\n", "holds whitespace, a control character or a character outside ASCII."),
        ("https://hooks.example.com/ä", "holds whitespace, a control character or a character outside ASCII."),
        ("https://hööks.example.com/a", "has a host with letters outside ASCII."),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, what: str) -> None:
    """Each fault has its own sentence, so that it can be mended without a search."""
    fault = url_fault(url)
    assert fault is not None
    assert fault.what == what
    assert fault.fix


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("https://bücher.example/s3cret", "Write the host in its ASCII form (punycode): xn--bcher-kva.example."),
        ("https://BÜCHER.example:8443/a", "Write the host in its ASCII form (punycode): xn--bcher-kva.example."),
        ("https://例え.テスト/a?b=ä", "Write the host in its ASCII form (punycode): xn--r8jz45g.xn--zckzah."),
        ("https://schlüssel.trayapp.io/a", "Write the host in its ASCII form (punycode): ***.trayapp.io."),
        ("https://faß.example/a", "Write the host in its ASCII form (punycode), which starts with xn--."),
    ],
)
def test_an_international_host_is_shown_as_it_is_to_be_written(url: str, fix: str) -> None:
    """Its ASCII form, without what is secret of it; where the standards differ on that form it is not guessed."""
    assert url_fault(url) == ("has a host with letters outside ASCII.", fix, None)


@given(url=st.text(max_size=30).map(lambda text: f"https://{text}"))
def test_no_url_breaks_its_check(url: str) -> None:
    """Any text is a usable URL or a fault, never an error; what is usable is plain ASCII with a host."""
    if url_fault(url) is None:
        assert url.isascii()
        assert len(WorkflowUrl(url).redacted()) > len("https://")


def test_a_problem_of_a_url_never_repeats_it(tmp_path: Path) -> None:
    """The URL is a secret, also when it is wrong."""
    found = workflow_problems(tmp_path, 'url = "hooks.example.com/s3cret"')
    assert found == ["workflow[0].url: has no scheme. Write https://… in front of it."]


def test_a_workflow_without_a_name_is_called_after_its_url(tmp_path: Path) -> None:
    """The name does not depend on the order of the workflows."""
    digest = hashlib.sha256(URL.encode()).hexdigest()
    assert load(tmp_path).settings.workflows[0].name == f"workflow-{digest[:8]}"


def test_a_workflow_has_defaults(tmp_path: Path) -> None:
    """A URL is all that a workflow needs."""
    workflow = load(tmp_path).settings.workflows[0]
    assert workflow.url.reveal() == URL
    assert (workflow.ordering, workflow.max_in_flight, workflow.timeout) == ("user", 64, 10.0)
    assert (workflow.wanted_types, workflow.exclude_types, workflow.headers) == (None, (), {})


def test_a_url_is_required(tmp_path: Path) -> None:
    """A workflow without one is one problem, not two: its default name is no news."""
    assert workflow_problems(tmp_path, 'ordering = "key"') == ['workflow[0].url: is missing. Add url = "https://…".']


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "x" * 65, "a\\n"])
def test_a_name_is_letters_digits_hyphens_and_underscores(tmp_path: Path, name: str) -> None:
    """Names become metric labels and parts of group ids."""
    assert workflow_problems(tmp_path, f'url = "{URL}"\nname = "{name}"') == [
        "workflow[0].name: is not a name. Use 1 to 64 letters, digits, - and _."
    ]


def test_problems_of_a_named_workflow_say_its_name(tmp_path: Path) -> None:
    """With several workflows nobody needs to count them."""
    assert workflow_problems(tmp_path, 'name = "orders"\nurl = "x"') == [
        "workflow[0].url (orders): has no scheme. Write https://… in front of it."
    ]


def test_equal_names_are_refused(tmp_path: Path) -> None:
    """A workflow's identity is its name."""
    two = f'[[workflow]]\nname = "a"\nurl = "{URL}"\n[[workflow]]\nname = "a"\nurl = "{URL}2"\n'
    assert problems(tmp_path, KAFKA + two) == [
        "workflow[1].name: is the same name as that of workflow[0]. Remove one, or give each a name of its own."
    ]


@pytest.mark.parametrize(("one", "other"), [("plumless", "buckeroo"), ("codding", "gnu"), ("gnu", "codding")])
def test_names_with_equal_hashes_are_refused(tmp_path: Path, one: str, other: str) -> None:
    """Commits tell workflows apart by a hash of the name: a problem that names both, whatever stands between them."""
    tables = "".join(f'[[workflow]]\nname = "{name}"\nurl = "{URL}"\n' for name in (one, "orders", other))
    [problem] = problems(tmp_path, KAFKA + tables)
    assert problem.startswith(f"workflow[2].name: {other} has the same 32-bit hash as {one}, the name of wo")
    assert problem.endswith("Give one of them another name.")


def test_default_names_with_equal_hashes_are_refused(tmp_path: Path) -> None:
    """Default names are told apart like given ones."""
    tables = "".join(f'[[workflow]]\nurl = "https://hooks.example.com/wf/{n}"\n' for n in (12518, 94630))
    [problem] = problems(tmp_path, KAFKA + tables)
    assert problem.startswith("workflow[1].name: workflow-6c3e6c71 has the same 32-bit hash as workflow-540a7c1f, ")


def test_the_same_url_twice_needs_names(tmp_path: Path) -> None:
    """Two workflows without names and with one URL would have one name."""
    two = f'[[workflow]]\nurl = "{URL}"\n' * 2
    found = problems(tmp_path, KAFKA + two)
    assert found == [
        "workflow[1].url: is the same URL, hence the same default name, as that of workflow[0]. "
        "Remove one, or give each a name of its own."
    ]


def test_the_same_url_under_two_names_is_fine(tmp_path: Path) -> None:
    """One workflow may be called for two selections of events."""
    two = "".join(f'[[workflow]]\nname = "{name}"\nurl = "{URL}"\n' for name in "ab")
    assert [workflow.name for workflow in load(tmp_path, KAFKA + two).settings.workflows] == ["a", "b"]


def test_ten_workflows_are_the_limit(tmp_path: Path) -> None:
    """Ten are taken; eleven are refused with the limit, and their own problems are told as well."""
    tables = [f'[[workflow]]\nurl = "{URL}{index}"\n' for index in range(11)]
    assert len(load(tmp_path, KAFKA + "".join(tables[:10])).settings.workflows) == 10
    found = problems(tmp_path, KAFKA + "".join(tables) + 'ordering = "x"')
    assert found[0].startswith("workflow[10].ordering: must be 'user', 'key', 'partition' or 'none'.")
    assert found[1].startswith("workflow: there are 11; the limit is 10.")


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ('["track", " Identify "]', frozenset({"track", "identify"})),
        ('["ALL"]', None),
        ('["my-type"]', frozenset({"my-type"})),
    ],
)
def test_types_are_trimmed_and_lower_cased(tmp_path: Path, types: str, wanted: frozenset[str] | None) -> None:
    """They are compared with an event's type, which is read the same way; `all` means every type."""
    workflow = load(tmp_path, f"{MINIMAL}types = {types}").settings.workflows[0]
    assert workflow.wanted_types == wanted


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("types = []", "types: is empty: no event would be sent. Leave it out to receive every type."),
        ('types = [""]', "types: has an empty type. Remove it."),
        ('types = "track"', 'types: must be a list. Write it in brackets: ["…"].'),
        (
            'types = ["track"]\nexclude_types = ["Track"]',
            "exclude_types: takes away every type: no event would be sent. Leave a type to receive.",
        ),
        (
            'exclude_types = ["all"]',
            "exclude_types: takes away every type: no event would be sent. Leave a type to receive.",
        ),
        ("max_in_flight = 0", "max_in_flight: must be 1 or more."),
        ("max_in_flight = 1001", "max_in_flight: must be 1000 or less."),
        ('max_in_flight = "8"', "max_in_flight: must be a whole number."),
        ("max_in_flight = true", "max_in_flight: must be a whole number."),
        ("shared_secret = 7", "shared_secret: must be text. Put it in quotes."),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, lines: str, problem: str) -> None:
    """A workflow that could receive nothing is a mistake, as is a value of another kind."""
    assert workflow_problems(tmp_path, f'url = "{URL}"\n{lines}') == [f"workflow[0].{problem}"]


def test_a_workflows_secret_overrides_the_destinations(tmp_path: Path) -> None:
    """An empty one switches signing off for this workflow alone."""
    tables = [f'[[workflow]]\nurl = "{URL}1"\n', f'[[workflow]]\nurl = "{URL}2"\nshared_secret = "own"\n']
    tables += [f'[[workflow]]\nurl = "{URL}3"\nshared_secret = ""\n', '[destination]\nshared_secret = "all"\n']
    settings = load(tmp_path, KAFKA + "".join(tables)).settings
    secrets = [settings.secrets_of(workflow) for workflow in settings.workflows]
    assert secrets == [(Secret("all"),), (Secret("own"),), ()]


def test_headers_are_taken_as_written(tmp_path: Path) -> None:
    """Tabs and Latin-1 are legal in a value."""
    toml = MINIMAL + 'headers = { Authorization = "Bearer x", "X-Team" = "caf\\u00e9\\tx" }'
    headers = load(tmp_path, toml).settings.workflows[0].headers
    revealed = {name: value.reveal() for name, value in headers.items()}
    assert revealed == {"Authorization": "Bearer x", "X-Team": "café\tx"}


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length", "transfer-encoding", "Connection", "TE", "Trailer", "Trailers", "Upgrade",
        "Keep-Alive", "Proxy-Authorization", "Host", "Content-Encoding", "Content-Type", "Expect",
        "X-Signature", "Idempotency-Key", "User-Agent", "webhook-id", "X-Tray-Replay", "Traceparent", "Accept-Encoding",
    ],
)  # fmt: skip
def test_headers_that_are_set_already_are_refused(tmp_path: Path, name: str) -> None:
    """Neither the connection's headers nor this program's own may be overridden, in any case."""
    (found,) = workflow_problems(tmp_path, f'url = "{URL}"\nheaders = {{ {name} = "x" }}')
    assert found.startswith(f"workflow[0].headers.{name}: is ")
    assert found.endswith(" Remove it.")


def test_every_fault_of_the_headers_is_told_at_once(tmp_path: Path) -> None:
    """Names, values, kinds and repetitions are checked together."""
    lines = 'headers = { "a b" = "x", "X-A" = "1\\r\\nX-B: 2", "X-C" = 3, "X-D" = "\\u2713", "x-e" = "", "X-E" = "" }'
    what = "holds a line break, a control character or a character outside Latin-1. Remove it, or encode it."
    assert workflow_problems(tmp_path, f'url = "{URL}"\n{lines}') == [
        'workflow[0].headers."a b": is not a header name. Use letters, digits and hyphens.',
        f"workflow[0].headers.X-A: {what}",
        "workflow[0].headers.X-C: must be text. Put it in quotes.",
        f"workflow[0].headers.X-D: {what}",
        "workflow[0].headers.X-E: is the same header as x-e: case does not count. Remove one.",
    ]


def test_a_single_table_is_told_to_be_a_list(tmp_path: Path) -> None:
    """`[workflow]` instead of `[[workflow]]` is a likely slip."""
    assert problems(tmp_path, f'{KAFKA}[workflow]\nurl = "{URL}"') == [
        "workflow: must be a list of tables. Write [[workflow]] above each, in two brackets."
    ]
