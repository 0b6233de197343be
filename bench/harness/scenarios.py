"""Scenario files of the producer for measurements that need many regions, or windows that are all filled."""

from pathlib import Path

TYPES = ("data_session", "call", "sms", "balance_recharge")


def even(folder: Path, regions: int) -> str:
    """A scenario in which all types, regions and hours are equally likely; the path of its file.

    There are 4 × `regions` groups.
    """
    lines = ['extends = "default"', "[profiles.flat]", f"every_day = {[1.0] * 24}"]
    for event_type in TYPES:
        lines += [f"[{event_type}]", "weight = 25", 'profile = "flat"']
    for number in range(regions):
        lines += ["[[regions]]", f'name = "Region {number:05}"', "weight = 1"]
    path = folder / f"even-{regions}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)
