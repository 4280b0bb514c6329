"""The title and the year of a film, from the name of its file."""

import re
from pathlib import PurePosixPath
from typing import Final, NamedTuple

_YEAR: Final = re.compile(r"(?<=\S)[\s(\[]+((?:18[7-9]|19\d|20\d)\d)(?=$|[\s)\]])")
_TECHNICAL: Final = re.compile(
    r"\s[\[(]?(?:(?:480|576|720|1080|2160)[pi]|[48]k|blu-?ray|b[dr]rip|web-?(?:dl|rip)?|dvd(?:rip|scr)?|hd(?:tv|rip)"
    r"|cam(?:rip)?|x26[45]|h ?26[45]|hevc|xvid|remux|remastered|uncut|extended)\b",
    re.IGNORECASE,
)


class FilmName(NamedTuple):
    """The title and the year of a film."""

    title: str
    year: int | None


def read_film_name(file: str) -> FilmName:
    """`The.Missing.Letter.(1987).1080p.mkv` is The Missing Letter of 1987."""
    stem = re.sub(r"[._]+", " ", PurePosixPath(file).stem).strip()
    if " " not in stem:
        stem = stem.replace("-", " ")
    technical = _TECHNICAL.search(stem)
    name = stem[: technical.start()] if technical else stem
    years = list(_YEAR.finditer(name))
    if not years:
        return FilmName(name.strip(" -([") or stem, None)
    return FilmName(name[: years[-1].start()].strip(" -(["), int(years[-1].group(1)))
