//! Spans as SDKs send them: of a small shop, HTTP and database, with ten attributes each, of few values and of many.

use std::sync::Arc;
use std::time::Instant;

use weir_signal::{
    InstrumentationScope, Resource, SpanCondition, SpanEvent, SpanField, SpanId, SpanKind, SpanTest, Status,
};

use super::*;

/// Traces of one to two services and a database, four or five spans each.
struct Shop {
    seed: u64,
    time_ns: i64,
    resources: [Arc<Resource>; 3],
    scope: Arc<InstrumentationScope>,
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "okhttp/4.12.0",
    "curl/8.9.1",
];

impl Shop {
    fn new() -> Self {
        let resource = |service: &str| {
            let attributes = [
                ("telemetry.sdk.language", "python"),
                ("telemetry.sdk.name", "opentelemetry"),
                ("telemetry.sdk.version", "1.36.0"),
                ("service.name", service),
                ("service.version", "1.4.2"),
                ("host.name", &format!("{service}-7d9f")),
            ];
            let attributes = attributes.map(|(key, value)| Attribute::string(key, value)).to_vec();
            Arc::new(Resource { attributes, ..Resource::default() })
        };
        Self {
            seed: 7,
            time_ns: 1_763_000_000_000_000_000,
            resources: ["edge", "orders", "payments"].map(resource),
            scope: Arc::new(InstrumentationScope {
                name: "shop".into(),
                version: "0.9.0".into(),
                ..Default::default()
            }),
        }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.seed;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn http(&mut self, route: &str, order: u64) -> Vec<Attribute> {
        let int = |key: &str, value: i64| Attribute { key: key.into(), value: Value::Int(value) };
        let address = format!("203.0.{}.{}", self.below(8), self.below(256));
        let user = format!("user-{}", self.below(5000));
        vec![
            Attribute::string("http.request.method", self.pick(&["GET", "GET", "POST"])),
            Attribute::string("http.route", route),
            int("http.response.status_code", self.pick(&[200, 200, 200, 201, 404, 500])),
            Attribute::string("url.path", &route.replace("{id}", &order.to_string())),
            Attribute::string("server.address", "shop.example.com"),
            int("server.port", 443),
            Attribute::string("client.address", &address),
            Attribute::string("user_agent.original", self.pick(&AGENTS)),
            Attribute::string("enduser.id", &user),
            Attribute::string("network.protocol.version", "1.1"),
        ]
    }

    fn database(&mut self, order: u64) -> Vec<Attribute> {
        let int = |key: &str, value: i64| Attribute { key: key.into(), value: Value::Int(value) };
        vec![
            Attribute::string("db.system.name", "mysql"),
            Attribute::string("db.namespace", "shop"),
            Attribute::string("db.operation.name", "SELECT"),
            Attribute::string("db.collection.name", "orders"),
            Attribute::string("db.query.text", &format!("SELECT * FROM orders WHERE id = {order}")),
            int("db.response.returned_rows", self.below(40) as i64),
            Attribute::string("server.address", "db1.internal"),
            int("server.port", 3306),
            Attribute::string("network.peer.address", "10.0.4.17"),
            int("thread.id", self.below(64) as i64),
        ]
    }

    fn span(&mut self, trace: TraceId, parent: SpanId, service: usize, name: &str, kind: SpanKind) -> Span {
        self.time_ns += 20_000 + self.below(60_000) as i64;
        Span {
            trace,
            id: SpanId(self.next().to_be_bytes()),
            parent,
            flags: 0x101,
            name: name.into(),
            kind,
            start_ns: self.time_ns,
            end_ns: self.time_ns + 100_000 + self.below(200_000) as i64,
            resource: Arc::clone(&self.resources[service]),
            scope: Arc::clone(&self.scope),
            ..Span::default()
        }
    }

    /// The spans of one trace.
    fn trace(&mut self) -> Vec<Span> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&self.next().to_be_bytes());
        let (trace, order) = (TraceId(id), self.below(100_000_000));
        let none = SpanId::default();
        let mut edge = self.span(trace, none, 0, "GET /orders/{id}", SpanKind::Server);
        edge.attributes = self.http("/orders/{id}", order);
        let mut load = self.span(trace, edge.id, 1, "load", SpanKind::Server);
        load.attributes = self.http("/v1/orders/{id}", order);
        let mut spans = Vec::new();
        for _ in 0..=self.below(2) {
            let mut select = self.span(trace, load.id, 1, "SELECT orders", SpanKind::Client);
            select.attributes = self.database(order);
            spans.push(select);
        }
        let mut charge = self.span(trace, edge.id, 2, "charge", SpanKind::Internal);
        charge.attributes = self.http("/v1/charges", order);
        if self.below(50) == 0 {
            charge.status = Status::Error;
            charge.status_message = "declined".into();
            charge.events.push(SpanEvent {
                time_ns: charge.start_ns + self.below(100_000) as i64,
                name: "declined".into(),
                attributes: vec![Attribute::string("reason", self.pick(&["limit", "expired"]))],
                dropped_attributes: 0,
            });
        }
        self.time_ns += 50_000 + self.below(1000) as i64;
        load.end_ns = self.time_ns;
        self.time_ns += 30_000 + self.below(1000) as i64;
        edge.end_ns = self.time_ns;
        spans.push(charge);
        spans.splice(0..0, [edge, load]);
        spans
    }
}

/// What a span takes in OTLP's protobuf, in its list of spans.
fn otlp_bytes(span: &Span) -> usize {
    let varint = |value: u64| (64 - (value | 1).leading_zeros() as usize).div_ceil(7);
    let field = |length: usize| 1 + varint(length as u64) + length;
    let attribute = |attribute: &Attribute| {
        let value = match &attribute.value {
            Value::String(text) => field(text.len()),
            Value::Int(number) => 1 + varint(number.cast_unsigned()),
            other => panic!("{other} is not made here"),
        };
        field(field(attribute.key.len()) + field(value))
    };
    let attributes = |attributes: &[Attribute]| attributes.iter().map(attribute).sum::<usize>();
    let event = |event: &SpanEvent| field(9 + field(event.name.len()) + attributes(&event.attributes));
    let parent = if span.parent.is_zero() { 0 } else { 10 };
    let status = if span.status == Status::Unset { 2 } else { field(field(span.status_message.len()) + 2) };
    // Trace, span and parent; kind; start and end; flags.
    let fixed = 18 + 10 + parent + 2 + 18 + 6;
    let parts = attributes(&span.attributes) + span.events.iter().map(event).sum::<usize>();
    field(fixed + field(span.name.len()) + parts + status)
}

/// Writes so many spans; gives the files, the bytes of OTLP, and how many spans a second were written.
fn write(count: usize, options: SpanWriterOptions) -> (Files, usize, f64) {
    let mut shop = Shop::new();
    let mut writer = SpanSegmentWriter::new(options);
    let (mut data, mut spans, mut bytes, mut time) = (Vec::new(), 0, 0, Duration::ZERO);
    while spans < count {
        let some: Vec<Span> = (0..1000).flat_map(|_| shop.trace()).collect();
        bytes += some.iter().map(otlp_bytes).sum::<usize>();
        let begin = worked();
        for span in &some {
            writer.push(span).unwrap();
        }
        data.extend(writer.take_data());
        time += worked_since(begin);
        spans += some.len();
    }
    let begin = worked();
    let finished = writer.finish();
    time += worked_since(begin);
    data.extend(finished.data);
    (Files([data, finished.index, finished.filter]), bytes, spans as f64 / time.as_secs_f64())
}

/// How many times smaller than OTLP it is.
fn check(count: usize, options: SpanWriterOptions) -> f64 {
    let (files, otlp, speed) = write(count, options);
    let begin = Instant::now();
    let segment = files.open().unwrap();
    let opening = begin.elapsed();
    let spans = segment.summary().spans;
    let ratio = otlp as f64 / files.size() as f64;
    println!(
        "{:?}: {spans} spans, {:.1} bytes each as OTLP, in {} blocks -> data {} + index {} + filter {}: {:.2} bytes a span, \
         {ratio:.1} : 1; in {speed:.0} spans/s; opened in {opening:?}",
        options.effort,
        otlp as f64 / spans as f64,
        segment.summary().blocks,
        files.0[0].len(),
        files.0[1].len(),
        files.0[2].len(),
        files.size() as f64 / spans as f64,
    );
    let (mut shop, mut slowest) = (Shop::new(), [Duration::ZERO; 2]);
    for _ in 0..20 {
        let trace = shop.trace();
        let begin = Instant::now();
        let found = segment.trace(trace[0].trace).unwrap();
        slowest[0] = slowest[0].max(begin.elapsed());
        assert_eq!(found, trace);
        // A value that hardly any other trace has.
        let path = trace[0].attributes[3].value.clone();
        let condition =
            SpanCondition { field: SpanField::Span("url.path".into()), test: SpanTest::Equal(path) };
        let begin = Instant::now();
        let candidates = segment.candidates(i64::MIN, i64::MAX, Some(&condition), &mut Strict).unwrap();
        let mut found = Vec::new();
        for info in &candidates {
            let block = segment.read(info.number).unwrap();
            for fragment in block.matching(&condition).unwrap() {
                found.push(block.fragment(fragment as usize).unwrap());
            }
        }
        slowest[1] = slowest[1].max(begin.elapsed());
        assert!(found.contains(&trace) && candidates.len() <= 8, "{} blocks", candidates.len());
    }
    println!("  slowest of 20: a trace by id {:?}, traces by an attribute {:?}", slowest[0], slowest[1]);
    if cfg!(not(debug_assertions)) {
        assert!(slowest[0] < Duration::from_millis(10) && slowest[1] < Duration::from_millis(100));
    }
    ratio
}

#[test]
fn spans_with_ten_attributes_become_small() {
    let mut shop = Shop::new();
    let spans: Vec<_> = (0..3000).flat_map(|_| shop.trace()).collect();
    let files = Files::write(&spans, SMALL);
    assert!(by_trace(&read_all(&files.open().unwrap())) == by_trace(&spans), "other spans came back");
    assert!(check(20_000, SMALL) >= 12.7);
    assert!(check(20_000, FAST) >= 8.0);
}

/// In release: `cargo test --release -p weir-block spans::tests::sdk -- --ignored --nocapture`.
#[test]
#[ignore = "takes a minute, and says something about speed only in release"]
fn ten_million_spans_are_small_and_quickly_found() {
    assert!(check(1_000_000, FAST) >= 8.0);
    assert!(check(10_000_000, SMALL) >= 12.7);
}
