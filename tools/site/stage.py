"""What Sphinx reads: the documents and the solutions, laid out as in the repository, with a page of exercises.

The notebooks' pages show what a student gets, the empty exercise, and below it our answer, folded away.
"""

import ast
import re
import shutil

import nbformat

from helpers.exercises import EXERCISES
from helpers.settings import ROOT
from tools import notebooks
from tools.address import repository, stamped

BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]+\)\]")
BOX = re.compile(r"> \*\*(?P<title>Exercise (?P<number>[\d.]+) · .+?)\*\* · (?P<points>\d+) points?\n")
DOCSTRING = re.compile(r'^ +(?P<quotes>"""|\'\'\').*?(?P=quotes)\n', re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"^ *### (?:BEGIN|END) SOLUTION.*\n?", re.MULTILINE)
PATH = re.compile(r"(?<![\[`])`((?:helpers|grading|tests|tools|benchmarks|docs|solutions|\.github)/[\w./-]*)`(?!\])")
ENTRY = re.compile(r"- \*\*(?P<term>[^*]+)\*\*(?P<other>[^:]*): (?P<says>.+)")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def stage(folder, examples):
    """Lay everything out in `folder`; `examples` are files to show as they are, by the names "demo" and "report"."""
    shutil.copytree(ROOT / "docs" / "site", folder)
    for path in (*(ROOT / name for name in PAGES), *(ROOT / "docs").glob("*.*")):
        place = folder / path.relative_to(ROOT)
        place.parent.mkdir(exist_ok=True)
        if path.suffix == ".md":
            place.write_text(with_links(path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copy(path, place)
    (folder / "extra").mkdir()
    for name, path in examples.items():
        shutil.copy(path, folder / "extra" / f"live-{name}.html")
    boxes = {}
    for name in notebooks.NAMES:
        place = folder / "notebooks" / name
        place.mkdir(parents=True)
        notebook = nbformat.read(notebooks.solution(name), as_version=4)
        boxes |= {match["number"]: cell.source for cell in notebook.cells if (match := BOX.match(cell.source))}
        nbformat.write(page(notebook, blanks(name)), place / f"{name}.ipynb")
    index = (folder / "index.md").read_text(encoding="utf-8")
    others = [f"docs/{path.stem}" for path in sorted((ROOT / "docs").glob("*.md")) if f"docs/{path.stem}" not in index]
    fill(folder / "index.md", {"other pages": "\n".join(others)})
    words = folder / "docs" / "glossary.md"
    words.write_text(with_terms(words.read_text(encoding="utf-8")), encoding="utf-8")
    fill(folder / "exercises.md", {"exercises": table(boxes)})
    fill(folder / "figures.md", {"benchmarks": measurements()})
    fill(folder / "demo.md", {"demo": live("demo", "Open the demo", examples)})
    fill(folder / "report.md", {"report": live("report", "Open the report", examples)})


def fill(path, parts):
    """Put each part of a page where a comment names it."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    path.write_text(stamped(text, repository()), encoding="utf-8")


def live(name, text, examples):
    """A link to an example, or a line that says that there is none."""
    if name not in examples:
        return "*This copy of the site was built without one.*"
    return f'<p><a class="live" href="live-{name}.html">{text}</a></p>'


def measurements():
    """What each benchmark measures, from its first line."""
    rows = ["| `make bench ONLY=` | what it measures |", "|---|---|"]
    for path in sorted((ROOT / "benchmarks").glob("[!_]*.py")):
        says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n\n")[0]
        rows.append(f"| `{path.stem}` | {' '.join(says.split())} |")
    return "\n".join(rows)


def with_links(text):
    """A document in which each `path` of the repository leads to the file there."""
    def link(match):
        path = match[1].rstrip("/")
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return (f"[`{match[1]}`](https://github.com/{repository()}/{kind}/main/{path})"
                if (ROOT / path).exists() else match[0])
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if number % 2 else PATH.sub(link, part) for number, part in enumerate(parts))


def with_terms(text):
    """The glossary with its lists as Sphinx's, so that the search knows a word's explanation from its use."""
    def listed(match):
        entries = [ENTRY.match(line) for line in match[0].splitlines()]
        terms = [[entry["term"], *re.findall(r"\*\*([^*]+)\*\*", entry["other"])] for entry in entries]
        said = [entry["says"] if len(names) > 1 or not entry["other"].strip() else f"({entry['other'].strip(' ()')}) "
                + entry["says"] for names, entry in zip(terms, entries)]
        return "```{glossary}\n" + "\n\n".join("\n".join(names) + f"\n  {says}" for names, says in zip(terms, said)
                                              ) + "\n```\n"
    return re.sub(r"(?:^- \*\*.+\n)+", listed, text, flags=re.MULTILINE)


def blanks(name):
    """The empty answers of a notebook as students get them, by grade id."""
    released = nbformat.read(ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    return {grader(cell)["grade_id"]: cell.source for cell in released.cells if grader(cell).get("solution")}


def grader(cell):
    return cell.metadata.get("nbgrader", {})


def page(notebook, blank):
    """The notebook as its page shows it."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub("[![Open in Colab](../../badge.svg)]", cell.source)
            cell.source = boxed(cell.source)
        elif grader(cell).get("solution"):
            cells.append(nbformat.v4.new_code_cell(blank[grader(cell)["grade_id"]]))
            cell.source = DOCSTRING.sub("", MARKER.sub("", cell.source)).strip()
            fold(cell, "Our answer: one of many. Try first, then compare")
        elif grader(cell).get("grade_id") == "setup":
            fold(cell, "The first cell finds the course, or fetches it")
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
        cells.append(cell)
    notebook.cells = cells
    return notebook


def joined(outputs):
    """What was printed in several goes stands together, as a kernel's front end shows it."""
    kept = []
    for output in outputs:
        if kept and output.output_type == kept[-1].output_type == "stream" and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def fold(cell, label):
    """Hide the code of a cell behind `label`."""
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    cell.metadata["mystnb"] = {"code_prompt_show": label, "code_prompt_hide": label}


def boxed(source):
    """An exercise's box as an admonition that can be linked to; any other text as it is."""
    match = BOX.match(source)
    if not match:
        return source
    body = "\n".join(line.removeprefix(">").removeprefix(" ") for line in source[match.end():].splitlines())
    return (f"::::{{admonition}} {match['title']} · {match['points']} points\n:class: exercise\n"
            f":name: exercise-{match['number'].replace('.', '-')}\n{body.strip()}\n::::")


def table(boxes):
    """The page of all exercises, from their records and boxes."""
    rows = []
    for exercise in EXERCISES.values():
        said = re.search(r"Difficulty (?P<dots>\S+) \((?P<words>.+?)\) · .* (?P<minutes>\d+) minutes?",
                         boxes.get(exercise.number, ""))
        link = (f"[{exercise.title}](notebooks/{exercise.notebook}/{exercise.notebook}.ipynb"
                f"#exercise-{exercise.number.replace('.', '-')})")
        signatures = " ".join(f"`{signature}`" for signature in exercise.signatures)
        rows.append(f"| {exercise.number} | {link} | {signatures} | {said['words'] if said else ''} | "
                    f"{said['minutes'] if said else ''} | {exercise.points} |")
    return "\n".join(["| | exercise | you write | difficulty | minutes | points |", "|---|---|---|---|---|---|", *rows])
