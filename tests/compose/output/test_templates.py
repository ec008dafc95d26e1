"""The Go templates of --format."""

import pytest

from compose.output.templates import Template, TemplateError


class Port:
    URL = "0.0.0.0"
    TargetPort = 80

    def as_json(self):
        return {"URL": self.URL, "TargetPort": self.TargetPort}


class Row:
    Name = "web-1"
    State = "running"
    Health = ""
    ExitCode = 0
    Labels = {"b": "2", "a": "1"}
    Publishers = [Port(), Port()]

    def Label(self, name: str) -> str:
        return f"<{name}>"

    def as_json(self):
        return {"Name": self.Name}


def render(text: str) -> str:
    return Template(text, ["Name", "State", "Status"]).render(Row())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}: {{ .State }}", "web-1: running"),
        ("{{.ExitCode}}", "0"),
        ("{{.Labels}}", "map[a:1 b:2]"),
        ("{{json .}}", '{"Name":"web-1"}'),
        ("{{json .Labels}}", '{"b":"2","a":"1"}'),
        ("{{json (slice .Publishers 1)}}", '[{"URL":"0.0.0.0","TargetPort":80}]'),
        ('{{.Label "com.example.tier"}}', "<com.example.tier>"),
        ("{{upper .Name}} {{.Name | upper | lower}} {{title .State}}", "WEB-1 web-1 Running"),
        ('{{printf "%-8s|%5d|%q" .Name 7 .State}}', 'web-1   |    7|"running"'),
        ('{{.Name | printf "%s!"}}', "web-1!"),
        ("{{truncate .Name 3}}{{pad .Name 1 2}}|", "web web-1  |"),
        ('{{join (split .Name "-") "+"}}', "web+1"),
        ('{{len .Publishers}} {{slice .Name 1 3}} {{index .Labels "a"}}', "2 eb 1"),
        ('{{if eq .State "running"}}up{{else}}down{{end}}', "up"),
        ('{{if eq .State "a" "running"}}one of{{end}}', "one of"),
        ("{{if .Health}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{if and .Name (not .Health)}}yes{{end}}", "yes"),
        ("{{if or .Health (gt (len .Publishers) 1)}}many{{end}}", "many"),
        ("{{with .Health}}({{.}}){{else}}none{{end}}", "none"),
        ("{{with .Name}}({{.}} of {{$.State}}){{end}}", "(web-1 of running)"),
        ("{{range .Publishers}}{{.URL}}:{{.TargetPort}} {{end}}", "0.0.0.0:80 0.0.0.0:80 "),
        ("{{(index .Publishers 1).TargetPort}}{{(index .Publishers 0).URL}}", "800.0.0.0"),
        ("{{range $i, $p := .Publishers}}{{$i}}={{$p.TargetPort}} {{end}}", "0=80 1=80 "),
        ("{{range $key, $value := .Labels}}{{$key}}{{$value}}{{end}}", "a1b2"),
        ("{{range .Health}}x{{else}}empty{{end}}", "empty"),
        ("{{$name := .Name}}{{$name}}{{$name}}", "web-1web-1"),
        ("a {{- .Name -}} b", "aweb-1b"),
        ("a{{/* nothing to see */}}b", "ab"),
        ('{{"}}"}}{{`raw`}}', "}}raw"),
    ],
)
def test_a_template_renders_as_in_go(text: str, expected: str):
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Nam}}", "template parsing error: can't evaluate field Nam (did you mean .Name?)"),
        ("{{.Name", "template parsing error: unclosed action"),
        ("{{if .Name}}", "template parsing error: unexpected EOF"),
        ("{{end}}", "template parsing error: unexpected {{end}}"),
        ("{{foo .Name}}", 'template parsing error: function "foo" not defined in {{foo .Name}}'),
        (
            "{{.Name .State}}",
            "template parsing error: can't give argument to non-function in {{.Name .State}}",
        ),
        ("{{$x}}", 'template parsing error: undefined variable "$x" in {{$x}}'),
        ("{{}}", "template parsing error: missing value in {{}}"),
        ("{{(.Name}}", "template parsing error: unclosed left paren in {{(.Name}}"),
        (
            "{{index .Name 9}}",
            "template parsing error: string index out of range in {{index .Name 9}}",
        ),
        ("{{.__class__}}", "template parsing error: can't evaluate field __class__"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(TemplateError) as caught:
        render(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text", ["{{" * 200, "{{range .Labels}}" * 50, '{{ "' + "x" * 5000, "{{" + "(" * 300]
)
def test_a_bad_template_is_refused_quickly(text: str):
    with pytest.raises(TemplateError):
        render(text)
