"""Flink's findings become alerts as docs/rules.md says, and no difference between the two goes unseen."""

import unittest
from datetime import datetime, timedelta

from harness.findings import Found, Key, added_up, compare

NOON = datetime(2025, 11, 9, 12)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class Findings(unittest.TestCase):
    def test_findings_of_one_bucket_are_one_alert_which_says_what_the_first_was(self):
        rows = [("many_messages", "a", at(-1), None, 8), ("many_messages", "a", at(0), None, 9),
                ("many_messages", "a", at(59), None, 8), ("many_messages", "b", at(59), None, 8)]
        self.assertEqual(added_up(rows, {}), {
            Key("many_messages", "a", at(-60)): Found(1, at(-1), 8), Key("many_messages", "a", at(0)): Found(2, at(0), 9),
            Key("many_messages", "b", at(0)): Found(1, at(59), 8),
        })

    def test_each_call_that_is_looked_for_is_a_hit_while_the_window_holds_the_missed_one_and_the_one_back(self):
        calls = {"a": [at(0), at(5), at(29.9), at(30), at(31)], "b": [at(5)]}
        rows = [("called_back", "a", at(5), at(0), 1)]
        self.assertEqual(added_up(rows, calls), {Key("called_back", "a", at(0)): Found(2, at(5), None)})
        # Two pairs at once are one hit; the later one keeps the window open for longer.
        rows.append(("called_back", "a", at(29.9), at(2), 1))
        self.assertEqual(added_up(rows, calls), {Key("called_back", "a", at(0)): Found(4, at(5), None)})


class Comparison(unittest.TestCase):
    KEY = Key("many_numbers", "a", datetime(2025, 11, 9))
    ALERTS = {KEY: Found(3, NOON, 6)}

    def check(self, findings: dict[Key, Found], **expected: object) -> None:
        found = compare(findings, self.ALERTS)
        for name, value in expected.items():
            self.assertEqual(found[name], value, name)

    def test_equal_is_what_is_equal_in_everything(self):
        self.check(dict(self.ALERTS), equal=True, alerts_different=0)
        for changed in (Found(2, NOON, 6), Found(3, at(1), 6), Found(3, NOON, 7)):
            self.check({self.KEY: changed}, equal=False, alerts_different=1)
        self.check({}, equal=False, alerts_only_streamer=1)
        more = {**self.ALERTS, self.KEY._replace(subscriber="b"): Found(1, NOON, 6)}
        self.check(more, equal=False, alerts_only_flink=1, alerts_different=0)


if __name__ == "__main__":
    unittest.main()
