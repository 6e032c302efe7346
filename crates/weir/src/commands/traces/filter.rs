//! From options to TraceQL.

use std::fmt::Write as _;

/// What one span of a trace has to be.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) service: Option<String>,
    pub(super) name: Option<String>,
    pub(super) min_ns: Option<i64>,
    pub(super) max_ns: Option<i64>,
    pub(super) tags: Vec<(String, String)>,
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// Says how it is written.
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    if key.is_empty() {
        return Err(format!("`{text}` is no tag: write KEY=VALUE, as in http.request.method=GET"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

impl Filter {
    /// The query that asks for it, and for what `query` asks as well.
    pub(super) fn with(&self, query: Option<&str>) -> String {
        let conditions = self.conditions();
        match query.map(str::trim).filter(|query| !query.is_empty()) {
            None if conditions.is_empty() => "{}".to_owned(),
            None => format!("{{ {} }}", conditions.join(" && ")),
            Some(query) if conditions.is_empty() => query.to_owned(),
            Some(query) => format!("({{ {} }}) && ({query})", conditions.join(" && ")),
        }
    }

    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.service.iter().map(|name| format!("resource.service.name = {}", quoted(name))));
        all.extend(self.name.iter().map(|name| format!("name = {}", quoted(name))));
        all.extend(self.min_ns.map(|ns| format!("duration >= {ns}ns")));
        all.extend(self.max_ns.map(|ns| format!("duration <= {ns}ns")));
        all.extend(self.tags.iter().map(|(key, value)| condition(key, value)));
        all
    }
}

/// An attribute has a type, which nobody who types it knows: a value that reads as a number or a truth value is looked for as
/// text and as that.
fn condition(key: &str, value: &str) -> String {
    if (key, value) == ("error", "true") {
        // As Jaeger shows what failed.
        return "status = error".to_owned();
    }
    let attribute = attribute(key);
    let as_text = format!("{attribute} = {}", quoted(value));
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && value.parse::<f64>().is_ok();
    if is_number || matches!(value, "true" | "false") {
        format!("({as_text} || {attribute} = {value})")
    } else {
        as_text
    }
}

/// `.key`, in quotes where it has to be.
fn attribute(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    if key.bytes().all(bare) { format!(".{key}") } else { format!(".{}", quoted(key)) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                let _ = write!(out, "\\{character}");
            }
            '\n' => out.push_str("\\n"),
            _ => out.push(character),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_make_a_query() {
        #[track_caller]
        fn check(filter: &Filter, query: Option<&str>, expect: &str) {
            assert_eq!(filter.with(query), expect);
        }
        let tags = |pairs: &[&str]| pairs.iter().map(|pair| tag(pair).unwrap()).collect::<Vec<_>>();
        check(&Filter::default(), None, "{}");
        check(&Filter::default(), Some(" {.a=1} "), "{.a=1}");
        let service = Filter { service: Some("a\"b\\".into()), ..Filter::default() };
        check(&service, None, r#"{ resource.service.name = "a\"b\\" }"#);
        check(
            &service,
            Some("{} | count() > 2"),
            r#"({ resource.service.name = "a\"b\\" }) && ({} | count() > 2)"#,
        );
        let full = Filter {
            name: Some("GET".into()),
            min_ns: Some(100),
            max_ns: Some(200),
            tags: tags(&[
                "http.status=500",
                "k=v=w",
                "on=true",
                "odd key=x",
                "v=1.2.3",
                "error=true",
                "n=-1.5",
            ]),
            ..Filter::default()
        };
        check(
            &full,
            None,
            "{ name = \"GET\" && duration >= 100ns && duration <= 200ns && (.http.status = \"500\" || .http.status = 500) && \
             .k = \"v=w\" && (.on = \"true\" || .on = true) && .\"odd key\" = \"x\" && .v = \"1.2.3\" && status = error && \
             (.n = \"-1.5\" || .n = -1.5) }",
        );
        assert!(tag("novalue").unwrap_err().contains("KEY=VALUE"));
        assert!(tag("=x").is_err());
    }
}
