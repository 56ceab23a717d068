"""Settings from environment variables: `TRAY_<SECTION>__<KEY>`, and the two of the quick start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from stream.settings.draft import Draft
from stream.settings.keys import fields_by_key, section_of, sections_by_key
from stream.settings.references import is_quoted, is_utf8, referenced_variables, without_newline
from stream.settings.variables import (
    DEFAULT_LISTEN,
    ISOLATION,
    OPTION_TABLES,
    PREFIX,
    SHARED_SECRET,
    WORKFLOW_URLS,
    is_ours,
    meant,
)

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}

_SECRET_AT = ("destination", "shared_secret")
_LISTEN_AT = ("http", "listen")


def split_list(text: str) -> list[str]:
    """The parts of a list that is separated by commas or line ends; empty parts do not count."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def read_text(text: str, field: FieldInfo) -> object:
    """The value that `text` stands for in a field; text that does not fit is left for validation to refuse."""
    kinds = {field.annotation, *get_args(field.annotation)}
    lists = [kind for kind in kinds if get_origin(kind) is tuple]
    if lists:
        return [_read_plain(part, _element_kind(lists[0])) for part in split_list(text)]
    return _read_plain(text, field.annotation)


def _element_kind(kind: Any) -> Any:
    element = get_args(kind)[0]
    return get_args(element)[0] if get_args(element) else element


def _read_plain(text: str, kind: Any) -> object:
    if kind is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if kind is int and _WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    return text


def read_environment(environ: Mapping[str, str], draft: Draft) -> None:
    """Override the draft with the environment. An empty variable counts as not set.

    Variables that the settings file refers to have names of the user's choice.
    """
    ours = {name: environ[name] for name in sorted(environ) if is_ours(name) and environ[name]}
    chosen = referenced_variables(draft.tree) | referenced_variables(list(ours.values()))
    for name, raw in ours.items():
        text = without_newline(raw)
        if not is_utf8(name + raw):
            draft.report((name,), "is not UTF-8 text.", "Set it as UTF-8.")
        elif not text:
            draft.report((name,), "holds nothing but a line break.", "Set it, or remove it.")
        else:
            _read_variable(name, text, draft, name in chosen)
            if is_quoted(text):
                draft.warnings.append(
                    f"{name} begins and ends with a quotation mark, which is part of its value. Remove both if an "
                    "env-file put them there."
                )


def _read_variable(name: str, text: str, draft: Draft, is_referenced: bool) -> None:
    option_prefix = next((prefix for prefix in OPTION_TABLES if name.startswith(prefix)), None)
    if (read := _READERS.get(name)) is not None:
        read(text, draft)
    elif option_prefix:
        option = name.removeprefix(option_prefix).lower().replace("_", ".")
        draft.put(("kafka", OPTION_TABLES[option_prefix], option), text, name)
    elif not is_referenced:
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


def _read_default_listen(text: str, draft: Draft) -> None:
    section = draft.tree.get("http", {})
    if isinstance(section, dict) and "listen" not in section:
        draft.put(_LISTEN_AT, text, DEFAULT_LISTEN)


def _read_setting(name: str, text: str, draft: Draft) -> None:
    section_name, separator, key = name.removeprefix(PREFIX).partition("__")
    section = sections_by_key().get(section_name.lower())
    if separator and section_name == "WORKFLOW":
        fix = f"Use {WORKFLOW_URLS}, or [[workflow]] in the settings file."
        draft.report((name,), "is not a setting: workflows are not set one by one in the environment.", fix)
        return
    field = fields_by_key(section).get(key.lower()) if section and name.startswith(PREFIX) else None
    if not separator or section is None or field is None:
        _report_unknown(name, section_name, key, draft)
    elif section_of(field) is not None:
        at = f"{section_name}.{key}".lower()
        if get_origin(field.annotation) is not tuple:
            draft.report((name,), "is a table.", f"Write [{at}] in the settings file.")
        else:
            draft.report((name,), "is a list of tables.", f"Write [[{at}]] in the settings file.")
    elif key.endswith("OPTIONS"):
        fix = f"Write one variable for each option: TRAY_{section_name}_{key[:-1]}_CLIENT_ID."
        draft.report((name,), "is a table.", fix)
    else:
        draft.put((section_name.lower(), key.lower()), read_text(text, field), name)


def _report_unknown(name: str, section_name: str, key: str, draft: Draft) -> None:
    """A misspelled setting must not be passed over; other names that begin with TRAY_ may be somebody else's."""
    section = sections_by_key().get(section_name.lower())
    if near := meant(name):
        draft.report((name,), "is not a setting.", f"Did you mean {near}?")
    elif key and section is not None:
        known = [f"{PREFIX}{section_name}__{known.upper()}" for known in fields_by_key(section)]
        draft.report((name,), "is not a setting.", f"Known: {', '.join(known)}.")
    elif any(name.startswith(f"{PREFIX}{section.upper()}_") for section in sections_by_key()):
        draft.warnings.append(f"The variable {name} is not a setting, and no setting has a name like it.")


def _read_isolation(text: str, draft: Draft) -> None:
    draft.put(("isolation",), text, ISOLATION)


_READERS: dict[str, Callable[[str, Draft], None]] = {
    WORKFLOW_URLS: _read_workflow_urls,
    SHARED_SECRET: _read_shared_secret,
    ISOLATION: _read_isolation,
    DEFAULT_LISTEN: _read_default_listen,
}
"""Variables that do not name their setting."""
