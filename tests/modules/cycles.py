#!/usr/bin/env python3
"""No two modules of a crate depend on each other, not even round a corner.

Reads the `use` lines and the paths of every crate's sources, without its unit tests. A folder counts as one
module for what lies beside it; within a folder the same holds again. What a module takes from its parent, and
the parent from it, is the inside of one thing, and no dependency.

    tests/modules/cycles.py             exit 1 and the circles, if there are any
    tests/modules/cycles.py --list      every crate's modules, dependencies and lines: those of its programs and libraries,
                                        blanks and comments included, without unit tests
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [*sorted((ROOT / "crates").iterdir()), *(ROOT / name for name in ("producer", "streamer", "batcher"))]
USE = re.compile(r"^\s*(pub(?:\([a-z]+\))?\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")


def modules(src):
    """Module path, as a tuple of names, to its source without comments, texts and unit tests."""
    found = {}
    for file in sorted(src.rglob("*.rs")):
        name = file.relative_to(src).with_suffix("").parts
        if name[-1] == "tests" or name[0] in ("main", "with_fail_points", "bin"):
            continue
        text = re.split(r"#\[cfg\(test\)\]\s*mod tests", file.read_text())[0]
        text = re.sub(r"//[^\n]*", "", text)
        text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
        found[() if name == ("lib",) else name] = text
    return found


def expand(tree):
    """Every path of a use tree: `a::{b, c::{d, e as f}}` is a::b, a::c::d, a::c::e."""
    head, brace, rest = tree.partition("{")
    if not brace:
        return [tree.split(" as ")[0].strip()]
    parts, depth, start = [], 0, 0
    inner = rest[: rest.rindex("}")]
    for at, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(inner[start:at].strip())
            start = at + 1
    return [path for part in parts if part for path in expand(head.strip() + part)]


def absolute(path, module):
    """A path from the crate's root, or None for another crate's."""
    names = path.split("::")
    if names[0] == "crate":
        return tuple(names[1:])
    if names[0] not in ("self", "super"):
        return None
    at = module
    while names and names[0] in ("self", "super"):
        at = at[:-1] if names[0] == "super" else at
        names = names[1:]
    return at + tuple(names)


def dependencies(texts):
    """From a module to those whose names it uses, re-exports followed to where the thing is."""
    exported, uses = {}, {module: set() for module in texts}
    for module, text in texts.items():
        for public, tree in USE.findall(text):
            for path in expand(re.sub(r"\s+", " ", tree)):
                # Without a keyword in front it is a child's, or another crate's.
                whole = absolute(path, module) or absolute("self::" + path, module)
                uses[module].add(whole)
                if public:
                    exported[(*module, whole[-1])] = whole
        uses[module].update(absolute(path, module) for path in PATH.findall(USE.sub("", text)))

    def home(path):
        for _ in range(len(exported) + 1):
            known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in exported), None)
            if known is None or path[: len(known)] in texts:
                break
            path = exported[known] + path[len(known) :]
        return next(path[:n] for n in range(len(path), -1, -1) if path[:n] in texts)

    return {module: {home(path) for path in paths} - {module} for module, paths in uses.items()}


def between_siblings(graph):
    """The same among what lies beside each other: folders as wholes, parents left out."""
    edges = {}
    for module, targets in graph.items():
        for target in targets:
            common = next(n for n in range(len(module) + 1) if module[: n + 1] != target[: n + 1] or n == len(module))
            if common < len(module) and common < len(target):
                edges.setdefault(module[: common + 1], set()).add(target[: common + 1])
    return edges


def circles(edges):
    """Groups of modules that reach each other."""

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            for target in edges.get(todo.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return seen

    reach = {module: reached(module) for module in edges}
    return {frozenset(other for other in reach[module] if module in reach.get(other, ())) for module in edges} - {frozenset()}


def lines(src):
    """How many there are in the files that `modules` reads."""
    programs = (file for file in src.rglob("*.rs") if "tests" not in (file.stem, *file.relative_to(src).parts))
    return sum(re.split(r"#\[cfg\(test\)\]\s*mod tests", file.read_text())[0].count("\n") for file in programs)


def main():
    failed, total = False, 0
    for folder in FOLDERS:
        texts = modules(folder / "src")
        edges = between_siblings(dependencies(texts))
        found = circles(edges)
        if "--list" in sys.argv:
            count = sum(len(targets) for targets in edges.values())
            total += lines(folder / "src")
            print(f"{folder.name}: {len(texts)} modules, {count} dependencies, {len(found)} circles, {lines(folder / 'src')} lines")
        for circle in found:
            failed = True
            print(f"{folder.name}: {', '.join(sorted('::'.join(module) for module in circle))} depend on each other")
    if "--list" in sys.argv:
        print(f"{total} lines")
    sys.exit(failed)


if __name__ == "__main__":
    main()
