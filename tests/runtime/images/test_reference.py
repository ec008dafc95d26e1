"""Names of images, read as Docker reads them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.images.reference import BadReference, Reference, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("nginx", "docker.io/library/nginx", "nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
        ("library/nginx", "docker.io/library/nginx", "nginx"),
        ("docker.io/nginx", "docker.io/library/nginx", "nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx", "nginx"),
        ("owner/app", "docker.io/owner/app", "owner/app"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("registry:5000/app", "registry:5000/app", "registry:5000/app"),
        (
            "registry.example.org/a/b/c:x",
            "registry.example.org/a/b/c:x",
            "registry.example.org/a/b/c:x",
        ),
        ("REGISTRY.example.org/app", "REGISTRY.example.org/app", "REGISTRY.example.org/app"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}", f"nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"docker.io/library/nginx:1@{DIGEST}", f"nginx:1@{DIGEST}"),
        ("app:5000", "docker.io/library/app:5000", "app:5000"),
        ("a__b/c-d---e.f", "docker.io/a__b/c-d---e.f", "a__b/c-d---e.f"),
    ],
)
def test_short_names_ports_tags_and_digests(text: str, canonical: str, familiar: str):
    reference = parse_reference(text)
    assert (str(reference), reference.familiar) == (canonical, familiar)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "invalid image name ``: it is empty", None),
        (
            "Nginx",
            "invalid image name `Nginx`: a repository's name must be lower case",
            "did you mean `nginx`?",
        ),
        (
            "ghcr.io/Owner/App:Tag",
            "invalid image name `ghcr.io/Owner/App:Tag`: a repository's name must be lower case",
            # host and tag may have capitals
            "did you mean `ghcr.io/owner/app:Tag`?",
        ),
        ("app:", "invalid image name `app:`: the tag is empty", None),
        ("app:a b", "invalid image name `app:a b`: `a b` is no tag", None),
        (
            f"app:{'x' * 129}",
            f"invalid image name `app:{'x' * 129}`: `{'x' * 129}` is no tag",
            None,
        ),
        (
            "app@sha256:12",
            "invalid image name `app@sha256:12`: what stands after @ is no digest",
            None,
        ),
        (
            f"app@{DIGEST.upper()}",
            f"invalid image name `app@{DIGEST.upper()}`: what stands after @ is no digest",
            None,
        ),
        ("a//b", "invalid image name `a//b`: `a//b` is no repository's name", None),
        ("-a", "invalid image name `-a`: `-a` is no repository's name", None),
        ("../x", "invalid image name `../x`: `..` is no registry's host", None),
        (
            "a" * 64,
            f"invalid image name `{'a' * 64}`: 64 hexadecimal digits are an image id, not a name",
            None,
        ),
        (
            "x" * 250,
            f"invalid image name `{'x' * 250}`: the name has more than 255 characters",
            None,
        ),
        ("a\x1b[31mb", "invalid image name `a?[31mb`: `a?[31mb` is no repository's name", None),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(text: str, message: str, hint: str | None):
    with pytest.raises(BadReference) as caught:
        parse_reference(text)
    assert caught.value.message == message
    assert caught.value.code == "E503"
    assert caught.value.hint == (hint or "the form is [REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST]")


WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
COMPONENT = st.lists(WORD, min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from([".", "_", "__", "-", "--"]).map(lambda mark: mark.join(words))
)
HOST = st.one_of(
    st.just("localhost"),
    st.builds("{}.{}".format, WORD, WORD),
    st.builds("{}:{}".format, WORD, st.integers(1, 65535)),
    st.builds("{}.{}:{}".format, WORD, WORD, st.integers(1, 65535)),
)
TAG = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=20).filter(
    lambda text: text[0] not in ".-"
)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)


@st.composite
def references(draw: st.DrawFn) -> str:
    text = "/".join(draw(st.lists(COMPONENT, min_size=1, max_size=4)))
    if draw(st.booleans()):
        text = f"{draw(HOST)}/{text}"
    if draw(st.booleans()):
        text = f"{text}:{draw(TAG)}"
    if draw(st.booleans()):
        text = f"{text}@{draw(DIGESTS)}"
    return text


@given(references())
def test_both_forms_of_a_name_are_read_as_the_same_name(text: str):
    reference = parse_reference(text)
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar) == reference
    assert len(reference.familiar) <= len(str(reference))


@given(references())
def test_a_name_that_is_lower_case_but_for_its_repository_is_named_in_the_hint(text: str):
    reference = parse_reference(text)
    shouted = reference._replace(path=reference.path.upper())
    if shouted.path == reference.path:
        return
    with pytest.raises(BadReference) as caught:
        parse_reference(str(shouted))
    assert parse_reference(caught.value.hint.split("`")[1]) == reference


def read_or_error(text: str) -> Reference | BadReference:
    try:
        return parse_reference(text)
    except BadReference as error:
        return error


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text: str):
    read = read_or_error(text)
    if isinstance(read, BadReference):
        assert read.message.isprintable()
    else:
        assert parse_reference(str(read)) == read


@given(
    st.lists(st.sampled_from([*"aA0.:/@-_", "sha256:", "localhost", "a" * 64]), max_size=12).map(
        "".join
    )
)
def test_texts_of_the_grammar_s_own_marks_are_names_or_refused(text: str):
    try:
        reference = parse_reference(text)
    except BadReference:
        return
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar) == reference
