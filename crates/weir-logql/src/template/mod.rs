//! Templates that lines and labels are made of: the part of Go's `text/template` that Loki documents. Fields, variables,
//! pipelines, `if`, `with` and `range` with their `else`, `break`, `continue`, comments and trimmed space; functions as
//! [`functions`] lists them. Templates within templates (`define`, `block`, `template`) are refused.
//!
//! How much one execution may do and write is bounded, since a template is a program of a stranger.

mod execute;
mod functions;
mod lex;
mod parse;
mod printf;
mod time;
mod value;

#[cfg(test)]
use crate::pipeline::LineLabels;
use parse::{Argument, Node, Pipe};

pub(crate) use execute::Context;

/// A template that was read.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    nodes: Vec<Node>,
}

impl Template {
    /// # Errors
    /// What is wrong, in the words of Go.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { nodes: parse::parse(text)? })
    }

    /// Writes what the template makes of a line.
    ///
    /// # Errors
    /// A function that fails, or more work or text than is allowed; what was written until then stays.
    pub(crate) fn execute(&self, context: &Context<'_>, out: &mut String) -> Result<(), String> {
        if let Some(label) = self.only_field() {
            out.push_str(context.labels.text_of(label));
            return Ok(());
        }
        execute::execute(&self.nodes, context, out)
    }

    /// The label that is all the template says: `{{.a}}`.
    fn only_field(&self) -> Option<&str> {
        let [Node::Print(pipe)] = self.nodes.as_slice() else { return None };
        let [command] = pipe.commands.as_slice() else { return None };
        match command.as_slice() {
            [Argument::Field(names)] if names.len() == 1 && pipe.variables.is_empty() => Some(&names[0]),
            _ => None,
        }
    }

    /// The labels that the template names.
    pub(crate) fn labels<'a>(&'a self, names: &mut Vec<&'a str>) {
        of_nodes(&self.nodes, names);
    }
}

fn of_nodes<'a>(nodes: &'a [Node], names: &mut Vec<&'a str>) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Print(pipe) => of_pipe(pipe, names),
            Node::If { pipe, then, otherwise }
            | Node::With { pipe, then, otherwise }
            | Node::Range { pipe, then, otherwise } => {
                of_pipe(pipe, names);
                of_nodes(then, names);
                of_nodes(otherwise, names);
            }
        }
    }
}

fn of_pipe<'a>(pipe: &'a Pipe, names: &mut Vec<&'a str>) {
    for argument in pipe.commands.iter().flatten() {
        match argument {
            Argument::Field(fields) => names.extend(fields.iter().map(|field| &**field)),
            Argument::Pipe(pipe, _) => of_pipe(pipe, names),
            _ => {}
        }
    }
}

/// Executes a template on labels: for tests.
#[cfg(test)]
pub(crate) fn render(template: &str, labels: &[(&str, &str)], line: &str) -> Result<String, String> {
    let mut found = LineLabels::default();
    found.begin(
        &weir_signal::Labels::from_pairs(labels.iter().copied()).unwrap(),
        &weir_signal::Labels::empty(),
    );
    let context = Context {
        labels: &found,
        line,
        time_ns: 1_675_000_000_123_456_789,
        now_ns: 1_700_000_000_000_000_000,
    };
    let mut out = String::new();
    Template::parse(template)?.execute(&context, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABELS: &[(&str, &str)] = &[
        ("name", "Ünïcode name"),
        ("n", "12"),
        ("f", "2.5"),
        ("path", "/a/b?c=d e"),
        ("json", r#"{"b":[1,{"c":"x"}],"a":true,"n":null}"#),
        ("when", "2023-01-29T15:04:05.5+02:00"),
        ("size", "2KB"),
        ("took", "1m30s"),
    ];

    #[test]
    fn what_is_written() {
        let mut failures = Vec::new();
        let mut check = |template: &str, expect: &str| {
            let found = render(template, LABELS, "the line");
            if found.as_deref() != Ok(expect) {
                failures.push(format!("{template}\n    is {found:?} instead of {expect:?}"));
            }
        };
        check("plain {{ .n }}{{.none}}!", "plain 12!");
        check("a {{- /* no */ -}} b", "ab");
        check("a  {{- .n -}}  b", "a12b");
        check("{{ __line__ | upper }} {{ Trim __line__ \"et\" }}", "THE LINE he lin");
        check("{{ .name | lower | trunc 3 }}-{{ trunc -4 .name }}-{{ substr 0 2 .name }}", "ünï-name-Ün");
        check("{{ .n | printf \"%05s|%-4s|%q|%v\" \"x\" \"y\" \"z\" }}", "0000x|y   |\"z\"|12");
        check(
            "{{ printf \"%d %5.2f %x %t %c %U %%\" 42 3.14159 255 true 'é' 233 }}",
            "42  3.14 ff true é U+00E9 %",
        );
        check("{{ printf \"%d %!\" .n }}", "%!d(string=12) %!(NOVERB)");
        check("{{ add .n 1 2 }} {{ sub 5 .n }} {{ mul 2 .n }} {{ div .n 5 }} {{ mod .n 5 }}", "15 -7 24 2 2");
        check(
            "{{ addf .f 0.1 0.2 }} {{ subf 1 .f }} {{ mulf 2 .f }} {{ divf 1 4 }} {{ maxf 1 .f }}",
            "2.8 -1.5 5 0.25 2.5",
        );
        check(
            "{{ max 1 .n 3 }} {{ min 1 .n }} {{ ceil .f }} {{ floor .f }} {{ round 123.5555 3 }}",
            "12 1 3 2 123.556",
        );
        check("{{ int .f }} {{ int \"7\" }} {{ float64 .n }}", "0 7 12");
        check("{{ if eq .n \"12\" }}yes{{ else }}no{{ end }}", "yes");
        check("{{ if and (gt (int .n) 5) (ne .f \"\") }}{{ len .n }}{{ end }}", "2");
        check("{{ if .none }}a{{ else if not .n }}b{{ else }}c{{ end }}", "c");
        check(
            "{{ with .none }}{{ . }}{{ else }}none{{ end }}{{ with $x := .n }}{{ $x }}{{ . }}{{ end }}",
            "none1212",
        );
        check(
            "{{ $j := fromJson .json }}{{ $j.a }} {{ $j.none }} {{ range $i, $e := $j.b }}{{ $i }}={{ $e }};{{ end }}",
            "true <no value> 0=1;1=map[c:x];",
        );
        check(
            "{{ range fromJson .json }}[{{ . }}]{{ else }}none{{ end }}",
            "[true][[1 map[c:x]]][<no value>]",
        );
        check(
            "{{ range $q := fromJson \"[1,2,3,4]\" }}{{ if eq (int $q) 2 }}{{ continue }}{{ end }}{{ if gt (int $q) 3 }}{{ break }}{{ end }}{{ $q }}{{ end }}",
            "13",
        );
        check("{{ range 3 }}{{ . }}{{ end }}", "012");
        check(
            "{{ index (fromJson .json).b 1 }} {{ index (fromJson .json) \"a\" }} {{ slice .n 1 }}",
            "map[c:x] true 2",
        );
        check(
            "{{ default \"-\" .none }}{{ default \"-\" .n }} {{ .path | urlencode }} {{ urldecode \"a%20b+c\" }}",
            "-12 %2Fa%2Fb%3Fc%3Dd+e a b c",
        );
        check("{{ b64enc .n }} {{ b64dec \"MTI\" }} {{ title \"a bc\" }}", "MTI= 12 A Bc");
        check(
            "{{ alignLeft 4 .n }}|{{ alignRight 4 .n }}|{{ alignLeft 1 .n }}|{{ alignRight 1 .n }}",
            "12  |  12|1|2",
        );
        check(
            "{{ regexReplaceAll \"(\\\\d)b\" \"a1b2\" \"${1}-\" }} {{ regexReplaceAllLiteral \"\\\\d\" \"a1\" \"$1\" }} {{ count \"a\" \"banana\" }}",
            "a1-2 a$1 3",
        );
        check(
            "{{ replace \"a\" \"b\" \"aa\" }} {{ Replace \"aaa\" \"a\" \"b\" 2 }} {{ repeat 3 \"ab\" }}",
            "bb bba ababab",
        );
        check(
            "{{ trim \" a \" }}{{ trimAll \"$\" \"$5$\" }}{{ trimSuffix \"-\" \"a-\" }}{{ trimPrefix \"-\" \"-a\" }}",
            "a5aa",
        );
        check("{{ indent 2 \"a\\nb\" }}|{{ nindent 1 \"a\" }}", "  a\n  b|\n a");
        check(
            "{{ contains \"b\" \"abc\" }} {{ hasPrefix \"a\" \"abc\" }} {{ hasSuffix \"a\" \"abc\" }}",
            "true true false",
        );
        check("{{ bytes .size }} {{ duration .took }} {{ duration_seconds .took }}", "2000 90 90");
        check("{{ __timestamp__ }}", "2023-01-29 13:46:40.123456789 +0000 UTC");
        check(
            "{{ __timestamp__ | date \"2006-01-02T15:04:05.000Z07:00\" }} {{ unixEpoch __timestamp__ }} {{ __timestamp__ | unixEpochMillis }}",
            "2023-01-29T13:46:40.123Z 1675000000 1675000000123",
        );
        check("{{ .when | toDate \"2006-01-02T15:04:05Z07:00\" | unixEpochNanos }}", "1674997445500000000");
        check(
            "{{ toDateInZone \"2006-01-02\" \"+02:00\" \"2023-01-29\" | unixEpoch }} {{ unixToTime \"1675000000123\" | date \"Jan _2 03:04PM\" }}",
            "1674943200 Jan 29 01:46PM",
        );
        check(
            "{{ now | unixEpoch }} {{ (now).Year }} {{ __timestamp__ | print }}",
            "1700000000 2023 2023-01-29 13:46:40.123456789 +0000 UTC",
        );
        check("{{ $a := 1 }}{{ if true }}{{ $a = 2 }}{{ end }}{{ $a }}", "2");
        check(
            "{{ \"quoted\" }} {{ `raw` }} {{ 1.5 }} {{ 1e3 }} {{ 0x1f }} {{ 'a' }} {{ nil | default \"x\" }}",
            "quoted raw 1.5 1000 31 97 x",
        );
        check("{{ print 1 2 \"a\" \"b\" 3 }} {{ println 1 \"a\" }}", "1 2ab3 1 a\n");
        check("{{ 1 | mulf 1e21 }} {{ divf 1 3 }}", "1e+21 0.333333333333333");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn what_fails() {
        let check = |template: &str, expect: &str| {
            let error = render(template, LABELS, "").unwrap_err();
            assert!(error.contains(expect), "{template}: {error}");
        };
        check("{{ nosuchfunc }}", "function \"nosuchfunc\" not defined");
        check("{{", "unclosed action");
        check("{{ .a", "unclosed action");
        check("{{ if .a }}", "unexpected EOF");
        check("{{ end }}", "unexpected {{end}}");
        check("{{ else }}", "unexpected {{else}}");
        check("{{ }}", "missing value for command");
        check("{{ $x }}", "undefined variable \"$x\"");
        check("{{ .n | }}", "missing value for command");
        check("{{ define \"a\" }}{{ end }}", "not supported");
        check("{{ lower 1 2 }}", "wrong number of args for lower");
        check("{{ .n.m }}", "can't evaluate field m in type string");
        check("{{ div 1 0 }}", "divide by zero");
        check("{{ repeat 1000000000 \"ab\" }}", "longer than");
        check("{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}", "too much work");
        check("{{ range .n }}{{ end }}", "range can't iterate over");
        check("{{ regexReplaceAll \"(\" \"a\" \"b\" }}", "error parsing regexp");
        check("{{ break }}", "{{break}} outside {{range}}");
        check("{{ index (fromJson .json).b 7 }}", "out of range");
        check("{{ \"a }}", "unterminated quoted string");
        check(&"(".repeat(300).replace('(', "{{ if true }}"), "nested");
    }

    proptest! {
        #[test]
        fn no_template_panics(words in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{{-", "-}}", " ", ".", ".n", "$x", ":=", "=", "|", "(", ")", "if ", "else ", "end", "range ", "with ",
            "add ", "1", "-9223372036854775808", "\"%s %05.3v\" ", "printf ", "fromJson ", ".json", ",", "x", "'a'", "`", "\"",
            "index ", "slice ", "trunc ", "substr ", "-1 ", "99 ", "date ", "toDate ", "now", "round ", "repeat ", "break", "é",
        ]), 0..24)) {
            let _ = render(&words.concat(), LABELS, "line");
        }
    }
}
