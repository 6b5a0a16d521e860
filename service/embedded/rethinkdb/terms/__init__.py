"""What each term of ReQL does, one module for each family; importing this registers them all."""

from . import (
    administration,
    aggregation,
    arithmetic,
    arrays,
    control,
    dates,
    documents,
    indexes,
    joins,
    ordering,
    selection,
    slices,
    strings,
    transformations,
    types,
    writing,
)

__all__ = [
    "administration",
    "aggregation",
    "arithmetic",
    "arrays",
    "control",
    "dates",
    "documents",
    "indexes",
    "joins",
    "ordering",
    "selection",
    "slices",
    "strings",
    "transformations",
    "types",
    "writing",
]
