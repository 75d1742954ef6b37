"""What a provider's own template may not hold: each attack and each mistake is refused, on its line."""

from pathlib import Path

import pytest

from documents.template_lint import MAXIMUM_LENGTH, template_problems

EXAMPLE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
HTML = EXAMPLE.with_suffix(".html").read_text(encoding="utf-8")
CSS = EXAMPLE.with_suffix(".css").read_text(encoding="utf-8")
LEARNER = '<p class="learner">{{ learner }}</p>'
LINE = HTML[: HTML.index(LEARNER)].count("\n") + 1


def found(html: str = HTML, css: str = CSS) -> list[str]:
    return [str(problem) for problem in template_problems(html, css)]


def with_line(line: str) -> str:
    """The example with one more line, after the one that prints the learner."""
    return HTML.replace(LEARNER, f"{LEARNER}\n{line}")


def test_nothing_is_wrong_with_the_example() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("<script>alert(1)</script>", "an element that runs code"),
        ("<SCRIPT>alert(1)</SCRIPT>", "an element that runs code"),
        ('<iframe src="https://x.example"></iframe>', "an element that runs code"),
        ("<style>p { color: {{ learner }} }</style>", "brings style of its own"),
        ('<link rel="stylesheet" href="https://x.example/a.css"/>', "brings style of its own"),
        ('<img src="https://x.example/a.png" alt=""/>', "a picture or a link of its own"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "a picture or a link"),
        ('<a href="javascript:alert(1)">here</a>', "a picture or a link of its own"),
        ("<marquee>here</marquee>", "not one of the plain ones"),
        ('<p onclick="alert(1)">x</p>', "an attribute that runs code"),
        ('<p style="color: red">x</p>', "brings style of its own"),
        ('<p style="color: {{ learner }}">x</p>', "prints a value inside a tag"),
        ('<p class="{{ learner }}">x</p>', "prints a value inside a tag"),
        ('<p id="{{ classes }}">x</p>', "prints a value inside a tag"),
        ('<p data-name="x">x</p>', "an attribute other than"),
        ('<td colspan="100000000">x</td>', "a colspan that is not from 1 to 99"),
        ('<p class="{% if logo %}x{% endif %}">x</p>', "a condition or a loop inside a tag"),
        ("<!-- {{ learner }} -->", "inside a comment"),
        ("<![CDATA[{{ learner }}]]>", "a CDATA section"),
        ("<?php echo 1 ?>", "an instruction for a program"),
        ("<p>{{ learner|safe }}</p>", "trusts a value with the filter safe"),
        ("<p>{{ learner|e|safe|trim }}</p>", "trusts a value with the filter safe"),
        ("<p>{{ learner|upper }}</p>", "other than a value as it is"),
        ("<p>{{ 7 * 7 }}</p>", "other than a value as it is"),
        ("<p>{{ 9 ** 9 ** 9 ** 9 }}</p>", "other than a value as it is"),
        ("<p>{{ learner.__class__.__mro__ }}</p>", "other than a value as it is"),
        ("<p>{{ learner.__class__ }}</p>", "no value of a list"),
        ("<p>{{ learner['x'] }}</p>", "other than a value as it is"),
        ("<p>{{ range(10) }}</p>", "other than a value as it is"),
        ("<p>{{ lerner }}</p>", "did you mean learner?"),
        ("<p>{{ signatory.name }}</p>", "no value of a list"),
        ("<p>{{ classes }}</p>", "for attributes only"),
        ("{% for s in signatories %}<p>{{ s.nam }}</p>{% endfor %}", "did you mean name?"),
        ("{% for x in range(10) %}<p>x</p>{% endfor %}", "loops over something other than"),
        ("{% for s in signatories %}{% for t in sessions %}x{% endfor %}{% endfor %}", "a loop inside a loop"),
        ("{% for s in signatories if s.title %}<p>x</p>{% endfor %}", "a loop with a condition"),
        ("{% for learner in signatories %}<p>x</p>{% endfor %}", "one that is taken"),
        ("{% set x = 1 %}", "a statement other than if and for"),
        ("{% macro x() %}{% endmacro %}", "a statement other than if and for"),
        ('{% include "/etc/passwd" %}', "a statement other than if and for"),
        ('{% import "x" as x %}', "a statement other than if and for"),
        ("{% if learner|length > 5 %}x{% endif %}", "other than a value as it is"),
        ("{% if learner.__class__.__mro__ %}x{% endif %}", "other than a value as it is"),
        ("{% if 9 ** 9 ** 9 %}x{% endif %}", "other than a value as it is"),
        ("{% if version > 5 %}x{% endif %}", "other than a plain text"),
        ("{% if learner == title %}x{% endif %}", "other than a plain text"),
        ("{% if loop.first %}x{% endif %}", "other than loop.first and loop.last"),
        ("{% if kind == 'credit' %}<div>{% endif %}</div>", "opens or closes elements"),
        ("{% if kind == 'credit' %}<div>{% else %}</div>{% endif %}", "opens or closes elements"),
        ("<p>AMA PRA Category 1 Credit</p>", "names a credit by itself"),
        ("<p>one ACCME\ncredit</p>", "names a credit by itself"),
        ("<p>\u2028\U0001f9ea</p>", "no bundled typeface has"),
        ("<p>\u202e</p>", "no bundled typeface has"),
        ("<p>a\x07</p>", "a character that is not printed"),
        ("<p>\U000f0000</p>", "a character that is not printed"),
        ("<p>a&nbsp;b</p>", "&#160; in place of &nbsp;"),
        ("<p>a<br>b</p>", "is not closed everywhere"),
        ("<p>{{ learner", "cannot be read as a Jinja template"),
        ("{% if learner %}", "cannot be read as a Jinja template"),
    ],
)
def test_what_a_page_may_not_hold_is_refused_on_its_line(line: str, message: str) -> None:
    problems = found(with_line(line))
    assert any(message in problem for problem in problems), problems
    exact = [problem for problem in problems if message in problem]
    # Jinja names the line of what is open, and expat the line where it gave up.
    if "cannot be read" not in message and "not closed" not in message:
        assert exact[0].startswith(f"html line {LINE + 1}: "), problems


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('@import "https://x.example/a.css";', "imports another style sheet"),
        ("@IMPORT url(x);", "imports another style sheet"),
        ('@font-face { font-family: x; src: url("x") }', "brings a typeface"),
        ("@supports (color: red) { p { color: red } }", "a rule other than @page and @media"),
        ("p { background: url(https://x.example/a.png) }", "names an address"),
        ('p { background: url("data:image/png;base64,x") }', "names an address"),
        ("p { background: u\\72l(x) }", "names an address"),
        ('p { background: image-set("x.png" 1x) }', "names an address"),
        ('p::before { content: "a" url(x) }', "names an address"),
        ("@page { @bottom-left { content: url(x) } }", "names an address"),
        ("@media print { p { background: url(x) } }", "names an address"),
        ("p { width: expression(alert(1)) }", "names an address"),
        ("p { behavior: none }", "runs code"),
        ("p { -moz-binding: none }", "runs code"),
        ("p { transform: translate(-100in) }", "cut off or hidden"),
        ("p { overflow: hidden }", "cut off or hidden"),
        ("p { clip-path: none }", "cut off or hidden"),
        ("p { visibility: hidden }", "cut off or hidden"),
        ("p { color: red; </style><script>", "holds markup"),
        ("p { color: 'red\n }", "cannot be read"),
        ("p { color }", "cannot be read"),
        ("p { a { color: red } }", "a rule inside a rule"),
    ],
)
def test_what_a_style_sheet_may_not_hold_is_refused_on_its_line(rule: str, message: str) -> None:
    before = CSS.count("\n") + 1
    problems = found(css=f"{CSS}{rule}")
    assert any(message in problem for problem in problems), problems
    assert all(int(problem.split(":")[0].rpartition(" ")[2]) in (before, before + 1) for problem in problems)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    problems = found(with_line("<script>x</script>\n<p onload='x'>{{ lerner }}</p>"), f"{CSS}p {{ overflow: auto }}")
    assert [problem.partition(":")[0] for problem in problems] == [
        f"html line {LINE + 1}",
        f"html line {LINE + 2}",
        f"html line {LINE + 2}",
        f"css line {CSS.count(chr(10)) + 1}",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "heading", "learner", "learning_format", "title", "occasion", "award_phrase", "credit", "provider_name",
        "provider_address", "accreditation_statement", "designation_statement", "particulars", "verification_link",
        "verification_code", "qr",
    ],
)  # fmt: skip
def test_a_template_that_does_not_print_what_every_certificate_must_show_is_refused(name: str) -> None:
    before, body, after = HTML.partition("<body")
    # Printed as the title of the window only, it is not on the page.
    problems = found(before + body + after.replace(f"{{{{ {name} }}}}", "x"))
    assert problems == [f"html line 1: does not print {{{{ {name} }}}}, which every certificate must show"]


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("{{ session.title }}", "title of each of sessions"),
        ("{{ session.units }}", "units of each of sessions"),
        ("{{ signatory.name }}", "name of each of signatories"),
    ],
)
def test_a_template_prints_each_session_and_each_signatory(printed: str, said: str) -> None:
    assert found(HTML.replace(printed, "x")) == [f"html line 1: does not print the {said}"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('<html lang="{{ language }}">', "<html>"), "does not say its language"),
        (("<title>{{ heading }}: {{ learner }}</title>", ""), "has no <title> with words"),
        (("<title>{{ heading }}: {{ learner }}</title>", "<title> </title>"), "has no <title> with words"),
        (("{{ heading }}: {{ learner }}", "{{ heading }}: {{ credit }}"), "more than plain words in the <title>"),
        (("<head>", "<head>{{ learner }}"), "prints a value outside the <body>"),
        (("<!DOCTYPE html>", '<!DOCTYPE html [<!ENTITY x "y">]>'), "more than <!DOCTYPE html>"),
        (("<!DOCTYPE html>", '<!DOCTYPE html SYSTEM "file:///etc/passwd">'), "more than <!DOCTYPE html>"),
    ],
)
def test_the_frame_of_a_page_is_judged_too(change: tuple[str, str], message: str) -> None:
    problems = found(HTML.replace(*change))
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("html", ["", "x", "\0", "{{", "{%" * 1000, "(" * 40_000, "{{ " + "(" * 20_000, "<p>" * 10_000])
def test_what_is_no_page_at_all_is_refused_without_harm(html: str) -> None:
    assert found(html)


def test_a_template_that_is_too_long_is_refused_for_that() -> None:
    assert found(HTML + " " * MAXIMUM_LENGTH) == [f"html line 1: is longer than {MAXIMUM_LENGTH} characters"]
    assert found(css="{" * (MAXIMUM_LENGTH + 1)) == [f"css line 1: is longer than {MAXIMUM_LENGTH} characters"]
    assert found(css="{" * MAXIMUM_LENGTH)


def test_at_most_a_hundred_mistakes_are_told() -> None:
    assert len(found(with_line("<p onload='x'>{{ x }}</p>\n" * 200))) == 100
