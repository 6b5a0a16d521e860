"""Words of SQL that may stand before a parenthesis, and write nothing."""

from __future__ import annotations

_SYNTAX = {
    "all", "and", "any", "array", "as", "between", "bit", "box", "by", "case", "cast", "char",
    "character", "check", "cross", "date", "decimal", "distinct", "else", "end", "except",
    "exists", "filter", "float", "for", "from", "full", "group", "having", "ilike", "in", "inner",
    "intersect", "interval", "into", "is", "join", "lateral", "like", "limit", "natural", "not",
    "numeric", "offset", "on", "only", "or", "order", "outer", "over", "partition", "precision",
    "returning", "row", "rows", "select", "set", "sets", "similar", "some", "table", "tablesample",
    "then", "time", "timestamp", "timestamptz", "union", "unique", "using", "values", "varbit",
    "varchar", "varying", "when", "where", "window", "with", "within",
}  # fmt: skip
_FUNCTIONS = {
    "abs", "acos", "age", "array_agg", "array_append", "array_length", "array_position",
    "array_remove", "array_to_string", "asin", "atan", "atan2", "avg", "bit_and", "bit_or",
    "bool_and", "bool_or", "btrim", "cardinality", "cbrt", "ceil", "ceiling", "char_length", "chr",
    "clock_timestamp", "coalesce", "concat", "concat_ws", "convert_from", "corr", "cos", "count",
    "cube", "cume_dist", "current_database", "current_schema", "current_setting", "date_part",
    "date_trunc", "decode", "degrees", "dense_rank", "div", "encode", "every", "exp", "extract",
    "first_value", "floor", "format", "format_type", "gen_random_uuid", "generate_series",
    "greatest", "grouping", "has_table_privilege", "host", "initcap", "isfinite", "json_agg",
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array",
    "json_build_object", "json_each", "json_object_agg", "json_typeof", "jsonb_agg",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array",
    "jsonb_build_object", "jsonb_each", "jsonb_object_agg", "jsonb_pretty", "jsonb_set",
    "jsonb_typeof", "justify_days", "lag", "last_value", "lead", "least", "left", "length", "ln",
    "log", "lower", "lpad", "ltrim", "make_date", "make_interval", "make_timestamp", "max", "md5",
    "min", "mod", "mode", "now", "nth_value", "ntile", "nullif", "obj_description", "octet_length",
    "overlay", "percent_rank", "percentile_cont", "percentile_disc", "phraseto_tsquery", "pi",
    "plainto_tsquery", "position", "power", "radians", "random", "rank", "regexp_matches",
    "regexp_replace", "regexp_split_to_array", "regexp_split_to_table", "repeat", "replace",
    "reverse", "right", "rollup", "round", "row", "row_number", "row_to_json", "rpad", "rtrim",
    "setweight", "sha256", "sign", "similarity", "sin", "split_part", "sqrt", "starts_with",
    "stddev", "string_agg", "string_to_array", "strpos", "substr", "substring", "sum", "tan",
    "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_regclass",
    "to_timestamp", "to_tsquery", "to_tsvector", "translate", "trim", "trunc", "ts_headline",
    "ts_rank", "txid_current", "unaccent", "unnest", "upper", "var_pop", "variance", "version",
    "websearch_to_tsquery", "width_bucket", "word_similarity",
}  # fmt: skip
READING_ALONE = _SYNTAX | _FUNCTIONS
"""Syntax, types, and functions of PostgreSQL's; any other function may be the project's own."""
