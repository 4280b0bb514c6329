"""Names by kind."""

import spacy

from cp_whisperx.ml.names import by_kind, find_names


def test_names_come_once_in_the_order_in_which_they_were_found() -> None:
    found = by_kind([("GPE", "Delhi"), ("PERSON", "Priya"), ("PERSON", "Rao"), ("PERSON", "Priya")])
    assert found == {"PERSON": ("Priya", "Rao"), "GPE": ("Delhi",)}
    assert list(found) == ["PERSON", "GPE"]


def test_only_the_kinds_that_matter_are_kept() -> None:
    language = spacy.blank("en")
    ruler = language.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": "Delhi"}, {"label": "DATE", "pattern": "Monday"}])  # type: ignore[attr-defined]
    assert find_names(language, ["He left for Delhi on Monday."]) == [("GPE", "Delhi")]
