"""Whether the site wants green submission by default: one key of the configuration, read without its full checks."""

from __future__ import annotations

from collections.abc import Mapping


def default_max_delay(environment: Mapping[str, str]) -> str:
    """Return ``[green] default_max_delay``, empty where there is none.

    This is on the way of every plain submission, so it neither imports nor checks more than it needs.
    Raise `OSError` if the named file cannot be read, `ValueError` if it is no TOML.
    """
    # The names are those of vispa_green.config, which costs a tenth of a second to import.
    named = environment.get("VISPA_GREEN_CONFIG")
    try:
        with open(named or "/etc/vispa-green/config.toml", "rb") as file:  # noqa: PTH123 - see find_script
            text = file.read()
    except FileNotFoundError:
        if named:
            raise
        return ""
    if b"default_max_delay" not in text:
        return ""
    import tomllib

    green = tomllib.loads(text.decode()).get("green", {})
    return str(green.get("default_max_delay", "")) if isinstance(green, dict) else ""
