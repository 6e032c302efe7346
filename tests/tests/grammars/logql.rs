//! LogQL: the texts of our own tables, and what becomes of them.

use weir_logql::parse_unchecked;

use crate::compare::compare;
use crate::mutate::with_mutations;

/// The queries of a table of the parser's tests: lines that are neither empty, nor a comment, nor an outcome.
fn queries(table: &str) -> impl Iterator<Item = String> {
    let is_query = |line: &&str| {
        !line.is_empty() && !line.starts_with("    ") && (!line.starts_with("# ") || line.contains('⏎'))
    };
    table.lines().filter(is_query).map(|line| line.replace('⏎', "\n"))
}

#[test]
fn logql_is_what_grafanas_editor_takes() {
    let accepted = queries(include_str!("../../../crates/weir-logql/tests/parse/accepted.txt"));
    let refused = queries(include_str!("../../../crates/weir-logql/tests/parse/refused.txt"));
    let texts = with_mutations(accepted.chain(refused).collect());
    let ours = |text: &str| parse_unchecked(text).err().map(|error| error.message);
    compare("@grafana/lezer-logql", &texts, ours, include_str!("logql.txt"));
}
