# SPDX-License-Identifier: Apache-2.0
"""Reading C sources, for the checks: which files there are, and their text
without comments and strings but with every line in its place."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(text):
    """The text as spaces; its line ends stay."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text, strings=False):
    """Comments blanked out; string contents as well unless strings is set."""
    def replace(match):
        token = match.group(0)
        if token[0] == "/":
            return blank(token)
        return token if strings else token[0] + blank(token[1:-1]) + token[-1]
    return TOKEN.sub(replace, text)


def comments(text):
    """(line number, comment) for every comment."""
    for match in TOKEN.finditer(text):
        if match.group(0)[0] == "/":
            yield text.count("\n", 0, match.start()) + 1, match.group(0)


def walk(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in (".git", "build"))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)


def tracked(root):
    """What git tracks or would; None without git or outside a clone."""
    if not os.path.exists(os.path.join(root, ".git")):
        return None
    try:
        listing = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return set(listing.stdout.decode().split("\0")) - {""}


def files(root):
    """Every file of the project: those of git, or all that are there."""
    names = tracked(root) or walk(root)
    return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8",
              errors="replace") as file:
        return file.read()


def below(name, folder):
    return folder == "." or name == folder or name.startswith(folder + "/")


def report(findings):
    """Prints (file, line, reason) findings; the exit code for them."""
    for name, line, reason in findings:
        print("%s:%d: %s" % (name, line, reason))
    return 1 if findings else 0


def write_tree(root, tree):
    """Makes the files of a self-test."""
    for name, text in tree.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def compare(tool, got, want):
    """Compares a self-test's findings, as "file:line: text", with the wanted
    ones, of which each is the beginning of one; the exit code."""
    lines = ["%s:%d: %s" % finding for finding in got]
    missed = [w for w in want if not any(l.startswith(w) for l in lines)]
    extra = [l for l in lines if not any(l.startswith(w) for w in want)]
    for line in missed:
        print("%s: self-test: not found: %s" % (tool, line))
    for line in extra:
        print("%s: self-test: not wanted: %s" % (tool, line))
    if not missed and not extra:
        print("%s: self-test passed (%d findings)" % (tool, len(want)))
    return 1 if missed or extra else 0
