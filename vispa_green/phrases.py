"""The words of the mails: each phrase in every language, to be filled in; how numbers and days are written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from vispa_green.units import energy_text, mass_text, percent_text

LANGUAGES = ("en", "de")

_PHRASES: Mapping[str, tuple[str, str]] = {
    "title": ("Your energy on {cluster}, week {week}", "Ihre Energie auf {cluster}, Woche {week}"),
    "week": ("week {week}", "Woche {week}"),
    "so_far": ("{week} so far", "{week} bis jetzt"),
    "subject": ("Week {number}: {energy} on {cluster}", "Woche {number}: {energy} auf {cluster}"),
    "subject_none": ("Week {number} on {cluster}", "Woche {number} auf {cluster}"),
    "to": ("to", "bis"),
    "none": ("You ran no jobs in this week.", "Sie hatten in dieser Woche keine Jobs."),
    "none_so_far": ("You ran no jobs in this week so far.", "Sie hatten in dieser Woche bisher keine Jobs."),
    "energy": ("energy", "Energie"),
    "green": ("green", "grün"),
    "idle": ("idle share", "Leerlauf"),
    "idle_share": (
        "{share} of the energy was idle power of what you reserved",
        "{share} der Energie war Leerlauf dessen, was Sie reserviert hatten",
    ),
    "earlier": ("Your weeks before", "Ihre Wochen davor"),
    "by_day": ("By day", "Nach Tagen"),
    "by_component": ("By component", "Nach Komponenten"),
    "by_project": ("By project", "Nach Projekten"),
    "no_project": ("no project", "ohne Projekt"),
    "mattered": ("Jobs that mattered", "Jobs, auf die es ankam"),
    "of_jobs": ("{jobs} ran", "von {jobs}"),
    "job": ("job", "Job"),
    "name": ("name", "Name"),
    "share": ("share", "Anteil"),
    "cpu_uj": ("CPU", "CPU"),
    "dram_uj": ("memory", "Speicher"),
    "gpu_uj": ("GPU", "GPU"),
    "node_uj": ("node", "Knoten"),
    "idle_uj": ("idle", "Leerlauf"),
    "unknown_grid": ("unknown: no grid data for this week", "unbekannt: keine Netzdaten für diese Woche"),
    "co2_part": (
        "{co2} for the {known} of the energy whose grid is known",
        "{co2} für die {known} der Energie, deren Netz bekannt ist",
    ),
    "green_share": ("{share} % renewable while your jobs ran", "{share} % erneuerbar, während Ihre Jobs liefen"),
    "grid_mean": (" (the grid's mean was {mean} %)", " (im Netz waren es im Mittel {mean} %)"),
    "compared_so_far": ("so far; your usual week has {usual}", "bis jetzt; Ihre Wochen haben sonst {usual}"),
    "compared_same": ("about as much as usual ({usual})", "etwa so viel wie sonst ({usual})"),
    "compared_times": ("{times} times as much as usual ({usual})", "{times}-mal so viel wie sonst ({usual})"),
    "compared_less": ("{percent} % less than usual ({usual})", "{percent} % weniger als sonst ({usual})"),
    "compared_more": ("{percent} % more than usual ({usual})", "{percent} % mehr als sonst ({usual})"),
    "shifting": ("shifting", "Verschieben"),
    "shifted_saved": (
        "green jobs: {jobs}; {saved} of CO2 saved against a start at once ({better} better, {worse} worse)",
        "grüne Jobs: {jobs}; {saved} CO2 gespart gegenüber sofortigem Start ({better} besser, {worse} schlechter)",
    ),
    "shifted_lost": (
        "green jobs: {jobs}; {saved} of CO2 more than with a start at once ({better} better, {worse} worse)",
        "grüne Jobs: {jobs}; {saved} CO2 mehr als bei sofortigem Start ({better} besser, {worse} schlechter)",
    ),
    "shifted_unknown": ("; of {unknown} it is not known yet", "; von {unknown} ist es noch nicht bekannt"),
    "memory": ("memory", "Speicher"),
    "memory_used": (
        "at most {share} of the {reserved} GiB-hours that you reserved were used",
        "höchstens {share} der {reserved} reservierten GiB-Stunden wurden genutzt",
    ),
    "gpus": ("GPUs", "GPUs"),
    "gpus_idle": (
        "jobs that left theirs idle: {jobs}, at {energy}",
        "Jobs, die ihre leer laufen ließen: {jobs}, mit {energy}",
    ),
    "limits": ("limits", "Zeitlimits"),
    "limits_used": (
        "your completed jobs needed {share} of the time they might have run; shorter limits start sooner",
        "Ihre beendeten Jobs brauchten {share} ihrer erlaubten Zeit; kürzere Limits starten früher",
    ),
    "plot": ("Energy by day: {days}.", "Energie nach Tagen: {days}."),
    "covered": (
        "The account holds {known} of the time your jobs ran.",
        "Das Konto kennt {known} der Zeit, in der Ihre Jobs liefen.",
    ),
    "estimated_one": (
        "1 job rests on a power model, not on energy counters.",
        "1 Job beruht auf einem Leistungsmodell, nicht auf Energiezählern.",
    ),
    "estimated_many": (
        "{jobs} jobs rest on a power model, not on energy counters.",
        "{jobs} Jobs beruhen auf einem Leistungsmodell, nicht auf Energiezählern.",
    ),
    "gap_one": (
        "1 job has gaps in the account: the true energy is higher.",
        "1 Job hat Lücken im Konto: die wahre Energie ist höher.",
    ),
    "gap_many": (
        "{jobs} jobs have gaps in the account: the true energy is higher.",
        "{jobs} Jobs haben Lücken im Konto: die wahre Energie ist höher.",
    ),
    "unseen_one": (
        "1 job ran unmetered and could not be counted.",
        "1 Job lief ungemessen und konnte nicht gezählt werden.",
    ),
    "unseen_many": (
        "{jobs} jobs ran unmetered and could not be counted.",
        "{jobs} Jobs liefen ungemessen und konnten nicht gezählt werden.",
    ),
    "all_counted": ("All figures come from energy counters.", "Alle Zahlen stammen von Energiezählern."),
    "about_units": ("1 kWh = 1000 Wh = 3 600 000 J.", "1 kWh = 1000 Wh = 3 600 000 J."),
    "about_co2": (
        "CO2 is that of the grid's mean where it was used (location-based) while each job ran.",
        "CO2 nach dem Mittel des Stromnetzes am Ort (location-based), während jeder Job lief.",
    ),
    "about_days": ("Days are those of {zone}.", "Tage nach {zone}."),
    "more": ("More", "Mehr"),
    "unsubscribe": ("No more of these mails", "Keine solchen Mails mehr"),
    "language": ("in German or English", "auf Deutsch oder Englisch"),
    "advice_idle_cpus": (
        "Job {job} kept {busy} of its {cpus} CPUs busy: with `{option}` it would have cost {saved} less.",
        "Job {job} lastete {busy} seiner {cpus} CPUs aus: mit `{option}` hätte er {saved} weniger gekostet.",
    ),
    "advice_whole_node": (
        "Job {job} kept {busy} of its {cpus} CPUs busy: without `--exclusive` it would have cost {saved} less.",
        "Job {job} lastete {busy} seiner {cpus} CPUs aus: ohne `--exclusive` hätte er {saved} weniger gekostet.",
    ),
    "advice_idle_gpus": (
        "Job {job} left its GPUs idle: without them it would have cost {saved} less.",
        "Job {job} ließ seine GPUs leer laufen: ohne sie hätte er {saved} weniger gekostet.",
    ),
    "advice_greener": (
        (
            "Your jobs ran on {share} % renewable power, {saved_co2} of CO2 above the week's mean. Some can wait for"
            " greener hours: `gsbatch --green-max-delay=12h job.sh`."
        ),
        (
            "Ihre Jobs liefen mit {share} % erneuerbarem Strom, {saved_co2} CO2 über dem Mittel der Woche. Manche"
            " können auf grünere Stunden warten: `gsbatch --green-max-delay=12h job.sh`."
        ),
    ),
    "advice_memory": (
        (
            "Job {job} reserved {reserved} of memory, {runs} jobs like it held at most {used}; with `{option}` others"
            " can share its node's idle power."
        ),
        (
            "Job {job} reservierte {reserved} Speicher, {runs} wie er nutzten höchstens {used}; mit `{option}` können"
            " andere den Leerlauf seines Knotens mittragen."
        ),
    ),
    "advice_well_timed": (
        "Well timed: your energy was {points} points greener than the grid's mean. Thank you.",
        "Gut getimt: Ihre Energie war {points} Punkte grüner als das Netz im Mittel. Danke.",
    ),
    "advice_thanks": (
        "Nothing stands out that would have saved energy. Thank you.",
        "Nichts sticht heraus, das Energie gespart hätte. Danke.",
    ),
    "of_cluster": ("Energy of {cluster}, {period}", "Energie von {cluster}, {period}"),
    "of_account": (
        "Energy of account {account} on {cluster}, {period}",
        "Energie des Accounts {account} auf {cluster}, {period}",
    ),
    "before": ("before", "davor"),
    "jobs": ("jobs", "Jobs"),
    "by_user": ("By user", "Nach Nutzern"),
    "by_account": ("By account", "Nach Accounts"),
    "by_partition": ("By partition", "Nach Partitionen"),
    "unnamed": ("(none)", "(keine)"),
    "left": (
        "You will get no more weekly mails from {cluster}.",
        "Sie bekommen keine wöchentlichen Mails von {cluster} mehr.",
    ),
    "leave": ("Do you want no more weekly mails from {cluster}?", "Keine wöchentlichen Mails von {cluster} mehr?"),
    "leave_button": ("No more mails", "Keine Mails mehr"),
    "back": ("`vispa-green prefs --weekly on` brings them back.", "`vispa-green prefs --weekly on` holt sie zurück."),
}
_DAYS = (("Mon", "Mo"), ("Tue", "Di"), ("Wed", "Mi"), ("Thu", "Do"), ("Fri", "Fr"), ("Sat", "Sa"), ("Sun", "So"))
_MONTHS = (
    ("Jan", "Januar"), ("Feb", "Februar"), ("Mar", "März"), ("Apr", "April"), ("May", "Mai"), ("Jun", "Juni"),
    ("Jul", "Juli"), ("Aug", "August"), ("Sep", "September"), ("Oct", "Oktober"), ("Nov", "November"),
    ("Dec", "Dezember"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, by its code."""

    language: str

    def __post_init__(self) -> None:
        LANGUAGES.index(self.language)

    def say(self, phrase: str, **values: object) -> str:
        """Return a phrase with its values filled in."""
        return self._own(_PHRASES[phrase]).format(**values)

    def energy(self, energy_uj: float | None) -> str:
        """Return an energy as this language writes it."""
        return self.number(energy_text(None if energy_uj is None else round(energy_uj)))

    def mass(self, grams: float | None) -> str:
        """Return a mass as this language writes it."""
        return self.number(mass_text(grams))

    def percent(self, fraction: float | None) -> str:
        """Return a fraction in percent."""
        return percent_text(fraction)

    def number(self, text: str) -> str:
        """Return a number with this language's mark before its decimals."""
        return text.replace(".", ",") if self.language == "de" else text

    def weekday(self, day: date) -> str:
        """Return e.g. ``Mon 09``, in German ``Mo 09.``."""
        return f"{self._own(_DAYS[day.weekday()])} {day:%d}{'.' * (self.language == 'de')}"

    def day(self, day: date) -> str:
        """Return e.g. ``9 Nov 2026``, in German ``9. November 2026``."""
        return f"{day.day}{'.' * (self.language == 'de')} {self._own(_MONTHS[day.month - 1])} {day.year}"

    def _own(self, both: tuple[str, str]) -> str:
        return both[LANGUAGES.index(self.language)]
