#!/usr/bin/env python3
"""Shows that the simulation bites: fourteen deliberate breakages, each caught by a seed.

    tests/simulation/breakages.py [--seeds 3000] [--jobs 2] [NAME...]

Each breakage is one change of the delivery protocol, of its recovery table, of the ledger or of a
rule that tells which file follows which, made to a scratch copy of the tree. Seeds run there until
one fails. Prints a table: what was broken, the first seed that caught it, the invariant that it
found violated. Exit status 1: one was not caught.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Name, what is broken, file, text, what stands there instead; and how logs are rotated
# (--rotations), if not as in any world.
BREAKAGES = [
    (
        "commit-first",
        "the transaction commits before PREPARE is durable",
        "agent/lane/open_transaction.cc",
        """    std::string digest;
    if (Status prepared = prepare(states, std::move(ledger), digest); !prepared) return prepared;
    const TransactionNumber number = delivered_.next();
    if (Status committed = commit_offset(number, digest); !committed) return committed;
""",
        """    std::string digest;
    const TransactionNumber number = delivered_.next();
    if (Status committed = commit_offset(number, digest); !committed) return committed;
    if (Status prepared = prepare(states, std::move(ledger), digest); !prepared) return prepared;
""",
    ),
    (
        "no-rewind",
        "a failed session goes on where it stood, not at the confirmed positions",
        "agent/lane/sources.cc",
        "    source->tail.rewind(source->confirmed);\n",
        "    if (source->tail.state().file == checkpoint::FileIdentity{}) "
        "source->tail.rewind(source->confirmed);\n",
    ),
    (
        "delivered-is-aborted",
        "N prepared and Kafka at N: taken for aborted, and sent again",
        "checkpoint/recovery.cc",
        "    return {RecoveryAction::kConfirmPrepared,",
        "    return {RecoveryAction::kDropPrepared,",
    ),
    (
        "aborted-is-delivered",
        "N prepared and Kafka at N-1: taken for delivered",
        "checkpoint/recovery.cc",
        "    return {RecoveryAction::kDropPrepared,\n"
        '            "Transaction " + std::to_string(prepared) + " was aborted."};',
        "    return {RecoveryAction::kConfirmPrepared,\n"
        '            "Transaction " + std::to_string(prepared) + " was aborted."};',
    ),
    (
        "lost-commit-ignored",
        "N confirmed and Kafka at N-1: goes on as if nothing had been lost",
        "checkpoint/recovery.cc",
        "        choice, RecoveryAction::kResendConfirmed, RecoveryAction::kSkipConfirmed,",
        "        choice, RecoveryAction::kContinue, RecoveryAction::kContinue,",
    ),
    (
        "outcome-unknown",
        "goes on under another transactional id before the last outcome is known",
        "agent/lane/take_over.cc",
        "constexpr bool kStable = true;",
        "constexpr bool kStable = false;",
    ),
    (
        "ledger-forgotten",
        "ledger entries of an aborted transaction do not wait again",
        "checkpoint/sqlite_store.cc",
        "UPDATE ledger SET shipped = 0 WHERE lane = ?1 AND shipped = ",
        "UPDATE ledger SET shipped = shipped WHERE lane = ?1 AND shipped = ",
    ),
    (
        "closed-too-early",
        "a rotated file is closed though its writer goes on",
        "agent/tail/closing_wait.h",
        "    over_ = now_ns >= quiet_at_ns || !checkpoint::has_writer(fd);",
        "    over_ = now_ns >= quiet_at_ns || fd >= 0;",
    ),
    (
        "truncation-unseen",
        "the bytes before the position are not compared",
        "agent/tail/tail.cc",
        "    if (bytes.substr(0, overlap) != cursor_.overlap()) return changed(",
        "    if (bytes.size() < overlap) return changed(",
        "rewritten",
    ),
    (
        "content-unseen",
        "a file that was rewritten is known by the bytes before the position alone",
        "agent/tail/tail.cc",
        "      if (found == ContentCheck::Found::kRewritten) return",
        "      if (found == ContentCheck::Found::kRewritten && overlap == 0) return",
        "rewritten",
    ),
    (
        "numbers-tell",
        "the higher number in a name is the older file, whenever it was born",
        "agent/discovery/directory_look.cc",
        "  std::ranges::sort(files, is_older);\n",
        "  std::ranges::sort(files, [&](const NamedFile& a, const NamedFile& b) {\n"
        "    return rotation_number(a.file_name, base).value_or(0) >\n"
        "           rotation_number(b.file_name, base).value_or(0);\n"
        "  });\n"
        "  if (!files.empty()) return;\n",
        "rising",
    ),
    (
        "always-adjacent",
        "whatever was rotated while no agent ran is taken for complete",
        "agent/discovery/rotation.cc",
        "  return born_ns != 0 && abut ? Step::kAdjacent : Step::kUnproven;",
        "  return born_ns != 0 || abut ? Step::kAdjacent : Step::kUnproven;",
        "shifted,rising",
    ),
    (
        "targets-skipped",
        "the targets that a link had between two that are known are not looked for",
        "agent/discovery/former_files.cc",
        "  keep_later(from, found);\n  keep_earlier(to, found);\n",
        "  keep_later(from, found);\n  keep_earlier(from, found);\n",
        "linked",
    ),
    (
        "side-by-side",
        "files that are written side by side are taken for rotations of one log",
        "agent/discovery/rotation.cc",
        "  if (!came_before(file.facts, *present, limits::kSideBySideNs)) return",
        "  if (file.facts.links == 0) return",
        "none",
    ),
]


def run(command, **options):
    return subprocess.run(command, text=True, capture_output=True, **options)


def build(tree):
    command = ["cmake", "--build", str(tree / "build"), "--target", "simulation_test"]
    built = run(command)
    if built.returncode != 0:
        sys.exit(f"the scratch tree does not build:\n{built.stdout[-3000:]}")


def hunt(tree, seeds, jobs, rotations, step=100):
    """The first seed that fails, and what it says; None: all passed."""
    for first in range(1, seeds + 1, step):
        command = [tree / "build/simulation_test", "--first", str(first), "--seeds", str(step),
                   "--jobs", str(jobs), *(["--rotations", rotations] if rotations else [])]
        said = run(command).stdout
        found = re.findall(r"^seed (\d+): (.*)$", said, re.MULTILINE)
        if found:
            seed, what = min(found, key=lambda each: int(each[0]))
            return int(seed), what
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(prefix="longshore-breakages-") as scratch:
        tree = pathlib.Path(scratch) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", ".git"))
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        made = run(["cmake", "-S", tree, "-B", tree / "build", "-G", "Ninja",
                    "-DLONGSHORE_DEVELOPER=ON", *launcher])
        if made.returncode != 0:
            sys.exit(made.stderr)
        print("| breakage | caught by seed | violated |\n| --- | --- | --- |", flush=True)
        for name, what, file, text, instead, *rotations in BREAKAGES:
            if arguments.names and name not in arguments.names:
                continue
            path = tree / file
            whole = path.read_text()
            if text not in whole:
                sys.exit(f"{name}: {file} does not hold the text that is to be broken")
            path.write_text(whole.replace(text, instead))
            build(tree)
            caught = hunt(tree, arguments.seeds, arguments.jobs, *rotations or [""])
            path.write_text(whole)
            missed += caught is None
            seed, violated = caught or ("none", "")
            print(f"| {what} | {seed} | {violated[:90]} |", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
