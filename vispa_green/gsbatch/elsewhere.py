"""What the environment and the site want, for who says nothing on the command line or in the script."""

from __future__ import annotations

from vispa_green.gsbatch.argv import Ours, Wishes

TYPE_CHECKING = False
if TYPE_CHECKING:  # see argv
    from collections.abc import Mapping


def in_environment(environment: Mapping[str, str]) -> Ours:
    """Return what ``VISPA_GREEN_FINISH_BY``, ``_MAX_DELAY``, ``_MEMORY``, ``_PROJECT``, ``_OFF`` and so on say."""
    ours = Ours()
    finish_by, max_delay = (environment.get(f"VISPA_GREEN_{name}") or None for name in ("FINISH_BY", "MAX_DELAY"))
    ours.wishes = Wishes(finish_by, max_delay, off=_is_on(environment, "OFF"))
    ours.memory = environment.get("VISPA_GREEN_MEMORY") or None
    ours.project = environment.get("VISPA_GREEN_PROJECT") or None
    ours.is_dry_run = _is_on(environment, "DRY_RUN")
    return ours


def default_max_delay(environment: Mapping[str, str]) -> str:
    """Return the site's ``[green] default_max_delay``, empty where there is none.

    This is on the way of every plain submission, so it neither imports nor checks more than it needs.
    Raise `OSError` if the named file cannot be read, `ValueError` if it is no TOML.
    """
    # The names are those of vispa_green.config, whose import takes longer than this look.
    named = environment.get("VISPA_GREEN_CONFIG")
    try:
        with open(named or "/etc/vispa-green/config.toml", "rb") as file:  # noqa: PTH123 - see sbatch.find_sbatch
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


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(f"VISPA_GREEN_{name}", "").lower() not in {"", "0", "no", "false"}
