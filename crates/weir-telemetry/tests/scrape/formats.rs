//! Formats, labels, times.

use weir_signal::{Limits, Scope, SeriesSelect, SeriesSource, Tenant};

use crate::support::{Last, Target, Weir, answer, text};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[tokio::test(flavor = "multi_thread")]
async fn text_is_kept_with_the_labels_of_its_target() {
    let body =
        "# HELP m What it is.\n# TYPE m gauge\nm{job=\"own\",a=\"1\"} 5\nm{a=\"2\"} 6\ngone{a=\"3\"} 7\n";
    let target = Target::start(text(body)).await;
    let address = target.address;
    let jobs = format!(
        "    - name: j\n      targets: [\"{address}\"]\n      interval: 200ms\n      labels: {{env: prod}}\n      \
         params: {{module: x}}\n      metric_relabel:\n        - {{source_labels: [__name__], regex: gone, action: drop}}\n        \
         - {{source_labels: [a], regex: 2, target_label: two, replacement: \"yes\"}}\n"
    );
    let weir = Weir::start(&jobs).await;
    target.asked(2).await;
    let series: Vec<String> = weir.samples("m").iter().map(|(labels, _)| labels.to_string()).collect();
    let expect = [
        format!(r#"m{{a="1", env="prod", exported_job="own", instance="{address}", job="j"}}"#),
        format!(r#"m{{a="2", env="prod", instance="{address}", job="j", two="yes"}}"#),
    ];
    assert_eq!(series, expect);
    assert!(weir.samples("gone").is_empty());
    let last = |name: &str| weir.last(name, "env=\"prod\"").value();
    assert_eq!(last("up"), Some(1.0));
    assert_eq!(last("scrape_samples_scraped"), Some(3.0));
    assert_eq!(last("scrape_samples_post_metric_relabeling"), Some(2.0));
    assert_eq!(last("scrape_series_added"), Some(0.0));
    assert!(last("scrape_duration_seconds").is_some_and(|seconds| seconds > 0.0 && seconds < 5.0));
    let added = weir.samples("scrape_series_added")[0].1.values[0];
    assert!((added - 2.0).abs() < f64::EPSILON);

    // What is asked, and how.
    let (path, headers) = target.requests()[0].clone();
    assert_eq!(path, "/metrics?module=x");
    assert!(headers["accept"].to_str().unwrap().starts_with("application/vnd.google.protobuf"));
    assert_eq!(headers["accept-encoding"], "gzip");
    assert_eq!(headers["x-prometheus-scrape-timeout-seconds"], "0.2");
    assert_eq!(headers["host"], address.to_string());
    assert!(headers["user-agent"].to_str().unwrap().starts_with("Weir/"));
    assert_eq!(target.connections(), 1, "one connection for all");

    let scope = Scope::new(Tenant::default(), Limits::default());
    let (name, metadata) = weir.store().metadata(&scope, Some("m")).unwrap().remove(0);
    assert_eq!((&*name, &*metadata.help), ("m", "What it is."));

    let seen = weir.target("j").await;
    assert_eq!(seen["health"], "up");
    assert_eq!(seen["lastError"], "");
    assert_eq!(seen["scrapePool"], "j");
    assert_eq!(seen["scrapeUrl"], format!("http://{address}/metrics?module=x"));
    assert_eq!(seen["scrapeInterval"], "200ms");
    assert_eq!(seen["labels"]["env"], "prod");
    assert_eq!(seen["discoveredLabels"]["__param_module"], "x");
    assert!(seen["lastScrape"].as_str().unwrap().starts_with("20"));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_lie_on_a_grid() {
    let target = Target::start(text("m 1\n")).await;
    let weir =
        Weir::start(&format!("    - {{name: j, targets: [\"{}\"], interval: 250ms}}\n", target.address))
            .await;
    target.asked(6).await;
    let times = weir.samples("m")[0].1.times.clone();
    assert_eq!(weir.samples("up")[0].1.times[..times.len()], times, "all of one scrape bears one time");
    let phase = |time: &i64| time % 250;
    let most =
        times.iter().map(|time| times.iter().filter(|other| phase(other) == phase(time)).count()).max();
    // A busy machine may be late for some.
    assert!(most.unwrap() * 2 > times.len(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openmetrics_is_kept_with_its_times_and_exemplars() {
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let body = format!(
        "# TYPE c counter\nc_total{{a=\"1\"}} 5 # {{trace_id=\"abc\"}} 0.5\nc_created{{a=\"1\"}} {}\n\
         # TYPE g gauge\ng 7 {}\n# EOF\n",
        now_s - 60,
        now_s - 5
    );
    let target = Target::start(answer(OPEN_METRICS, body)).await;
    let at = target.address;
    let weir = Weir::start(&format!(
        "    - {{name: honors, targets: [\"{at}\"], interval: 200ms}}\n    \
         - {{name: not, targets: [\"{at}\"], interval: 200ms, honor_timestamps: false}}\n"
    ))
    .await;
    weir.becomes("c_total", "honors", 5.0).await;
    weir.becomes("g", "honors", 7.0).await;
    weir.becomes("g", "not", 7.0).await;
    let all = weir.samples("g");
    let of = |job: &str| all.iter().find(|(labels, _)| labels.get("job") == Some(job)).unwrap().1.clone();
    assert_eq!(of("honors").times, [(now_s as i64 - 5) * 1000]);
    assert!(of("not").times[0] > (now_s as i64 - 5) * 1000);
    let counter = &weir.samples("c_total")[0].1;
    assert_eq!(counter.start(0), (now_s as i64 - 60) * 1000);
    assert!(weir.samples("c_created").is_empty());
    let scope = Scope::new(Tenant::default(), Limits::default());
    let select = SeriesSelect { from_ms: 0, to_ms: i64::MAX / 2, ..SeriesSelect::default() };
    let exemplars = weir.store().exemplars(&scope, &select).unwrap();
    assert_eq!(exemplars[0].1[0].labels.get("trace_id"), Some("abc"));

    // What has times of its own does not end; what has none does.
    target.says(answer(OPEN_METRICS, "# EOF\n"));
    weir.ends("c_total", "honors").await;
    weir.ends("g", "not").await;
    assert_eq!(weir.last("g", "honors"), Last::Value(7.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_is_kept_and_changing_the_format_ends_nothing() {
    // MetricFamily { name: "m", type: GAUGE, metric: { label: { "a": "1" }, gauge: { value: 5 } } }
    let mut metric = b"\x0a\x06\x0a\x01a\x12\x011\x12\x09\x09".to_vec();
    metric.extend_from_slice(&5.0_f64.to_le_bytes());
    let mut family = b"\x0a\x01m\x18\x01\x22".to_vec();
    family.push(metric.len() as u8);
    family.extend_from_slice(&metric);
    let body = [&[family.len() as u8][..], &family].concat();
    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let target = Target::start(answer(kind, body)).await;
    let weir =
        Weir::start(&format!("    - {{name: j, targets: [\"{}\"], interval: 200ms}}\n", target.address))
            .await;
    weir.becomes("m", "a=\"1\"", 5.0).await;
    target.says(text("m{a=\"1\"} 6\n"));
    weir.becomes("m", "a=\"1\"", 6.0).await;
    target.asked(1).await;
    let (_, points) = weir.samples("m").remove(0);
    assert!(points.values.iter().all(|value| !weir_signal::is_stale(*value)), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn honor_labels_lets_the_target_win() {
    let body = "m{job=\"own\",instance=\"\"} 1\n";
    let target = Target::start(text(body)).await;
    let weir = Weir::start(&format!(
        "    - {{name: j, targets: [\"{}\"], interval: 200ms, honor_labels: true, labels: {{env: prod}}}}\n",
        target.address
    ))
    .await;
    weir.becomes("m", "", 1.0).await;
    assert_eq!(weir.samples("m")[0].0.to_string(), r#"m{env="prod", job="own"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_are_asked_for_and_read_as_the_job_says() {
    let loose = Target::start(answer("text/html", "m 1\n")).await;
    let strict = Target::start(answer("", "m 1\n")).await;
    let job = |name: &str, target: &Target, keys: &str| {
        let address = target.address;
        format!("    - {{ name: {name}, targets: [\"{address}\"], interval: 200ms{keys} }}\n")
    };
    let jobs = [
        job("loose", &loose, ", protocols: [OpenMetricsText1.0.0, PrometheusText0.0.4]"),
        job("strict", &strict, ", fallback_protocol: none"),
        job("wrong", &strict, ", fallback_protocol: OpenMetricsText1.0.0"),
    ];
    let weir = Weir::start(&jobs.concat()).await;
    weir.becomes("m", "job=\"loose\"", 1.0).await;
    let accept = loose.requests()[0].1["accept"].to_str().unwrap().to_owned();
    let expect = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    assert_eq!(accept, expect);
    weir.fails("strict", "set `fallback_protocol` for this job").await;
    // As OpenMetrics the same text lacks its end.
    weir.fails("wrong", "EOF").await;
    // Its type says what it is, whatever the fallback.
    strict.says(answer(OPEN_METRICS, "m 2\n# EOF\n"));
    weir.becomes("m", "job=\"strict\"", 2.0).await;
}
