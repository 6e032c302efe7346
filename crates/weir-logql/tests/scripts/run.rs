//! Scripts to what failed.

use weir_logql::ast::Expr;
use weir_logql::memory::MemoryLogs;
use weir_logql::{LogQuery, MetricQuery, parse, run_logs, run_metric};
use weir_promql::eval::{Cell, Value};
use weir_promql::parse_labels;
use weir_signal::{Direction, Labels, Limits, Scope, Tenant};

use crate::script::{Command, Eval, Script, Times, duration, quoted};
use crate::trainticket;

/// How many queries were asked, and which answers were others.
pub(crate) fn run(script: &Script) -> (usize, Vec<String>) {
    let mut logs = MemoryLogs::new();
    let (mut count, mut failures) = (0, Vec::new());
    for command in &script.commands {
        match command {
            Command::Clear => logs = MemoryLogs::new(),
            // Without the data, what is asked of it cannot be answered.
            Command::LoadTrainTicket => match trainticket::load() {
                Some(loaded) => logs = loaded,
                None => return (count, failures),
            },
            Command::Load { stream, time_ns, line, metadata } => logs.push(stream, *time_ns, line, metadata),
            Command::Eval(eval) => {
                count += 1;
                if let Err(why) = check(eval, &logs) {
                    failures.push(format!("{}: {}\n    {why}", eval.number, eval.query));
                }
            }
        }
    }
    (count, failures)
}

fn check(eval: &Eval, logs: &MemoryLogs) -> Result<(), String> {
    let expect: Vec<&str> =
        eval.expect.iter().map(String::as_str).filter(|line| !line.starts_with("skip ")).collect();
    let found = answer(eval, logs);
    if let Some(fail) = expect.first().and_then(|line| line.strip_prefix("expect fail")) {
        let error = match found {
            Ok(found) => return Err(format!("should fail, but answers {found:?}")),
            Err(error) => error,
        };
        let fail = fail.trim();
        let wanted = fail.strip_prefix("msg:").or_else(|| fail.strip_prefix("regex:")).unwrap_or("").trim();
        return if error.contains(wanted) { Ok(()) } else { Err(format!("fails otherwise: {error}")) };
    }
    let mut found = found?;
    let ordered = expect.first() == Some(&"expect ordered");
    let mut wanted: Vec<String> = Vec::new();
    for line in expect.iter().filter(|line| !line.starts_with("expect ")) {
        wanted.push(expected(line, &eval.times)?);
    }
    if !ordered && !matches!(eval.times, Times::Logs { .. }) {
        found.sort();
        wanted.sort();
    }
    let same = found.len() == wanted.len() && found.iter().zip(&wanted).all(|(a, b)| is_same(a, b));
    if same {
        Ok(())
    } else {
        Err(format!(
            "answers\n      {}\n    instead of\n      {}",
            found.join("\n      "),
            wanted.join("\n      ")
        ))
    }
}

/// Whether two lines are the same, numbers to twelve digits.
fn is_same(a: &str, b: &str) -> bool {
    let split = |text: &str| {
        text.rfind('}').map_or((String::new(), text.to_owned()), |at| {
            (text[..=at].to_owned(), text[at + 1..].to_owned())
        })
    };
    let ((a_labels, a), (b_labels, b)) = (split(a), split(b));
    let close = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => {
            a.to_bits() == b.to_bits()
                || (a.is_infinite() && a.to_string() == b.to_string())
                || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
                || (a.is_nan() && b.is_nan())
        }
        _ => a == b,
    };
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split_whitespace().collect(), b.split_whitespace().collect());
    a_labels == b_labels && a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| close(a, b))
}

/// An expected line as answers are written.
fn expected(line: &str, times: &Times) -> Result<String, String> {
    if !line.starts_with('{') {
        return Ok(line.to_owned());
    }
    let end = end_of_labels(line);
    let labels = show(&parse_labels(&line[..end]).map_err(|error| error.to_string())?);
    let rest = line[end..].trim();
    if matches!(times, Times::Logs { .. }) {
        let (time, line) = rest.strip_prefix("@ ").and_then(|rest| rest.split_once(' ')).ok_or("no time")?;
        return Ok(format!("{labels} @ {} {:?}", duration(time)?, quoted(line)?.0));
    }
    let mut points = Vec::new();
    for word in rest.split_whitespace() {
        match word.split_once('x').filter(|_| !word.starts_with("0x")) {
            None => points.push(word.to_owned()),
            Some((value, times)) => {
                let sign =
                    value.char_indices().skip(1).find(|&(_, c)| c == '+' || c == '-').map(|(at, _)| at);
                let (base, step) = value.split_at(sign.unwrap_or(value.len()));
                let step: f64 = if step.is_empty() { 0.0 } else { step.parse().map_err(|_| "no step")? };
                for i in 0..=times.parse::<u32>().map_err(|_| "no count")? {
                    points.push(match base.parse::<f64>() {
                        Ok(base) => format!("{}", base + step * f64::from(i)),
                        Err(_) => base.to_owned(),
                    });
                }
            }
        }
    }
    Ok(format!("{labels} {}", points.join(" ")))
}

fn end_of_labels(line: &str) -> usize {
    let mut open = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => open = !open,
            '}' if !open => return at + 1,
            _ => {}
        }
    }
    line.len()
}

/// Labels in braces, the name among them.
fn show(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn answer(eval: &Eval, logs: &MemoryLogs) -> Result<Vec<String>, String> {
    let scope = Scope::new(Tenant::default(), Limits::default());
    let expr = parse(&eval.query).map_err(|error| error.to_string())?;
    let ms = |nanos: i64| nanos / 1_000_000;
    let query = match (expr, &eval.times) {
        (Expr::Logs(logs_expr), &Times::Logs { from_ns, to_ns }) => {
            let query = LogQuery {
                direction: Direction::Forward,
                ..LogQuery::newest(logs_expr, from_ns, to_ns, 1000)
            };
            let streams = run_logs(&query, logs, &scope).map_err(|error| error.to_string())?;
            let lines = streams.iter().flat_map(|stream| {
                let labels = show(&stream.labels);
                stream
                    .entries
                    .iter()
                    .map(move |entry| format!("{labels} @ {} {:?}", entry.time_ns, entry.line))
            });
            return Ok(lines.collect());
        }
        (Expr::Metric(metric), &Times::Instant(time_ns)) => MetricQuery::instant(metric, ms(time_ns)),
        (Expr::Metric(metric), &Times::Range { from_ns, to_ns, step_ns }) => {
            MetricQuery::range(metric, ms(from_ns), ms(to_ns), ms(step_ns))
        }
        _ => return Err("another kind of query".to_owned()),
    };
    let answer = run_metric(&query, logs, &scope).map_err(|error| error.to_string())?;
    Ok(match answer.value {
        Value::Scalar(value) => vec![value.to_string()],
        Value::String(text) => vec![text],
        Value::Vector(samples) => {
            let show = |sample: weir_promql::eval::Sample| match sample.value {
                Cell::Float(value) => format!("{} {value}", show(&sample.labels)),
                Cell::Histogram(_) => String::from("a histogram"),
            };
            samples.into_iter().map(show).collect()
        }
        Value::Matrix(series) => series
            .iter()
            .map(|series| {
                let mut points = Vec::new();
                let mut time = query.from_ms;
                while time <= query.to_ms {
                    let at = series.points.times.iter().position(|&found| found == time);
                    points.push(at.map_or("_".to_owned(), |at| series.points.values[at].to_string()));
                    time += query.step_ms.max(1);
                }
                format!("{} {}", show(&series.labels), points.join(" "))
            })
            .collect(),
    })
}
