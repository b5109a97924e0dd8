#!/usr/bin/python3
"""Is doc/libmilter complete, and is each of its rows proved?

Every name of libmilter and of milterjs has a row; what stands there as ours is in
milterd/plugin.h, in milter.conf or in the manual; each row has a test, which exists and
which "make check" runs. Where libmilter's own header is installed, its names are taken
from there as well.
"""

import os
import re
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case
from mta.case import equal, true

TOP = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..")))
DOC = "doc/libmilter"
LIBMILTER_HEADERS = ("/usr/include/libmilter/mfapi.h", "/usr/include/libmilter/mfdef.h")

CALLBACKS = """
name version flags connect helo envfrom envrcpt data unknown header eoh body eom abort close
negotiate
""".split()
FUNCTIONS = """
register main setconn opensocket setbacklog settimeout setdbg stop version setmaxdatasize
getsymval setpriv getpriv setreply setmlreply addheader insheader chgheader chgfrom addrcpt
addrcpt_par delrcpt replacebody quarantine progress setsymlist
""".split()
CONSTANTS = """
SMFIS_CONTINUE SMFIS_REJECT SMFIS_TEMPFAIL SMFIS_DISCARD SMFIS_ACCEPT SMFIS_SKIP SMFIS_NOREPLY
SMFIS_ALL_OPTS
SMFIF_NONE SMFIF_ADDHDRS SMFIF_CHGHDRS SMFIF_CHGBODY SMFIF_MODBODY SMFIF_ADDRCPT
SMFIF_ADDRCPT_PAR SMFIF_DELRCPT SMFIF_CHGFROM SMFIF_QUARANTINE SMFIF_SETSYMLIST
SMFIP_NOCONNECT SMFIP_NOHELO SMFIP_NOMAIL SMFIP_NORCPT SMFIP_NODATA SMFIP_NOUNKNOWN
SMFIP_NOHDRS SMFIP_NOEOH SMFIP_NOBODY SMFIP_NR_CONN SMFIP_NR_HELO SMFIP_NR_MAIL SMFIP_NR_RCPT
SMFIP_NR_DATA SMFIP_NR_UNKN SMFIP_NR_HDR SMFIP_NOHREPL SMFIP_NR_EOH SMFIP_NR_BODY SMFIP_SKIP
SMFIP_RCPT_REJ SMFIP_HDR_LEADSPC SMFIP_MDS_256K SMFIP_MDS_1M
SMFIM_CONNECT SMFIM_HELO SMFIM_ENVFROM SMFIM_ENVRCPT SMFIM_DATA SMFIM_EOH SMFIM_EOM
""".split()
MILTERJS = """
on listen
connect helo envfrom envrcpt data header eoh body eom abort close unknown error
ctx.version ctx.macros ctx.uniqueID
accept continue discard reject tempfail replycode progress quarantine addheader chgheader
addrcpt delrcpt replacebody setsender
""".split()

# In libmilter's header and not for its users: by its comments internal, or behind an #if.
INTERNAL = {
    "SMFIM_NOMACROS",
    "SMFIM_FIRST",
    "SMFIM_LAST",
    "SMFIP_TEST",
    "smfi_set_max_exec_time",
    "xxfi_signal",
}

# Ours in words: what is neither a name of the header nor a key.
WORDS = {"the table", "none", "no .actions", "a callback in the table", "SIGTERM"}


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def tables():
    """{heading: rows}; a row is its columns, continued lines joined."""
    found, heading, starts = {}, None, []
    lines = read(DOC).splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line and re.fullmatch(r"=+", following) and len(following) == len(line):
            heading, starts = line, []
        elif re.fullmatch(r"-+(  -+)+", line):
            starts = [dash.start() for dash in re.finditer(r"-+", line)]
            found[heading] = []
        elif line and starts:
            ends = [*(start - 2 for start in starts[1:]), None]
            cells = [line[start:end].rstrip() for start, end in zip(starts, ends)]
            for start, end in zip(starts[1:], ends):
                equal(line[end:start].strip(), "", f"{DOC}:{number + 1}: between two columns")
            if cells[0]:
                found[heading].append(cells)
            else:
                last = found[heading][-1]
                last[:] = [f"{a} {b}".strip() for a, b in zip(last, cells)]
    return found


TABLES = tables()
TESTS = {heading: TABLES.pop(heading) for heading in ("Tests", "Tests of what milterjs has")}


def rows(milterjs):
    """Of the tables of the one or of the other."""
    chosen = [table for heading, table in TABLES.items() if (heading == "milterjs") is milterjs]
    return sum(chosen, [])


def names_of_libmilter():
    """In the first column, and what the third says is another name for it."""
    names = {row[0] for row in rows(milterjs=False)}
    for row in rows(milterjs=False):
        names.update(re.findall(r"also called (\w+)", row[2]))
    return names


def test_every_name_of_libmilter_has_a_row():
    names = {f"xxfi_{name}" for name in CALLBACKS} | {f"smfi_{name}" for name in FUNCTIONS}
    equal(sorted(names_of_libmilter()), sorted(names | set(CONSTANTS)), "names of libmilter")


def test_every_name_of_the_installed_libmilter_has_a_row():
    if not all(os.path.exists(header) for header in LIBMILTER_HEADERS):
        raise case.Skip("libmilter's headers are missing; Debian's package libmilter-dev has them")
    code = ""
    for header in LIBMILTER_HEADERS:
        with open(header, encoding="utf-8", errors="replace") as file:
            code += re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    found = set(re.findall(r"\b(smfi_\w+)\s+__P", code))
    found |= set(re.findall(r"\b(xxfi_\w+)\)? *(?:SM__P|;)", code))
    found |= set(re.findall(r"#\s*define\s+(SMFI[SFPM]_\w+)", code))
    true(len(found) > 60, f"names are found: {len(found)}")
    equal(sorted(found - names_of_libmilter() - INTERNAL), [], "names without a row")


def test_everything_of_milterjs_has_a_row():
    names = [row[0].split("(")[0] for row in rows(milterjs=True)]
    equal(sorted(names), sorted(MILTERJS), "names of milterjs")


def is_ours(text):
    """Whether that is a name of the public header, a key of milter.conf, or in the manual."""
    header = read("include/milterd/plugin.h")
    if text in WORDS:
        return True
    word = text.removesuffix(" NULL") if text.startswith("on_") else text
    if re.fullmatch(r"(milter_|MILTER_|on_)\w+", word):
        return re.search(rf"\b{word}\b", header) is not None
    if observes := re.fullmatch(r"MILTER_OBSERVES\((\w+)\)", text):
        return f"MILTER_EVENT_{observes[1]}," in header and "MILTER_OBSERVES(event)" in header
    if text.startswith("."):
        table = re.search(r"struct milter_plugin {(.*?)\n};", header, flags=re.S)[1]
        return re.search(rf"\b{text[1:]};", table) is not None
    if option := re.fullmatch(r"milterd -(\w)", text):
        return f".It Fl {option[1]}" in read("doc/milterd.8")
    if text == "milterd(8)":
        return os.path.exists(os.path.join(TOP, "doc/milterd.8"))
    keys = text.split(".")
    return all(re.search(rf"(?m)^ *#?{key} = ", read("milter.conf")) for key in keys)


def test_what_is_ours_exists():
    for row in (*rows(milterjs=False), *rows(milterjs=True)):
        true(is_ours(row[1]), f"{row[0]}: {row[1]} is nothing of milterd's")


def test_what_is_not_ours_is_noticed():
    """That is, the test above can fail."""
    wrong = "milter_nothing MILTER_NOTHING on_nothing .nothing nothing log.nothing milterd-q"
    for text in (*wrong.split(), "milterd -q", "MILTER_OBSERVES(NOTHING)", "on_nothing NULL", ""):
        true(not is_ours(text), f"{text!r} is taken for ours")


def test_every_row_has_its_test():
    for milterjs, heading in ((False, "Tests"), (True, "Tests of what milterjs has")):
        shown = list(dict.fromkeys(row[0] for row in rows(milterjs)))
        true(shown, f"rows of {heading}")
        equal([row[0] for row in TESTS[heading]], shown, f"names under {heading}")


def missing(test):
    """What is wrong with "FILE" or "FILE: NAME", None where nothing is."""
    file, _, name = test.partition(": ")
    path = os.path.join(TOP, file)
    if not os.path.isfile(path):
        return f"there is no {file}"
    # A program of tests is called by its source there, or by its name.
    named = file.removesuffix(".c")
    if not re.search(rf"\s{re.escape(named)}(\.c)?(\s|$)", read("Makefile.am")):
        return f"{file} is not in Makefile.am"
    text = read(file)
    exact = re.escape(name)
    forms = {
        ".c": [rf"\b(cmocka_unit_test\w*|CASE|TEST)\({exact}[,)]", rf'{{"{exact}"'],
        ".py": [rf"(?m)^def test_{exact}\("],
        ".txt": [rf"(?m)^== {exact}$"],
        ".lua": [],
    }[os.path.splitext(file)[1]]
    if bool(forms) != bool(name):
        return f"{test}: a script is one test, another file has several"
    if forms and not any(re.search(form, text) for form in forms):
        return f"{file} has no test {name}"
    return None


def test_every_test_exists():
    for row in (*TESTS["Tests"], *TESTS["Tests of what milterjs has"]):
        problem = missing(row[1])
        true(problem is None, f"{row[0]}: {problem}")


def test_tests_that_do_not_exist_are_noticed():
    for test in (
        "tests/nothing.c: nothing",
        "tests/test_data.c: nothing",
        "tests/test_data.c",
        "tests/session_ids.py: unique",
        "tests/transcripts/macros.txt: With and",
        "tests/miltertest/macros.lua: nothing",
        "tests/mta/case.py: nothing",
    ):
        true(missing(test) is not None, f"{test} is taken for a test")


if __name__ == "__main__":
    case.run(globals())
