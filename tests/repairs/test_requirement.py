"""Requirements: names and versions are read, anything else is refused, and nothing takes long."""

from __future__ import annotations

import time

import pytest

from llm_loop.repairs.refusal import RepairRefused
from llm_loop.repairs.requirement import combined, is_module_name, parse_requirement


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("timm", "timm"),
        (" Foo__Bar.baz ", "foo-bar-baz"),
        ("foo >= 1.0, < 2 ", "foo>=1.0,<2"),
        ("foo (>=1.0)", "foo>=1.0"),
        ("foo[b, A_x] == 1.*", "foo[a-x,b]==1.*"),
        ("foo==2.0+cpu", "foo==2.0+cpu"),
        ("foo==1!2.0rc1", "foo==1!2.0rc1"),
        ("foo~=1.4; python_version < '3.12' and sys_platform == \"win32\"",) * 2,
        ("foo; (os_name == 'nt' or 'linux' in sys_platform) and extra == 'x'",) * 2,
    ],
)
def test_what_is_one(text: str, written: str) -> None:
    read = parse_requirement(text)
    assert str(read) == written
    assert parse_requirement(str(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-e .", "--pre", "foo --pre", "foo bar", "foo; rm -rf /", "foo; os_name == 'nt' && x", "foo|x"),
        *("foo @ https://x", "https://x/foo.whl", "file:///x", "./foo", "../foo", "C:\\foo", "foo.whl/", "foo/bar"),
        *("foo===1", "foo==", "foo>=1 <2", "foo==1 --hash=x", "foo[", "foo[]", "foo\n", "foo\x00", "fóo", "foo,bar"),
        *("foo;", "foo; python_version", "foo; x == 'y'", "$(foo)", "`foo`", "foo'", "_foo", "foo-", "f" * 400),
        *("foo==" + "1" * 200, "foo(>=1", "foo; os_name == '\\'"),
    ],
)
def test_what_is_none(text: str) -> None:
    if text == "foo\n":
        assert str(parse_requirement("foo")) == "foo"
    with pytest.raises(RepairRefused):
        parse_requirement(text)


@pytest.mark.parametrize(
    "text",
    ["a" * 299, "a" + "-" * 298, "a[" + "b," * 140, "a" + ">=1," * 70 + "!", "a;" + "(" * 290, "a; " + "'" * 290],
)
def test_no_text_keeps_the_reader_busy(text: str) -> None:
    began = time.process_time()
    with pytest.raises(RepairRefused):
        parse_requirement(text)
    assert time.process_time() - began < 0.5


def test_one_name_is_one_requirement() -> None:
    texts = ("foo>=1", "Foo[x]<2", "bar", "foo>=1", "foo; os_name == 'nt'")
    assert [str(one) for one in combined(map(parse_requirement, texts))] == [
        "foo[x]>=1,<2",
        "bar",
        "foo; os_name == 'nt'",
    ]


def test_module_names() -> None:
    assert all(map(is_module_name, ("a", "a.b_1.C", "größe")))
    assert not any(map(is_module_name, ("", ".a", "a.", "a b", "1a", "a-b", "a\n", "a" * 400, "a." * 90)))
