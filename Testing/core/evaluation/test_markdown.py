"""Values and tables in the form of the reports."""

from __future__ import annotations

from TumorGenCore.evaluation.markdown import distance_cells, estimate, number, percent, short, spread, table_lines


def test_a_figure_that_is_not_known_is_a_dash() -> None:
    assert number(None) == "-"
    assert estimate(None, None) == "-"
    assert spread(None, None, None) == "- (- to -)"


def test_decimals_follow_what_is_asked_or_the_size() -> None:
    assert (number(1.005, 1), percent(0.256)) == ("1.0", "26 %")
    assert [short(value) for value in (-9.994, 12.34, 123.4)] == ["-9.99", "12.3", "123"]


def test_an_interval_stands_in_brackets_after_its_figure() -> None:
    assert estimate(1.5, [1, 2]) == "1.50 (1.00 to 2.00)"
    assert spread(12.0, 1.0, 300.0, short) == "12.0 (1.00 to 300)"
    found = {"value": 1.0, "value_interval": [0.5, 2.0], "floor": 0.5, "floor_interval": None}
    assert distance_cells({**found, "excess": 0.5, "excess_interval": None}) == ["1.00 (0.50 to 2.00)", "0.50", "0.50"]


def test_a_table_has_a_line_a_row_and_an_empty_one_after_it() -> None:
    assert table_lines(["", "a"], [["x", "1"]]) == ["|  | a |", "| --- | --- |", "| x | 1 |", ""]
