"""Settings from environment variables: `TRAY_<SECTION>__<KEY>`, and the two of the quick start."""

from __future__ import annotations

from collections.abc import Mapping

from stream.settings.draft import Draft
from stream.settings.keys import fields_by_key, nearest, sections_by_key
from stream.settings.text import read_text, split_list

PREFIX = "TRAY_"
WORKFLOW_URLS = "TRAY_WORKFLOW_URLS"
ISOLATION = "TRAY_ISOLATION"
SHARED_SECRET = "TRAY_SHARED_SECRET"  # noqa: S105 - the name of a variable, not a secret

_TABLE_BY_OPTION_PREFIX = {
    "TRAY_KAFKA_OPTION_": "options",
    "TRAY_KAFKA_CONSUMER_OPTION_": "consumer_options",
    "TRAY_KAFKA_PRODUCER_OPTION_": "producer_options",
}
_SECRET_AT = ("destination", "shared_secret")


def read_environment(environ: Mapping[str, str], draft: Draft) -> None:
    """Override the draft with the environment. An empty variable counts as not set."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and environ[name]:
            _read_variable(name, environ[name], draft)


def _read_variable(name: str, text: str, draft: Draft) -> None:
    option_prefix = next((prefix for prefix in _TABLE_BY_OPTION_PREFIX if name.startswith(prefix)), None)
    if name == WORKFLOW_URLS:
        _read_workflow_urls(text, draft)
    elif name == SHARED_SECRET:
        _read_shared_secret(text, draft)
    elif name == ISOLATION:
        draft.put(("isolation",), text, name)
    elif option_prefix:
        option = name.removeprefix(option_prefix).lower().replace("_", ".")
        draft.put(("kafka", _TABLE_BY_OPTION_PREFIX[option_prefix], option), text, name)
    else:
        _read_setting(name, text, draft)


def _read_workflow_urls(text: str, draft: Draft) -> None:
    if draft.tree.get("workflow"):
        fix = "Keep one of the two."
        draft.report((WORKFLOW_URLS,), "is set, and the settings file has [[workflow]], too.", fix)
        return
    draft.put(("workflow",), [{"url": url} for url in split_list(text)], WORKFLOW_URLS)


def _read_shared_secret(text: str, draft: Draft) -> None:
    if _SECRET_AT in draft.origins:
        what = f"is set, and {draft.origins[_SECRET_AT]}, too, which means the same."
        draft.report((SHARED_SECRET,), what, "Keep one of the two.")
        return
    draft.put(_SECRET_AT, text, SHARED_SECRET)


def _read_setting(name: str, text: str, draft: Draft) -> None:
    section_name, separator, key = name.removeprefix(PREFIX).partition("__")
    section = sections_by_key().get(section_name.lower())
    if separator and section_name == "WORKFLOW":
        fix = f"Use {WORKFLOW_URLS}, or [[workflow]] in the settings file."
        draft.report((name,), "is not a setting: workflows are not set one by one in the environment.", fix)
    # Variables of other sections are not ours: Kubernetes sets TRAY_STREAM_SERVICE_HOST and its like.
    if not separator or section is None:
        return
    field = fields_by_key(section).get(key.lower())
    if field is None:
        draft.report((name,), "is not a setting.", _known_variable(section_name, key, list(fields_by_key(section))))
    elif key.endswith("OPTIONS"):
        fix = f"Write one variable for each option: TRAY_{section_name}_{key[:-1]}_CLIENT_ID."
        draft.report((name,), "is a table.", fix)
    else:
        draft.put((section_name.lower(), key.lower()), read_text(text, field), name)


def _known_variable(section_name: str, key: str, keys: list[str]) -> str:
    near = nearest(key.lower(), keys)
    variables = [f"{PREFIX}{section_name}__{known.upper()}" for known in ([near] if near else keys)]
    return f"Did you mean {variables[0]}?" if near else f"Known: {', '.join(variables)}."
