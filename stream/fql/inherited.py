"""Names that JavaScript finds in values that do not hold them, by the type of the value.

Segment's code takes the function behind such a name for the value of the field. Nobody means it.
"""

from __future__ import annotations

_OBJECTS = """
    constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toString valueOf toLocaleString __proto__
    __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
"""
_LISTS = """
    at concat copyWithin fill find findIndex findLast findLastIndex lastIndexOf pop push reverse shift unshift slice
    sort splice includes indexOf join keys entries values forEach filter flat flatMap map every some reduce
    reduceRight toReversed toSorted toSpliced with
"""
_TEXTS = """
    anchor at big blink bold charAt charCodeAt codePointAt concat endsWith fontcolor fontsize fixed includes indexOf
    isWellFormed italics lastIndexOf link localeCompare match matchAll normalize padEnd padStart repeat replace
    replaceAll search slice small split strike sub substr substring sup startsWith toWellFormed trim trimStart
    trimLeft trimEnd trimRight toLocaleLowerCase toLocaleUpperCase toLowerCase toUpperCase
"""

OF_OBJECTS = frozenset(_OBJECTS.split())
_OF_LISTS = frozenset(_LISTS.split())
_OF_TEXTS = frozenset(_TEXTS.split())
_OF_NUMBERS = frozenset(("toExponential", "toFixed", "toPrecision"))
_BY_TYPE: dict[type, frozenset[str]] = {
    dict: OF_OBJECTS,
    list: OF_OBJECTS | _OF_LISTS,
    str: OF_OBJECTS | _OF_TEXTS,
    int: OF_OBJECTS | _OF_NUMBERS,
    float: OF_OBJECTS | _OF_NUMBERS,
    bool: OF_OBJECTS,
}


def is_inherited(value: object, name: str) -> bool:
    """Whether JavaScript finds something under a name that the value itself does not have."""
    return name in _BY_TYPE.get(value.__class__, ()) and (bool(value) or value.__class__ in (dict, list))
