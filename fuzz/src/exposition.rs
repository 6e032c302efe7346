//! What targets expose. The first byte of the input chooses the format and how strictly it is read.

use std::collections::HashMap;

use weir_intake::Limits;
use weir_intake::exposition::{
    Conformance, Created, Description, Format, Histograms, Options, Sample, Visitor, collect, read,
};
use weir_intake::record::Recorder;
use weir_signal::{HistogramSample, Labels, LabelsBuilder, Refusal};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "exposition",
    words: &[
        "# HELP ",
        "# TYPE a ",
        "# UNIT a_s s\n",
        "# EOF\n",
        "counter\n",
        "histogram\n",
        "gaugehistogram\n",
        "summary\n",
        "stateset\n",
        "info\n",
        "a_total",
        "a_created 1\n",
        "a_bucket{le=\"+Inf\"} ",
        "a_sum ",
        "a_count ",
        "{\"a.b\"",
        "quantile=\"0.5\"",
        "\\n\\\\\\\"",
        "é",
        "\\é",
        "NaN",
        "+Inf",
        "1e999",
        " # {x=\"y\"} 1 1\n",
        " 1 1.5\n",
        "\n",
        "\x0a\x01a",
        "\x18\x04",
        "\x22\x02\x3a\x00",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Some((&choice, payload)) = input.split_first() else { return 0 };
    let format = [Format::Text, Format::OpenMetrics, Format::Protobuf][usize::from(choice % 3)];
    let strict = choice & 4 == 0;
    let options = Options {
        conformance: if strict { Conformance::OpenMetrics } else { Conformance::Prometheus },
        created: if choice & 8 == 0 { Created::StartTimestamps } else { Created::Series },
        histograms: [Histograms::Native, Histograms::Classic, Histograms::Both][usize::from(choice >> 4) % 3],
    };
    let limits = Limits { histogram_buckets: 64, ..Limits::default() };
    let mut sink = Recorder::new();
    let collected = collect(format, payload, options, &limits, 1, &mut sink);
    if strict && collected.is_ok() {
        let lenient = Options { conformance: Conformance::Prometheus, ..options };
        let again = collect(format, payload, lenient, &limits, 1, &mut Recorder::new());
        assert_eq!(again, collected, "what the rules allow is read otherwise without them");
    }
    let mut keys = Keys::default();
    let walked = read(format, payload, options, &limits, &mut keys);
    assert_eq!(walked.is_ok(), collected.is_ok(), "a payload ends otherwise for another visitor");
    let outcome = match &collected {
        Ok(collected) => {
            let samples = sink.samples.len() + sink.histograms.len();
            assert_eq!(samples as u64, collected.samples);
            format!("{} {}", samples.min(8), collected.refused.total().min(3))
        }
        Err(refusal) => crate::kind(&refusal.message),
    };
    hash(format!("{format:?} {outcome}").as_bytes())
}

/// Holds that bytes which name a series name one.
#[derive(Default)]
struct Keys {
    labels: HashMap<Vec<u8>, Option<Labels>>,
    builder: LabelsBuilder,
}

impl Keys {
    fn take(&mut self, sample: &Sample<'_>) -> Result<(), Refusal> {
        sample.labels(&mut self.builder)?;
        let labels = self.builder.build().ok();
        if let Some(before) = self.labels.insert(sample.raw().to_vec(), labels.clone())
            && let (Some(before), Some(labels)) = (before, labels)
        {
            // Only how bounds are written may differ with the type that was announced.
            assert_eq!(before.without(is_bound), labels.without(is_bound), "one key, two series");
        }
        Ok(())
    }
}

fn is_bound(name: &str) -> bool {
    name == "le" || name == "quantile"
}

impl Visitor for Keys {
    fn metadata(&mut self, _: &str, _: Description<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn sample(&mut self, sample: &Sample<'_>, _: f64) -> Result<(), Refusal> {
        self.take(sample)
    }

    fn histogram(&mut self, sample: &Sample<'_>, _: HistogramSample) -> Result<(), Refusal> {
        self.take(sample)
    }
}
