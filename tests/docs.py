#!/usr/bin/python3
"""Does the documentation say what the program does?

Its listings are compiled, loaded and tested; prototypes, constants, keys, defaults,
options and verdicts in it are held against the header, the tables of the daemon
(tests/describe prints them) and milterd's own output. In the manual pages a comment
before each listing says what it is, see LISTINGS.
"""

import grp
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from mta import case, place
from mta.case import equal, true
from mta.milterd import plugin_dir, program

TOP = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..")))
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
PAGES = ("doc/milterd.8", "doc/milter.conf.5", "doc/milter_plugin.3")
TEXTS = ("README", "doc/mtas", "doc/libmilter")

PLUGIN, PART, CONFIGURATION = "plugin", "part of a plugin", "milter.conf"
LISTINGS = {PLUGIN, PART, CONFIGURATION, "main.cf", "sendmail.mc", "log"}

# Options that have no default, for loading the plugins of the documentation.
REQUIRED_OPTIONS = {"musthave": 'names = "From";'}

# Names that look like ours and are not.
POSTFIX = {
    "milter_command_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "milter_plugin",
    "milter_protocol",
}

# What a part of milter.conf needs to be a whole.
LISTENERS = 'listeners = ( { socket = "inet:8891@127.0.0.1"; } );\n'
CHAINS = 'chains = { incoming = ( "hello" ); };\n'

# pylint: disable=invalid-name
work = None  # plugins and configurations are here side by side


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def run(*command):
    """What it prints, all in one, and its exit status."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    return done.stdout, done.returncode


def setup():
    global work  # pylint: disable=global-statement
    true(os.access(program(), os.X_OK), f"{program()} is not built")
    work = place.Place("docs")
    for name in os.listdir(plugin_dir()):
        if name.endswith(".so"):
            shutil.copyfile(os.path.join(plugin_dir(), name), work.join(name))
            os.chmod(work.join(name), 0o755)
    work.write("access.table", "reject client 192.0.2.1\n")
    for _, listing in plugins():
        build_plugin(listing)


def teardown():
    if work:
        work.remove()


# -- reading the documentation -----------------------------------------------------------


def unescape(line):
    """A line of a literal block of mdoc as it is shown."""
    line = line[2:] if line.startswith("\\&") else line
    return line.replace("\\e", "\\")


def page_listings(page):
    """(line number, kind, text) of each literal block; kind None where no comment says it."""
    lines = read(page).splitlines()
    for number, line in enumerate(lines):
        if line.startswith(".Bd -literal"):
            mark = re.fullmatch(r'\.\\" listing: (.*)', lines[number - 1])
            end = lines.index(".Ed", number)
            text = "".join(unescape(x) + "\n" for x in lines[number + 1 : end])
            yield number + 1, mark[1] if mark else None, text


def readme_listings():
    """What is indented: a plugin as a whole, of all else each paragraph for itself."""
    for block in re.findall(r"(?m)(?:^    .*\n(?:\n+(?=    ))?)+", read("README")):
        block = re.sub(r"(?m)^    ", "", block)
        if "MILTER_PLUGIN =" in block:
            yield PLUGIN, block
            continue
        for paragraph in block.split("\n\n"):
            if re.match(r"(listeners = \(|chains = \{|user = )", paragraph):
                yield CONFIGURATION, paragraph


def listings(kind):
    """(where, text) of all listings of a kind."""
    for page in PAGES:
        for number, found, text in page_listings(page):
            if found == kind:
                yield f"{page}:{number}", text
    for number, (found, text) in enumerate(readme_listings(), 1):
        if found == kind:
            yield f"README, listing {number}", text


def plugins():
    return listings(PLUGIN)


def page_list(page, mark):
    """
    The items of the list behind a comment: {name: text of its first sentence}. An item may
    have several names.
    """
    lines = iter(read(page).splitlines())
    items, depth, names = {}, 0, []
    for line in lines:
        if line == f'.\\" {mark}':
            break
    for line in lines:
        if line.startswith(".Bl"):
            depth += 1
        elif line.startswith(".El"):
            depth -= 1
            if depth == 0:
                break
        elif depth == 1 and line.startswith(".It Ic "):
            names = line[len(".It Ic ") :].split(" , ")
            items.update(dict.fromkeys(names, ""))
        elif depth == 1 and names and not line.startswith("."):
            for name in names:
                items[name] = f"{items[name]} {line}".strip()
            if line.endswith("."):
                names = []
        else:
            names = []
    true(items, f"{page} has a list behind the comment: {mark}")
    return items


# -- plugins -----------------------------------------------------------------------------


def compile_c(text, name, *flags):
    source = work.join(f"{name}.c")
    work.write(f"{name}.c", text)
    compiler = shlex.split(os.environ.get("CC", "cc"))
    include = f"-I{os.path.join(TOP, 'include')}"
    return run(*compiler, "-Wall", "-Wextra", "-Werror", include, "-fPIC", *flags, source)


def plugin_name(text):
    return re.search(r'\.name = "(\w+)",\s+\.version', text)[1]


def build_plugin(text):
    """By the command that the documentation gives, with warnings as errors."""
    name = plugin_name(text)
    return compile_c(text, name, "-shared", "-o", work.join(f"{name}.so"))


def test_plugins_compile_without_warnings_and_load():
    found = list(plugins())
    true(len(found) >= 4, f"the plugins of README and milter_plugin(3) are found: {len(found)}")
    for where, text in found:
        output, status = build_plugin(text)
        true(status == 0, f"{where}: {output}")
        name = plugin_name(text)
        options = REQUIRED_OPTIONS.get(name, "")
        entry = f'chains = {{ all = ( {{ plugin = "{name}"; {options} }} ); }};\n'
        output, status = check(LISTENERS + entry)
        true(status == 0 and f"1. {name} " in output, f"{where}: {output}")


def test_parts_of_plugins_compile_without_warnings():
    found = list(listings(PART))
    true(found, "milter_plugin(3) has some")
    for where, text in found:
        text = "#include <milterd/plugin.h>\n" + text
        unused = ("-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-const-variable")
        output, status = compile_c(text, "part", *unused, "-c", "-o", work.join("part.o"))
        true(status == 0, f"{where}: {output}")


# -- milter.conf -------------------------------------------------------------------------


def check(text, *options):
    """What milterd -t says to a configuration, beside which all plugins are."""
    work.write("milter.conf", f'plugin_dir = "{work.path}";\n{text}')
    return run(program(), "-t", *options, "-c", work.join("milter.conf"))


def account(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def for_this_machine(text):
    """Accounts that the examples take for granted become ours; plugin_dir is set already."""
    user, group = account(pwd.getpwuid, os.geteuid()), account(grp.getgrgid, os.getegid())
    text = re.sub(r'(?m)\b(user|owner) = "\w+"', rf'\1 = "{user}"', text)
    text = re.sub(r'(?m)\bgroup = "\w+"', f'group = "{group}"', text)
    return re.sub(r"(?m)^ *plugin_dir = .*", "", text)


def complete(text):
    """What a part of a milter.conf lacks is put behind it."""
    text = for_this_machine(text)
    # A listener that names a chain is shown without it.
    text = text if "chains = " in text else re.sub(r'\bchain = "\w+";', "", text) + "\n" + CHAINS
    return text if "listeners = " in text else text + "\n" + LISTENERS


def test_configurations_are_right():
    found = list(listings(CONFIGURATION))
    readme = sum(where.startswith("README") for where, _ in found)
    true(readme >= 4 and len(found) - readme >= 4, f"they are found: {len(found)}, README {readme}")
    for where, text in found:
        output, status = check(complete(text))
        true(status == 0, f"{where}: {output}")


def test_wrong_configurations_are_noticed():
    """That is, the test above can fail."""
    for wrong in ("usr = 1;", 'workers = { processes = "2"; };', CHAINS.replace("hello", "helo")):
        output, status = check(complete(wrong))
        equal(status, 78, f"status for {wrong}, which says {output}")


def described():
    """What the daemon's tables say: {table: {key: "type, bounds, default"}}, {verdict: events}."""
    output, status = run(os.path.join(BUILD, "tests", "describe"))
    equal(status, 0, output)
    keys, verdicts = {}, {}
    for line in output.splitlines():
        if line.startswith("keys "):
            table = keys.setdefault(line[5:] or "top", {})
        elif line.startswith("verdict "):
            name, events = line[8:].split(": ")
            verdicts[name] = dict(event.split("=") for event in events.split())
        elif not line.startswith(" "):
            name, text = line.split(": ", 1)
            table[name] = text
    true(len(keys) > 4 and len(verdicts) > 8, "tests/describe prints tables")
    return keys, verdicts


def is_default_of_the_build(name, text):
    return name == "plugin_dir" and text.startswith("string, default ")


def compare_sentences(where, shown, expected):
    """Of a list of the page: names, and types with bounds and defaults."""
    equal(sorted(shown), sorted(expected), f"names in {where}")
    for name, text in expected.items():
        if text is not None and not is_default_of_the_build(name, text):
            got = shown[name].split(". ")[0].rstrip(".")
            equal(got[:1].lower() + got[1:], text, f"{name} in {where}")


def test_keys_of_the_manual_page_are_those_of_the_daemon():
    tables, _ = described()
    for name, table in tables.items():
        mark = "only unless" if name in ("only", "unless") else name
        expected = dict(table)
        if name == "chains":
            expected.update(only=None, unless=None)
        compare_sentences(
            f"milter.conf(5), {name}", page_list("doc/milter.conf.5", f"keys: {mark}"), expected
        )


def settings(text):
    """
    (path of groups, name, value, commented) of each setting in a milter.conf, those in comments
    too. A value is None where it is a group or a list.
    """
    setting = re.compile(r"#(\s*(?:[{},]+|\w+ = .*;)\s*(?:#.*)?)$")
    tokens = re.compile(r'"(?:\\.|[^"\\])*"|\w+|[={}(),;]')
    path, name = [], None
    for line in text.splitlines():
        found = setting.match(line.strip())
        line = found[1] if found else line
        line = re.sub(r'^((?:[^"#]|"(?:\\.|[^"\\])*")*)#.*', r"\1", line)
        words = tokens.findall(line)
        for at, word in enumerate(words):
            if word in ("{", "("):
                if name:
                    yield list(path), name, None, bool(found)
                path.append(name)
                name = None
            elif word in ("}", ")"):
                path.pop()
            elif word == "=":
                name = words[at - 1]
            elif name and word != ";":
                yield list(path), name, word, bool(found)
                name = None
    equal(path, [], "groups that are left open at the end of milter.conf")


def table_of(path):
    """The table of tests/describe that a setting with this path is looked up in."""
    for name in ("only", "unless"):
        if name in path:
            return name
    return path[0] if path else "top"


def test_milter_conf_has_every_key_with_its_default_and_no_other():
    tables, _ = described()
    text = read("milter.conf")
    options = set().union(*plugin_options().values())
    groups = {name for name in tables if name != "top"}
    shown = {name: set() for name in tables}
    for path, name, value, commented in settings(text):
        table = table_of(path)
        if table == "chains" and len(path) < 3:
            continue  # the name of a chain
        if name in groups:
            continue
        known = tables[table].get(name)
        true(known or (table == "chains" and name in options), f"{table} has no {name}")
        shown[table].add(name)
        default = re.search(r", default (.*)", known or "")
        if commented and default and not is_default_of_the_build(name, known):
            equal(value, default[1], f"{name}, which in a comment shows the default")
    for table, keys in tables.items():
        for name in keys:
            told = re.search(rf"(?m)^#\s+(?:\w+, )*{name}(?:,|\s|$)", text)
            true(name in shown[table] or told, f"milter.conf does not mention {name} of {table}")


def plugin_options():
    """{plugin: {option: its default or None}} by milterd -T, of the chain in milter.conf."""
    text = for_this_machine(read("milter.conf"))
    output, status = check(text, "-T")
    equal(status, 0, output)
    found, plugin = {}, None
    for line in output.split("# all settings in effect")[0].splitlines():
        entry = re.match(r"  \d+\. \S+(?: \(plugin \S+\))?  \S*/(\w+)\.so ", line)
        if entry:
            plugin = found.setdefault(entry[1], {})
        option = re.match(r"       (\w+) = (.*?)   # (.*)|       # (\w+) is not set", line)
        if option:
            default = option[2] if option[3] == "default" else None
            plugin[option[1] or option[4]] = default
    true(len(found) >= 3, f"plugins of milter.conf: {output}")
    return found


def test_options_of_the_plugins():
    """In milter.conf(5) and in the plugin's README."""
    for plugin, options in plugin_options().items():
        shown = page_list("doc/milter.conf.5", f"options: {plugin}")
        equal(sorted(shown), sorted(options), f"options of {plugin}")
        for name, default in options.items():
            if default is not None:
                true(f"default {default}." in shown[name], f"default of {plugin}: {shown[name]}")
            told = re.search(rf"(?m)^ +{name}\b", read(f"plugins/{plugin}/README"))
            true(told, f"plugins/{plugin}/README does not mention {name}")


# -- the interface -----------------------------------------------------------------------


def header():
    """plugin.h without comments and preprocessor."""
    text = re.sub(r"/\*.*?\*/", " ", read("include/milterd/plugin.h"), flags=re.S)
    return re.sub(r"(?m)^\s*#(?:[^\n]*\\\n)*[^\n]*", "", text)


def normal(prototype):
    return re.sub(r"\s*\*\s*", "*", re.sub(r"\s+", " ", prototype)).strip()


def declared():
    """{name: prototype} of the header's functions."""
    found = {}
    for text in re.findall(r"MILTER_API\s+([^;{]*\))\s*;", header()):
        text = re.sub(r"\s*MILTER_PRINTF\([^)]*\)", "", text)
        found[re.search(r"(\w+)\(", text)[1]] = normal(text)
    true(len(found) > 40, f"functions of the header are found: {len(found)}")
    return found


def test_functions_with_their_prototypes():
    shown = {}
    for line in read("doc/milter_plugin.3").splitlines():
        if line.startswith(".It Ft "):
            words = shlex.split(line.replace("\\", "\\\\"))
            equal(words[3], "Fn", f"form of {line}")
            name, arguments = words[4], words[5:]
            true(name not in shown, f"{name} is described twice")
            shown[name] = normal(f"{words[2]} {name}({', '.join(arguments)})")
    functions = declared()
    equal(sorted(shown), sorted(functions), "functions in milter_plugin(3)")
    for name, prototype in functions.items():
        equal(shown[name], prototype, f"prototype of {name}")


def test_every_constant_and_field():
    page = read("doc/milter_plugin.3")
    constants = re.findall(r"\b(MILTER_\w+)(?= ?[=,])", " ".join(enums()))
    true(len(constants) > 60, f"constants are found: {len(constants)}")
    for name in constants:
        true(re.search(rf"\b{name}\b", page), f"milter_plugin(3) does not mention {name}")
    for structure in ("plugin", "option", "outcome", "client", "macros"):
        body = re.search(rf"struct milter_{structure} {{(.*?)\n}};", header(), flags=re.S)[1]
        fields = re.findall(r"\(\*(\w+)\)|(\w+)(?=[;,])(?![^()]*\))", body)
        fields = [callback or name for callback, name in fields]
        true(len(fields) >= 2, f"fields of {structure} are found")
        for name in fields:
            told = re.search(rf"\.(Fa|It Fa) {name}\b|\.{name}\b", page)
            true(told, f"milter_plugin(3) does not mention {name} of struct milter_{structure}")


def enums():
    return re.findall(r"enum \w+ {.*?\n?};", header(), flags=re.S)


def test_every_callback_has_an_entry():
    body = re.search(r"struct milter_plugin {(.*?)\n};", header(), flags=re.S)[1]
    callbacks = set(re.findall(r"\(\*(\w+)\)", body))
    section = read("doc/milter_plugin.3").split(".Sh CALLBACKS")[1].split(".Sh ")[0]
    equal(set(re.findall(r"\.It Fa (on_\w+)", section)), callbacks, "callbacks")


def test_verdicts_are_those_of_the_daemon():
    _, verdicts = described()
    table = read("doc/milter_plugin.3").split('.\\" verdicts\n')[1].split(".El")[0]
    shown = {}
    for line in table.splitlines():
        if line.startswith(".It Dv MILTER_"):
            name, *cells = line[len(".It Dv MILTER_") :].split(" Ta ")
            shown[name.lower()] = ["yes" if cell == "yes" else "no" for cell in cells]
    possible = {n: list(v.values()) for n, v in verdicts.items() if "yes" in v.values()}
    equal(shown, possible, "where verdicts are possible, milter_plugin(3)")


def test_names_in_all_texts_exist():
    known = set(re.findall(r"\b\w+\b", read("include/milterd/plugin.h"))) | POSTFIX
    for name in (*TEXTS, *PAGES, "CONTRIBUTING"):
        words = set(re.findall(r"\b(?:milter_|MILTER_|on_)\w+", read(name)))
        # the beginning of names, "whatever begins with milter_"
        words = {w for w in words if not w.endswith("_")}
        missing = sorted(words - known - {"on_failure"})
        equal(missing, [], f"names in {name} that milterd/plugin.h does not have")


# -- the rest ----------------------------------------------------------------------------


def test_manual_pages_are_clean():
    if not shutil.which("mandoc"):
        raise case.Skip("install mandoc")
    for page in PAGES:
        output, status = run("mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, page))
        true(status == 0 and output == "", output)


def test_every_listing_of_the_manual_pages_says_what_it_is():
    for page in PAGES:
        for number, kind, _ in page_listings(page):
            true(kind in LISTINGS, f'{page}:{number}: .\\" listing: ... is missing or unknown')


def test_options_of_the_command():
    output, _ = run(program(), "-h")
    options = re.findall(r"(?m)^  -(\w)", output)
    true(len(options) > 4, f"milterd -h lists its options: {output}")
    page = read("doc/milterd.8")
    section = page.split(".Sh DESCRIPTION")[1].split(".Sh ")[0]
    equal(sorted(re.findall(r"\.It Fl (\w)", section)), sorted(options), "options in milterd(8)")
    synopsis = page.split(".Sh SYNOPSIS")[1].split(".Sh ")[0]
    named = "".join(re.findall(r"\.Op Fl (\w+)", synopsis))
    equal(sorted(named), sorted(options), "options in the synopsis of milterd(8)")


def test_texts_fit_a_terminal():
    for name in TEXTS:
        for number, line in enumerate(read(name).splitlines(), 1):
            true(len(line) <= 80, f"{name}:{number} is {len(line)} columns wide")


def test_files_that_readme_names_exist():
    tops = "|".join(sorted(e for e in os.listdir(TOP) if os.path.isdir(os.path.join(TOP, e))))
    names = set(re.findall(rf"(?<![\w/.])(?:{tops})/[\w./-]*\w", read("README")))
    true(len(names) > 15, f"README names files: {sorted(names)}")
    missing = sorted(n for n in names if not os.path.exists(os.path.join(TOP, n)))
    equal([n for n in missing if n not in INSTALLED], [], "files that README names")
    parts = re.findall(r"(?m)^      (\w+)/ ", read("README"))
    folders = [e.name for e in os.scandir(os.path.join(TOP, "daemon")) if e.is_dir()]
    equal(sorted(parts), sorted(folders), "folders of daemon/ in README")


# What README calls by names that look like the source's.
INSTALLED = {"plugins/NAME"}


if __name__ == "__main__":
    case.run(globals())
