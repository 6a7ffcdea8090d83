"""How dates and times are written in text."""

from __future__ import annotations

from gpunet.tables.libraries import polars
from gpunet.tables.series import Series

DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"),
    "%d.%m.%Y",
    *("%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y"),  # the month first where both are possible
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
    *("%m/%d/%y", "%d/%m/%y", "%d-%b-%y", "%d %b %y"),
)
TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")
LOOK = r"^(?:[0-9A-Za-z, ]*[0-9]{4}[0-9./:, +TZ-]*|[0-9]{1,4}[./ -][0-9A-Za-z]+[./ -][0-9]{2,4}[0-9./:, +TZAPMapm-]*)$"
_LONG_YEAR = r"(?:^|[^0-9])[0-9]{4}(?:[^0-9]|$)"
_SHORT_YEAR = r"/[0-9]{1,2}/[0-9]{2}(?: |$)|[A-Za-z]{3}[ -][0-9]{2}(?: |$)"  # 1/31/24, 31-Jan-24
CLOCK = r"^[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AaPp][Mm])?$"
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$"


def date_format(cells: Series) -> str | None:
    """The one format in which all cells are dates, with or without a time of day; None if there is none.

    The year has four digits, or two beside slashes or a month's name. Where the day and the month could be either, the
    month comes first.
    """
    long = bool(cells.str.contains(_LONG_YEAR).all())
    if not cells.str.contains(LOOK).all() or not (long or cells.str.contains(_SHORT_YEAR).all()):
        return None
    bare = _without_zone(cells)
    for date in DATES:
        if ("%Y" in date) != long:
            continue
        for time in ("", *(f"{gap}{time}" for time in TIMES for gap in " T")):
            if _parses(bare, date + time):
                return date + time
    return None


def time_format(cells: Series) -> str | None:
    """The one format in which all cells are times of day; None if there is none."""
    if not cells.str.contains(CLOCK).all():
        return None
    pl = polars()
    return next(
        (time for time in TIMES if cells.str.strptime(pl.Time, time, strict=False).is_not_null().all()), None
    )


def to_seconds(cells: Series, written: str) -> Series:
    """Dates as seconds since 1970, float64, by a format of `date_format`; null where a cell does not fit.

    A time with an offset from UTC counts in UTC.
    """
    pl = polars()
    moments = _without_zone(cells).str.strptime(pl.Datetime("us"), written, strict=False)
    seconds = moments.to_physical().cast(pl.Float64) / 1e6
    offsets = cells.str.extract(r"([+-][0-9]{2}:?[0-9]{2})$") if "%H" in written else None
    if offsets is None or offsets.is_null().all():
        return seconds
    hours = offsets.str.slice(1, 2).cast(pl.Float64)
    minutes = offsets.str.slice(-2).cast(pl.Float64)
    sign = offsets.str.starts_with("-").cast(pl.Float64) * -2 + 1
    return seconds - (sign * (hours * 3600 + minutes * 60)).fill_null(0.0)


def to_seconds_of_day(cells: Series, written: str) -> Series:
    """Times of day as seconds, float64, by a format of `time_format`."""
    pl = polars()
    return cells.str.strptime(pl.Time, written, strict=False).to_physical().cast(pl.Float64) / 1e9


def _without_zone(cells: Series) -> Series:
    """Date and time without an offset from UTC; a date's own "-2024" is none."""
    pl = polars()
    has_clock = cells.str.contains(":")
    return pl.select(pl.when(has_clock).then(cells.str.replace(_ZONE, "")).otherwise(cells)).to_series()


def _parses(cells: Series, written: str) -> bool:
    pl = polars()
    first = cells.head(1).str.strptime(pl.Datetime("us"), written, strict=False)
    if first.is_null().any():
        return False
    return bool(cells.str.strptime(pl.Datetime("us"), written, strict=False).is_not_null().all())
