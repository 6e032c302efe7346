//! Samples of one time, as a table.

use weir_telemetry::ask::rfc3339;

use super::answer::{Data, Series, selector};
use crate::terminal::{Paint, table, visible};

/// The table. A number or text alone stands alone.
pub(super) fn write(data: &Data, paint: Paint) -> String {
    match data {
        Data::Scalar(point) | Data::String(point) => format!("{}\n", visible(&point.1)),
        Data::Vector(all) => vector(all, paint),
        Data::Matrix(all) => matrix(all, paint),
        Data::Streams(_) => String::new(),
    }
}

fn vector(all: &[Series], paint: Paint) -> String {
    let values: Vec<String> = all.iter().flat_map(Series::samples).map(|(_, value)| value).collect();
    // Histograms are wide; numbers line up at their ends.
    let width = values.iter().filter(|value| !value.starts_with('{')).map(String::len).max().unwrap_or(0);
    let rows: Vec<[String; 2]> = all
        .iter()
        .zip(&values)
        .map(|(series, value)| [selector(&series.metric), format!("{value:>width$}")])
        .collect();
    table(&rows, "", |column, cell| if column == 0 { paint.cyan(cell) } else { cell.to_owned() })
}

/// What a range selector finds: every sample with its time.
fn matrix(all: &[Series], paint: Paint) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    for series in all {
        let mut name = selector(&series.metric);
        for (time_ms, value) in series.samples() {
            rows.push([std::mem::take(&mut name), rfc3339(time_ms), value]);
        }
    }
    table(&rows, "", |column, cell| match column {
        0 => paint.cyan(cell),
        1 => paint.dim(cell),
        _ => cell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;

    use super::super::answer::Answer;
    use super::*;

    #[track_caller]
    fn check(result: &str, expect: &str) {
        let answer: Answer = serde_json::from_str(&format!(r#"{{"data":{result}}}"#)).unwrap();
        assert_eq!(write(&answer.data, Paint(Colour::Off)), expect);
    }

    #[test]
    fn tables() {
        check(
            r#"{"resultType":"vector","result":[
                {"metric":{"__name__":"up","job":"a"},"value":[1,"1"]},
                {"metric":{"job":"longer"},"value":[1,"12.5"]},
                {"metric":{"job":"h"},"histogram":[1,{"count":"2","sum":"3","buckets":[[0,"0.5","1","2"]]}]}]}"#,
            "up{job=\"a\"}        1\n{job=\"longer\"}  12.5\n{job=\"h\"}       {count:2, sum:3, (0.5,1]:2}\n",
        );
        check(
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":[[1,"1"],[2.5,"0"]]}]}"#,
            "up  1970-01-01T00:00:01.000Z  1\n    1970-01-01T00:00:02.500Z  0\n",
        );
        check(r#"{"resultType":"scalar","result":[1,"17"]}"#, "17\n");
        check(r#"{"resultType":"string","result":[1,"a\u001b"]}"#, "a\u{fffd}\n");
        check(r#"{"resultType":"vector","result":[]}"#, "");
    }
}
