//! Samples as comma-separated values (RFC 4180, with bare line feeds): one line per sample.

use std::borrow::Cow;
use std::collections::BTreeSet;

use weir_telemetry::ask::rfc3339;

use super::answer::{Data, Series};

/// A column for each label that any series has, then `time` and `value`.
pub(super) fn write(data: &Data) -> String {
    let alone = |time_ms: i64, value: &str| format!("time,value\n{},{}\n", rfc3339(time_ms), quoted(value));
    let all = match data {
        Data::Scalar(point) | Data::String(point) => return alone(point.time_ms(), &point.1),
        Data::Vector(all) | Data::Matrix(all) => all,
        Data::Streams(_) => return String::new(),
    };
    let names: BTreeSet<&String> = all.iter().flat_map(|series| series.metric.keys()).collect();
    let head: Vec<Cow<'_, str>> =
        names.iter().map(|name| quoted(name)).chain(["time".into(), "value".into()]).collect();
    let mut text = head.join(",") + "\n";
    for series in all {
        lines(&mut text, &names, series);
    }
    text
}

fn lines(text: &mut String, names: &BTreeSet<&String>, series: &Series) {
    let label = |name: &&String| quoted(series.metric.get(*name).map_or("", String::as_str));
    let labels: Vec<Cow<'_, str>> = names.iter().map(label).collect();
    for (time_ms, value) in series.samples() {
        for cell in &labels {
            *text += cell;
            text.push(',');
        }
        *text += &[rfc3339(time_ms).as_str(), ",", &quoted(&value), "\n"].concat();
    }
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    #[track_caller]
    fn check(result: &str, expect: &str) {
        let answer: Answer = serde_json::from_str(&format!(r#"{{"data":{result}}}"#)).unwrap();
        assert_eq!(write(&answer.data), expect);
    }

    #[test]
    fn lines_are_written() {
        check(
            r#"{"resultType":"matrix","result":[
                {"metric":{"__name__":"up","job":"a,\"b\""},"values":[[1,"1"],[2,"0"]]},
                {"metric":{"zone":"x"},"histograms":[[2,{"count":"1","sum":"2"}]]}]}"#,
            "__name__,job,zone,time,value\n\
             up,\"a,\"\"b\"\"\",,1970-01-01T00:00:01.000Z,1\n\
             up,\"a,\"\"b\"\"\",,1970-01-01T00:00:02.000Z,0\n\
             ,,x,1970-01-01T00:00:02.000Z,\"{count:1, sum:2}\"\n",
        );
        check(r#"{"resultType":"scalar","result":[1,"17"]}"#, "time,value\n1970-01-01T00:00:01.000Z,17\n");
        check(r#"{"resultType":"vector","result":[]}"#, "time,value\n");
    }
}
