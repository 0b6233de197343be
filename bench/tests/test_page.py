"""docs/benchmarks.md is what the raw results say, and goals are judged as they should be."""

import unittest
from datetime import datetime
from decimal import Decimal

from harness import page, results, sizing
from harness.figures import ratio
from harness.goals import USUAL, at_least, at_most, comparison, flat
from harness.rows import Key, Row, compare


class Page(unittest.TestCase):
    def test_the_page_and_its_charts_are_what_the_raw_results_say(self):
        written = page.files({name: results.read(name) for name in page.NAMES})
        for path, content in written.items():
            with self.subTest(path=path.name):
                self.assertEqual(path.read_text(encoding="utf-8"), content, "write it with `make bench-page`")

    def test_a_page_without_any_result_can_be_written(self):
        text = next(iter(page.files(dict.fromkeys(page.NAMES)).values()))
        self.assertIn("not measured", text)
        self.assertNotIn("**missed**", text)


    def test_what_was_not_measured_as_the_page_says_is_told_of(self):
        for result, said in (
            ({}, ""), ({"programs": "release", "meanwhile": ""}, ""),
            ({"programs": "demo"}, ", built with the profile `demo`"),
            ({"programs": "demo", "meanwhile": "a build"}, ", built with the profile `demo`; meanwhile: a build"),
        ):
            with self.subTest(result=result):
                self.assertEqual(page.made_otherwise(result), said)


class Sizing(unittest.TestCase):
    def test_the_table_is_what_the_raw_results_say(self):
        self.assertEqual(sizing.PAGE.read_text(encoding="utf-8"), sizing.page(), "write it with `make bench-page`")

    def test_every_process_writes_every_group_unless_messages_are_keyed_by_region(self):
        many = sizing.Deployment("", 1_000_000, 100, 4, 10)
        self.assertAlmostEqual(sizing.row_writes_per_second(many), 4 * 100 / 10)
        by_region = sizing.Deployment("", 1_000_000, 100, 4, 10, by_region=True)
        self.assertAlmostEqual(sizing.row_writes_per_second(by_region), 100 / 10)
        few = sizing.Deployment("", 3, 1_000_000, 1, 1)
        self.assertAlmostEqual(sizing.row_writes_per_second(few), 3, places=4)

    def test_without_results_nothing_is_made_up(self):
        self.assertIn("Not measured yet", sizing.text(dict.fromkeys(("curves", "flush", "writers"))))


class Goals(unittest.TestCase):
    def test_a_bound_itself_meets_the_goal(self):
        for goal, met in (
            (at_most("", 1.5, 1.5), True), (at_most("", 1.5, 1.51), False), (at_most("", 1.5, None), None),
            (at_least("", 25, 25), True), (at_least("", 25, 24.9), False), (at_least("", 25, None), None),
            (flat("", [2.0, 2.08, 1.0], 0.05), True), (flat("", [2.0, 2.2, 2.0], 0.05), False),
            (flat("", [], 0.05), None),
        ):
            with self.subTest(goal=goal):
                self.assertIs(goal.met, met)

    def test_a_ratio_is_taken_within_a_repetition(self):
        runs = [
            {"engine": "a", "repetition": 1, "s": 10}, {"engine": "b", "repetition": 1, "s": 1},
            {"engine": "a", "repetition": 2, "s": 60}, {"engine": "b", "repetition": 2, "s": 5},
            {"engine": "a", "repetition": 3, "s": 30}, {"engine": "b", "repetition": 3, "s": 2},
        ]
        self.assertEqual(ratio(runs, "s", {"engine": "a"}, {"engine": "b"}), 12)

    def test_one_wrong_run_is_not_exact(self):
        run = {"engine": "streamer", "cpu_seconds": 1.0, "peak_rss_bytes": 1, "repetition": 1, "equal": True}
        for equal, met in ((True, True), (False, False)):
            found = {USUAL: {"runs": [run, {**run, "repetition": 2, "equal": equal}]}}
            self.assertIs(comparison(found)[0].met, met)


class Comparison(unittest.TestCase):
    KEY = Key(datetime(2025, 11, 9, 5, 0), "call", "Almaty")
    WANTED = {KEY: Row(3, 70, Decimal("0.30"), Decimal(500))}

    def check(self, found: dict[Key, Row], **expected: object) -> None:
        result = compare(found, self.WANTED)
        for name, value in expected.items():
            self.assertEqual(result[name], value, name)

    def test_rows_are_compared_to_the_last_bit(self):
        self.check({self.KEY: Row(3, 70, 0.3, 500.0)}, equal=True, rows_wrong=0, rows_with_inexact_mb=0)
        self.check({self.KEY: Row(3, 70, 0.1 + 0.2, 500.0)}, equal=False, rows_wrong=0, rows_with_inexact_mb=1)

    def test_wrong_missing_and_surplus_rows_are_told_apart(self):
        self.check({self.KEY: Row(2, 70, 0.3, 500.0)}, equal=False, rows_wrong=1)
        self.check({}, equal=False, rows_missing=1, events_missing=3)
        more = {self.KEY: Row(3, 70, 0.3, 500.0), self.KEY._replace(region="Astana"): Row(1, 0, 0.0, 0.0)}
        self.check(more, equal=False, rows_unexpected=1, rows_wrong=0)


if __name__ == "__main__":
    unittest.main()
