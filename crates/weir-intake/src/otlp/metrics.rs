//! Metrics (`opentelemetry.proto.metrics.v1`), as Prometheus 3 takes them.

use std::collections::BTreeMap;

use weir_signal::{
    HistogramSample, IntHistogram, Labels, LabelsBuilder, METRIC_NAME, Metadata, MetricKind, MetricSink,
    Reason, Refusal, Resource, SeriesRef, stale_nan,
};

use super::Accepted;
use super::common::{Around, each_first, resource, scope};
use super::delta::{Deltas, Total};
use super::names::{Naming, Shape, unit_name};
use super::point::{self, Body, Point};
use crate::Limits;
use crate::wire::{Field, Reader, WireError};

/// How metrics are taken.
#[derive(Debug, Clone, Default)]
pub struct MetricOptions {
    /// How names are translated.
    pub naming: Naming,
    /// Attributes of resources that become labels of every series, by their own names.
    pub promote: Vec<String>,
    /// Whether the scope's name, version and attributes become labels.
    pub promote_scope: bool,
}

const UNSPECIFIED: u64 = 0;
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// Decodes an `ExportMetricsServiceRequest` into `sink`. `deltas` adds up what comes as differences.
///
/// # Errors
/// The payload is no such message; drop the sink. A point that is refused on its own is counted in what is returned.
pub fn decode_metrics(
    payload: &[u8],
    limits: &Limits,
    options: &MetricOptions,
    deltas: &mut Deltas,
    sink: &mut (impl MetricSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut taker =
        Taker { limits, options, deltas, sink, accepted: Accepted::default(), builder: LabelsBuilder::new() };
    each_first(payload, |resource_metrics| {
        let around = Around::read(resource_metrics)?;
        let resource = resource(around.head, around.schema_url)?;
        let mut shared = taker.shared(&resource);
        let mut times: Option<(i64, i64)> = None;
        around.each(|scope_metrics| {
            let around = Around::read(scope_metrics)?;
            let before = shared.len();
            if options.promote_scope {
                let scope = scope(around.head, around.schema_url)?;
                for (name, value) in [
                    ("otel_scope_name", &scope.name),
                    ("otel_scope_version", &scope.version),
                    ("otel_scope_schema_url", &scope.schema_url),
                ] {
                    shared.push((name.to_owned(), value.to_string()));
                }
                for one in &scope.attributes {
                    shared.push((
                        format!("otel_scope_{}", options.naming.label(&one.key)),
                        one.value.to_string(),
                    ));
                }
            }
            let done = around.each(|metric| taker.metric(metric, &shared, &mut times));
            shared.truncate(before);
            done
        })?;
        if let Some((_, last_ms)) = times {
            taker.target_info(&resource, last_ms)?;
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(taker.accepted)
}

struct Taker<'a, S: ?Sized> {
    limits: &'a Limits,
    options: &'a MetricOptions,
    deltas: &'a mut Deltas,
    sink: &'a mut S,
    accepted: Accepted,
    builder: LabelsBuilder,
}

/// A metric without its points.
#[derive(Default)]
struct Header<'a> {
    name: &'a str,
    unit: &'a str,
    help: &'a str,
    data: Option<Field<'a>>,
}

impl<S: MetricSink + ?Sized> Taker<'_, S> {
    /// Labels of every series of a resource: `job`, `instance`, and what is promoted.
    fn shared(&self, resource: &Resource) -> Vec<(String, String)> {
        let mut shared = identity(resource);
        for one in &resource.attributes {
            if self.options.promote.iter().any(|name| **name == *one.key) {
                shared.push((self.options.naming.label(&one.key), one.value.to_string()));
            }
        }
        shared
    }

    fn metric(
        &mut self,
        mut reader: Reader<'_>,
        shared: &[(String, String)],
        times: &mut Option<(i64, i64)>,
    ) -> Result<(), Refusal> {
        let place = reader.offset();
        let mut header = Header::default();
        while let Some(field) = reader.next()? {
            match field.number {
                1 => header.name = field.text()?,
                2 => header.help = field.text()?,
                3 => header.unit = field.text()?,
                5 | 7 | 9 | 10 | 11 => header.data = Some(field),
                _ => {}
            }
        }
        let Some(data) = header.data else { return Ok(()) };
        let (mut temporality, mut is_monotonic) = (CUMULATIVE, false);
        if matches!(data.number, 7 | 9 | 10) {
            // The field is left out where it is zero, which is unspecified.
            temporality = UNSPECIFIED;
            let mut fields = data.message()?;
            while let Some(field) = fields.next()? {
                match field.number {
                    2 => temporality = field.uint()?,
                    3 => is_monotonic = field.bool()?,
                    _ => {}
                }
            }
        }
        let (shape, kind) = match data.number {
            7 if is_monotonic => (Shape::Counter, MetricKind::Counter),
            5 | 7 => (Shape::Gauge, MetricKind::Gauge),
            11 => (Shape::Other, MetricKind::Summary),
            _ => (Shape::Other, MetricKind::Histogram),
        };
        let name = self.options.naming.metric(header.name, header.unit, shape);
        if name.is_empty() {
            let refusal = Refusal::new(Reason::Labels, "a metric has no name");
            return self.accepted.refused.note(format_args!("metric at byte {place}"), refusal, 1);
        }
        let unit = unit_name(header.unit);
        self.sink.metadata(&name, Metadata { kind, unit: unit.into(), help: header.help.into() });
        let mut fields = data.message()?;
        while let Some(field) = fields.next()? {
            if field.number != 1 {
                continue;
            }
            let (point, body) = read(data.number, field.message()?)?;
            if temporality != DELTA && temporality != CUMULATIVE {
                let message =
                    format!("`{}` says neither that it is cumulative nor that it is delta", header.name);
                self.accepted.refused.note(
                    format_args!("metric at byte {place}"),
                    Refusal::new(Reason::Unsupported, message),
                    1,
                )?;
                continue;
            }
            *times = Some(times.map_or((point.time_ms, point.time_ms), |(first, last)| {
                (first.min(point.time_ms), last.max(point.time_ms))
            }));
            // Differences of what goes up and down are gauges of their own, which no total is made of.
            let adds = temporality == DELTA && (data.number != 7 || is_monotonic);
            let taken = self.point(&name, shared, point, body, adds);
            self.accepted.note(format_args!("`{}` at byte {}", header.name, field.offset()), taken, 1)?;
        }
        Ok(())
    }

    fn point(
        &mut self,
        name: &str,
        shared: &[(String, String)],
        mut point: Point,
        body: Body,
        adds: bool,
    ) -> Result<(), Refusal> {
        let labels = self.labels(name, shared, &point.attributes)?;
        let body = if adds && !point.is_stale { self.added(&labels, &mut point, body)? } else { body };
        match body {
            Body::Number(value) => {
                let series = self.sink.series(None, &labels)?;
                self.value(series, &point, value)?;
                self.exemplars(series, &point);
            }
            Body::Exponential(body) => self.native(&labels, &point, body.native(self.limits)?)?,
            Body::Native(histogram) => self.native(&labels, &point, *histogram)?,
            Body::Classic { count, sum, bounds, buckets } => {
                if buckets.len() != bounds.len() + 1 && !(buckets.is_empty() && bounds.is_empty()) {
                    let message =
                        format!("{} bounds need one bucket more, not {}", bounds.len(), buckets.len());
                    return Err(Refusal::new(Reason::Malformed, message));
                }
                if let Some(sum) = sum {
                    self.part(name, "_sum", &labels, None, &point, sum)?;
                }
                self.part(name, "_count", &labels, None, &point, count as f64)?;
                let mut running = 0_u64;
                for (bound, bucket) in bounds.iter().zip(&buckets) {
                    running = running.saturating_add(*bucket);
                    let series =
                        self.part(name, "_bucket", &labels, Some(("le", *bound)), &point, running as f64)?;
                    self.bucket_exemplars(series, &mut point, *bound);
                }
                let series =
                    self.part(name, "_bucket", &labels, Some(("le", f64::INFINITY)), &point, count as f64)?;
                self.bucket_exemplars(series, &mut point, f64::INFINITY);
            }
            Body::Summary { count, sum, quantiles } => {
                self.part(name, "_sum", &labels, None, &point, sum)?;
                self.part(name, "_count", &labels, None, &point, count as f64)?;
                for (quantile, value) in quantiles {
                    self.part(name, "", &labels, Some(("quantile", quantile)), &point, value)?;
                }
            }
        }
        Ok(())
    }

    /// What differences add up to.
    fn added(&mut self, labels: &Labels, point: &mut Point, body: Body) -> Result<Body, Refusal> {
        let delta = match &body {
            Body::Number(value) => Total::Number(*value),
            Body::Classic { count, sum, bounds, buckets } => Total::Classic {
                count: *count,
                sum: sum.unwrap_or(0.0),
                bounds: bounds.clone(),
                buckets: buckets.clone(),
            },
            Body::Exponential(body) => Total::Native(body.native(self.limits)?),
            Body::Summary { .. } | Body::Native(_) => return Ok(body),
        };
        let (total, start_ms) = self.deltas.add(labels.id(), point.start_ms, point.time_ms, delta)?;
        point.start_ms = start_ms;
        Ok(match total {
            Total::Number(value) => Body::Number(value),
            Total::Classic { count, sum, bounds, buckets } => {
                Body::Classic { count, sum: Some(sum), bounds, buckets }
            }
            Total::Native(histogram) => Body::Native(Box::new(histogram)),
        })
    }

    fn native(&mut self, labels: &Labels, point: &Point, histogram: IntHistogram) -> Result<(), Refusal> {
        let histogram = if point.is_stale {
            IntHistogram { sum: stale_nan(), ..IntHistogram::default() }
        } else {
            histogram
        };
        let series = self.sink.series(None, labels)?;
        self.sink.histogram(series, point.time_ms, HistogramSample::Int(histogram), point.start_ms)?;
        self.exemplars(series, point);
        Ok(())
    }

    fn value(&mut self, series: SeriesRef, point: &Point, value: f64) -> Result<(), Refusal> {
        let value = if point.is_stale { stale_nan() } else { value };
        self.sink.sample(series, point.time_ms, value, point.start_ms)
    }

    /// One of the series of a histogram or summary.
    fn part(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &Labels,
        bound: Option<(&str, f64)>,
        point: &Point,
        value: f64,
    ) -> Result<SeriesRef, Refusal> {
        self.builder.clear();
        for (label, text) in labels.iter() {
            self.builder.push(label, text);
        }
        self.builder.set(METRIC_NAME, &format!("{name}{suffix}"));
        if let Some((label, bound)) = bound {
            self.builder.set(label, &bound_text(bound));
        }
        let labels = self.builder.build().map_err(|error| Refusal::new(Reason::Labels, error.to_string()))?;
        let series = self.sink.series(None, &labels)?;
        self.value(series, point, value)?;
        Ok(series)
    }

    fn exemplars(&mut self, series: SeriesRef, point: &Point) {
        for exemplar in &point.exemplars {
            // An exemplar that is not taken loses no sample.
            let _ = self.sink.exemplar(series, exemplar.clone());
        }
    }

    /// Those that belong into the bucket that ends at `bound`.
    fn bucket_exemplars(&mut self, series: SeriesRef, point: &mut Point, bound: f64) {
        let sink = &mut *self.sink;
        point.exemplars.retain(|exemplar| {
            let here = exemplar.value <= bound || bound == f64::INFINITY;
            if here {
                let _ = sink.exemplar(series, exemplar.clone());
            }
            !here
        });
    }

    /// Labels of a series. Attributes whose names become the same have their values joined by `;`, in order of their own
    /// names; what names the target wins over attributes.
    fn labels(
        &mut self,
        name: &str,
        shared: &[(String, String)],
        attributes: &[(String, String)],
    ) -> Result<Labels, Refusal> {
        let naming = self.options.naming;
        let mut sorted: Vec<&(String, String)> = attributes.iter().collect();
        sorted.sort();
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in sorted {
            all.entry(naming.label(key))
                .and_modify(|text| *text = format!("{text};{value}"))
                .or_insert_with(|| value.clone());
        }
        for (key, value) in shared {
            all.insert(key.clone(), value.clone());
        }
        all.insert(METRIC_NAME.to_owned(), name.to_owned());
        if all.len() > self.limits.labels {
            let message = format!("a series has {} labels, more than {}", all.len(), self.limits.labels);
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        self.builder.clear();
        for (key, value) in &all {
            self.builder.push(key, value);
        }
        self.builder.build().map_err(|error| Refusal::new(Reason::Labels, error.to_string()))
    }

    /// `target_info`: what is known of the target beside its name. Only where there is a name to join it by.
    fn target_info(&mut self, resource: &Resource, time_ms: i64) -> Result<(), Refusal> {
        let identity = identity(resource);
        let known = ["service.name", "service.namespace", "service.instance.id"];
        let rest: Vec<(String, String)> = resource
            .attributes
            .iter()
            .filter(|one| !known.contains(&&*one.key))
            .map(|one| (one.key.to_string(), one.value.to_string()))
            .collect();
        if identity.is_empty() || rest.is_empty() {
            return Ok(());
        }
        let labels = self.labels("target_info", &identity, &rest)?;
        self.sink.metadata(
            "target_info",
            Metadata { kind: MetricKind::Gauge, help: "Target metadata".into(), ..Metadata::default() },
        );
        let series = self.sink.series(None, &labels)?;
        self.sink.sample(series, time_ms, 1.0, 0)
    }
}

/// `job` from the service's namespace and name, `instance` from its instance's id.
fn identity(resource: &Resource) -> Vec<(String, String)> {
    let value = |key: &str| {
        let found = resource.attributes.iter().find(|one| &*one.key == key);
        found.map(|one| one.value.to_string()).filter(|text| !text.is_empty())
    };
    let mut pairs = Vec::new();
    if let Some(name) = value("service.name") {
        let job = value("service.namespace").map_or_else(|| name.clone(), |space| format!("{space}/{name}"));
        pairs.push(("job".to_owned(), job));
    }
    if let Some(instance) = value("service.instance.id") {
        pairs.push(("instance".to_owned(), instance));
    }
    pairs
}

fn read(kind: u32, reader: Reader<'_>) -> Result<(Point, Body), WireError> {
    match kind {
        9 => point::classic(reader),
        10 => point::exponential(reader),
        11 => point::summary(reader),
        _ => point::number(reader),
    }
}

/// A bound as Prometheus writes it: `1`, `0.5`, `+Inf`.
fn bound_text(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".to_owned() } else { weir_signal::go_g(bound).to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::json::{Request, to_protobuf};
    use super::*;
    use crate::record::Recorder;

    fn decoded(metric: &str, options: &MetricOptions, deltas: &mut Deltas) -> (Recorder, Accepted) {
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[
                {{"key":"service.name","value":{{"stringValue":"shop"}}}},
                {{"key":"service.namespace","value":{{"stringValue":"eu"}}}},
                {{"key":"service.instance.id","value":{{"stringValue":"1"}}}},
                {{"key":"k8s.pod.name","value":{{"stringValue":"p"}}}}]}},
                "scopeMetrics":[{{"scope":{{"name":"lib","version":"2"}},"metrics":[{metric}]}}]}}]}}"#
        );
        let payload = to_protobuf(Request::Metrics, text.as_bytes()).unwrap();
        let mut sink = Recorder::new();
        let accepted = decode_metrics(&payload, &Limits::default(), options, deltas, &mut sink).unwrap();
        (sink, accepted)
    }

    fn check(metric: &str, expect: &str) {
        let (sink, accepted) = decoded(metric, &MetricOptions::default(), &mut Deltas::default());
        assert_eq!(accepted.refused.total(), 0, "{}", accepted.refused);
        let own: Vec<String> = sink
            .lines()
            .lines()
            .filter(|line| !line.starts_with("target_info"))
            .map(|line| {
                line.replace(", instance=\"1\", job=\"eu/shop\"", "")
                    .replace("instance=\"1\", job=\"eu/shop\"", "")
            })
            .collect();
        assert_eq!(own.join("\n"), expect);
    }

    #[test]
    fn a_gauge() {
        check(
            r#"{"name":"temp","unit":"Cel","gauge":{"dataPoints":[{"timeUnixNano":"2000000","asInt":"-3","attributes":[{"key":"room.no","value":{"intValue":7}}]}]}}"#,
            r#"temp_celsius{, room_no="7"} 2 -3 0"#,
        );
    }

    #[test]
    fn a_sum_that_grows_has_its_start() {
        check(
            r#"{"name":"io","unit":"By","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":"1000000","timeUnixNano":"2000000","asDouble":1.5}]}}"#,
            "io_bytes_total{} 2 1.5 1",
        );
    }

    #[test]
    fn a_sum_that_goes_up_and_down_is_a_gauge() {
        check(
            r#"{"name":"queue","sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE","dataPoints":[{"timeUnixNano":"2000000","asDouble":1}]}}"#,
            "queue{} 2 1 0",
        );
    }

    #[test]
    fn a_histogram_has_buckets_that_add_up() {
        check(
            r#"{"name":"d","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000","count":"6","sum":9.5,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,1]}]}}"#,
            "d_seconds_sum{} 2 9.5 0\nd_seconds_count{} 2 6 0\nd_seconds_bucket{, le=\"0.5\"} 2 1 0\nd_seconds_bucket{, le=\"1\"} 2 3 0\nd_seconds_bucket{, le=\"+Inf\"} 2 6 0",
        );
    }

    #[test]
    fn a_summary() {
        check(
            r#"{"name":"s","summary":{"dataPoints":[{"timeUnixNano":"2000000","count":"2","sum":3,"quantileValues":[{"quantile":0.5,"value":1}]}]}}"#,
            "s_sum{} 2 3 0\ns_count{} 2 2 0\ns{, quantile=\"0.5\"} 2 1 0",
        );
    }

    #[test]
    fn a_series_that_ended_is_marked() {
        let metric = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000","flags":1}]}}"#;
        let (sink, _) = decoded(metric, &MetricOptions::default(), &mut Deltas::default());
        assert!(weir_signal::is_stale(sink.samples[0].2));
    }

    #[test]
    fn an_exponential_histogram_is_native() {
        let metric = r#"{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000","count":"7","sum":3,"scale":9,"zeroCount":"1","positive":{"offset":-1,"bucketCounts":["1","2","3"]}}]}}"#;
        let (sink, accepted) = decoded(metric, &MetricOptions::default(), &mut Deltas::default());
        assert_eq!(accepted.items, 1);
        let HistogramSample::Int(histogram) = &sink.histograms[0].2 else { panic!("{sink:?}") };
        assert_eq!((histogram.schema, histogram.zero_count, histogram.zero_threshold), (8, 1, 1e-128));
        // Buckets -1, 0, 1 of scale 9 are -1, 0, 0 of scale 8, one further on in Prometheus' counting.
        assert_eq!(
            super::super::point::dense(&histogram.positive).into_iter().collect::<Vec<_>>(),
            [(0, 1), (1, 5)]
        );
        histogram.validate().unwrap();
    }

    #[test]
    fn the_target_is_described() {
        let metric = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000","asDouble":1}]}}"#;
        let (sink, _) = decoded(metric, &MetricOptions::default(), &mut Deltas::default());
        let line = sink.lines().lines().last().unwrap().to_owned();
        assert_eq!(line, r#"target_info{instance="1", job="eu/shop", k8s_pod_name="p"} 2 1 0"#);
    }

    #[test]
    fn attributes_are_promoted_and_the_scope_too() {
        let metric = r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000","asDouble":1}]}}"#;
        let options =
            MetricOptions { promote: vec!["k8s.pod.name".into()], promote_scope: true, naming: Naming::AsIs };
        let (sink, _) = decoded(metric, &options, &mut Deltas::default());
        assert_eq!(
            sink.lines().lines().next().unwrap(),
            r#"g{instance="1", job="eu/shop", "k8s.pod.name"="p", otel_scope_name="lib", otel_scope_version="2"} 2 1 0"#
        );
    }

    #[test]
    fn names_that_become_the_same_are_joined() {
        check(
            r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"2000000","asDouble":1,"attributes":[{"key":"a_b","value":{"stringValue":"2"}},{"key":"a.b","value":{"stringValue":"1"}}]}]}}"#,
            r#"g{a_b="1;2"} 2 1 0"#,
        );
    }

    #[test]
    fn deltas_add_up() {
        let mut deltas = Deltas::default();
        let metric = |time: u32, value: u32| {
            format!(
                r#"{{"name":"c","sum":{{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{{"startTimeUnixNano":"1000000","timeUnixNano":"{time}000000","asInt":"{value}"}}]}}}}"#
            )
        };
        let mut value = |time, value| {
            let (sink, accepted) = decoded(&metric(time, value), &MetricOptions::default(), &mut deltas);
            (sink.samples.first().map(|sample| sample.2), accepted.refused.total())
        };
        assert_eq!(value(2, 5), (Some(5.0), 0));
        assert_eq!(value(3, 2), (Some(7.0), 0));
        assert_eq!(value(3, 2).1, 1);
        let histogram = |time: u32| {
            format!(
                r#"{{"name":"e","exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"{time}000000","count":"1","sum":3,"scale":1,"positive":{{"offset":{time},"bucketCounts":["1"]}}}}]}}}}"#
            )
        };
        decoded(&histogram(2), &MetricOptions::default(), &mut deltas);
        let (sink, _) = decoded(&histogram(3), &MetricOptions::default(), &mut deltas);
        let HistogramSample::Int(total) = &sink.histograms[0].2 else { panic!("{sink:?}") };
        assert_eq!((total.count, total.positive.counts.len()), (2, 2));
        total.validate().unwrap();
    }

    #[test]
    fn what_says_no_temporality_is_refused() {
        let metric = r#"{"name":"c","sum":{"isMonotonic":true,"dataPoints":[{"timeUnixNano":"2000000","asInt":"1"}]}}"#;
        let (sink, accepted) = decoded(metric, &MetricOptions::default(), &mut Deltas::default());
        assert_eq!((sink.samples.len(), accepted.refused.total()), (0, 1));
    }
}
