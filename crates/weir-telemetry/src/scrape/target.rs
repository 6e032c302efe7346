//! From the labels that discovery found to what is asked: relabelling, address, interval. Pure.
//!
//! Labels with two underscores in front say how a target is asked, as with Prometheus: `__address__`, `__scheme__`,
//! `__metrics_path__`, `__param_NAME`, `__scrape_interval__`, `__scrape_timeout__`. Those that begin with `__meta_` are for
//! relabelling only. None of them is kept with the series.

use std::fmt::{self, Write as _};
use std::time::Duration;

use weir_model::ScrapeJob;
use weir_signal::{Labels, LabelsBuilder};

use super::relabel::Rules;
use crate::query::params::duration_ms;

/// The label with the address that discovery found.
pub(super) const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__metrics_path__";
const PARAM: &str = "__param_";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";

/// Where metrics are asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Url {
    /// `https` or `http`.
    pub(crate) https: bool,
    /// Host, and port where one was given.
    pub(crate) authority: String,
    /// Path and query, escaped.
    pub(crate) path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(out, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// What is asked, how often, and under which labels its series are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    /// Labels before relabelling.
    pub(crate) discovered: Labels,
    /// Labels of all series.
    pub(crate) labels: Labels,
    /// What is asked.
    pub(crate) url: Url,
    /// How often.
    pub(crate) interval: Duration,
    /// How long one answer may take.
    pub(crate) timeout: Duration,
}

impl Spec {
    /// Names the target: two with the same labels and address are one.
    pub(crate) fn id(&self) -> u128 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&self.labels.id().to_le_bytes());
        hash.update(format!("{} {:?} {:?}", self.url, self.interval, self.timeout).as_bytes());
        hash.digest128()
    }
}

/// What relabelling made of a discovered target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is to be asked.
    Asked(Box<Spec>),
    /// A rule dropped it; these were its labels.
    Dropped(Labels),
    /// It can't be asked, and why.
    Invalid(String),
}

/// Relabels a discovered target of a job.
pub(crate) fn judge(job: &ScrapeJob, rules: &Rules, found: &Labels) -> Verdict {
    match spec(job, rules, found) {
        Ok(verdict) => verdict,
        Err(why) => Verdict::Invalid(format!("target {found} of job `{}`: {why}", job.name)),
    }
}

fn spec(job: &ScrapeJob, rules: &Rules, found: &Labels) -> Result<Verdict, String> {
    let mut labels = LabelsBuilder::from(found);
    let set_default = |labels: &mut LabelsBuilder, name: &str, value: &str| {
        if labels.get(name).unwrap_or_default().is_empty() {
            labels.set(name, value);
        }
    };
    for (name, value) in &job.labels {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    }
    set_default(&mut labels, "job", &job.name);
    set_default(&mut labels, INTERVAL, &duration(job.interval));
    set_default(&mut labels, TIMEOUT, &duration(job.timeout.min(job.interval)));
    set_default(&mut labels, PATH, &job.path);
    set_default(&mut labels, SCHEME, if job.https { "https" } else { "http" });
    for (name, value) in &job.params {
        set_default(&mut labels, &format!("{PARAM}{name}"), value);
    }
    let discovered = labels.clone().build().map_err(|error| error.to_string())?;
    if !rules.keep(&mut labels) {
        return Ok(Verdict::Dropped(discovered));
    }
    let get = |name: &str| labels.get(name).unwrap_or_default().to_owned();
    let authority = get(ADDRESS);
    if authority.is_empty() {
        return Err(format!("it has no `{ADDRESS}`; a rule must not take it away"));
    }
    if authority.parse::<http::uri::Authority>().is_err() || authority.contains('@') {
        return Err(format!("`{authority}` is no host with or without a port"));
    }
    let https = match &*get(SCHEME) {
        "http" => false,
        "https" => true,
        other => return Err(format!("`{SCHEME}` is `{other}`; it may be `http` or `https`")),
    };
    let (interval, timeout) = (time(INTERVAL, &get(INTERVAL))?, time(TIMEOUT, &get(TIMEOUT))?);
    if timeout > interval {
        return Err(format!("`{TIMEOUT}` ({timeout:?}) is longer than `{INTERVAL}` ({interval:?})"));
    }
    let url = Url { https, authority, path: path_and_query(&labels, job) };
    set_default(&mut labels, "instance", &url.authority);
    let all = labels.build().map_err(|error| error.to_string())?;
    let labels = all.without(|name| name.starts_with("__"));
    Ok(Verdict::Asked(Box::new(Spec { discovered, labels, url, interval, timeout })))
}

fn time(name: &str, text: &str) -> Result<Duration, String> {
    match duration_ms(text) {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(ms as u64)),
        _ => Err(format!("`{name}` is `{text}`; it has to be a duration above zero such as `15s`")),
    }
}

/// The path, and behind it the parameters in the order of their names.
fn path_and_query(labels: &LabelsBuilder, job: &ScrapeJob) -> String {
    let path = labels.get(PATH).unwrap_or_default();
    let mut out = if path.starts_with('/') { String::new() } else { "/".to_owned() };
    escape(&mut out, path, b"-_.~$&+,/:;=@");
    let first_of_config =
        |at: usize, name: &str| job.params[..at].iter().all(|(before, _)| **before != *name);
    let mut params: Vec<(&str, &str)> = Vec::new();
    for (at, (name, value)) in job.params.iter().enumerate() {
        // The first of each name is among the labels, where rules can change it.
        if !first_of_config(at, name) {
            params.push((name, value));
        }
    }
    let from_labels = labels.iter().filter_map(|(name, value)| Some((name.strip_prefix(PARAM)?, value)));
    params.splice(0..0, from_labels);
    params.sort_by_key(|&(name, _)| name);
    for (at, (name, value)) in params.into_iter().enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        escape(&mut out, name, b"-_.~");
        out.push('=');
        escape(&mut out, value, b"-_.~");
    }
    out
}

/// Appends `text` with everything but letters, digits and `plain` escaped (RFC 3986, section 2.1).
fn escape(out: &mut String, text: &str, plain: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// As Prometheus writes durations: `1m30s`; years and weeks only where nothing is left over.
pub(crate) fn duration(time: Duration) -> String {
    let mut ms = time.as_millis() as u64;
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    let units = [
        ("y", 31_536_000_000, true),
        ("w", 604_800_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    for (unit, size, only_whole) in units {
        if ms >= size && (!only_whole || ms.is_multiple_of(size)) {
            let _ = write!(out, "{}{unit}", ms / size);
            ms %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_model::{Relabel, RelabelAction, ScrapeTls};

    use super::*;

    pub(crate) fn job() -> ScrapeJob {
        ScrapeJob {
            name: "node".into(),
            targets: Vec::new(),
            files: Vec::new(),
            dns: Vec::new(),
            labels: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            https: false,
            path: "/metrics".into(),
            params: Vec::new(),
            honor_labels: false,
            honor_timestamps: true,
            authorization: None,
            tls: ScrapeTls::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            protocols: weir_model::ScrapeProtocol::ALL.to_vec(),
            fallback_protocol: None,
            samples_max: None,
            body_bytes_max: 1 << 20,
        }
    }

    fn replace(source: &str, target: &str, replacement: &str) -> Relabel {
        Relabel {
            source_labels: vec![source.into()],
            separator: ";".into(),
            regex: "(.*)".into(),
            modulus: 0,
            target_label: target.into(),
            replacement: replacement.into(),
            action: RelabelAction::Replace,
        }
    }

    #[track_caller]
    fn check(job: &ScrapeJob, found: &[(&str, &str)], expect: Result<(&str, &str), &str>) {
        let rules = Rules::new(&job.relabel).unwrap();
        let found = Labels::from_pairs(found.iter().copied()).unwrap();
        match (judge(job, &rules, &found), expect) {
            (Verdict::Asked(spec), Ok((url, labels))) => {
                assert_eq!((&*spec.url.to_string(), &*spec.labels.to_string()), (url, labels));
            }
            (Verdict::Invalid(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (Verdict::Dropped(_), Err("dropped")) => {}
            (other, _) => panic!("{other:?} for {expect:?}"),
        }
    }

    #[test]
    fn labels_say_how_a_target_is_asked() {
        let plain = job();
        let mut own = job();
        own.labels = vec![("env".into(), "prod".into()), ("job".into(), "other".into())];
        own.params = vec![("module".into(), "a b".into()), ("collect".into(), "cpu".into())];
        let host = (ADDRESS, "h:9100");
        check(&plain, &[host], Ok(("http://h:9100/metrics", r#"{instance="h:9100", job="node"}"#)));
        check(
            &own,
            &[host, ("env", "test"), ("__meta_x", "1")],
            Ok((
                "http://h:9100/metrics?collect=cpu&module=a%20b",
                r#"{env="test", instance="h:9100", job="other"}"#,
            )),
        );
        check(
            &plain,
            &[("__address__", "[::1]"), ("__scheme__", "https"), (PATH, "probe?"), ("__param_q", "1&2")],
            Ok(("https://[::1]/probe%3F?q=1%262", r#"{instance="[::1]", job="node"}"#)),
        );
        let mut blackbox = job();
        blackbox.relabel = vec![
            replace(ADDRESS, "__param_target", "$1"),
            replace("__param_target", "instance", "$1"),
            replace("none", ADDRESS, "127.0.0.1:9115"),
        ];
        check(
            &blackbox,
            &[(ADDRESS, "https://example.com/x")],
            Ok((
                "http://127.0.0.1:9115/metrics?target=https%3A%2F%2Fexample.com%2Fx",
                r#"{instance="https://example.com/x", job="node"}"#,
            )),
        );
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        let plain = job();
        check(&plain, &[("a", "b")], Err("no `__address__`"));
        check(&plain, &[(ADDRESS, "h/x")], Err("`h/x` is no host"));
        check(&plain, &[(ADDRESS, "u@h")], Err("`u@h` is no host"));
        check(&plain, &[(ADDRESS, "h"), (SCHEME, "ftp")], Err("`ftp`"));
        check(&plain, &[(ADDRESS, "h"), (INTERVAL, "5")], Err("longer"));
        check(&plain, &[(ADDRESS, "h"), (INTERVAL, "soon")], Err("duration"));
        check(&plain, &[(ADDRESS, "h"), (TIMEOUT, "0s")], Err("above zero"));
        let mut dropping = job();
        dropping.relabel = vec![Relabel { action: RelabelAction::Drop, ..replace("job", "", "") }];
        check(&dropping, &[(ADDRESS, "h")], Err("dropped"));
    }

    #[test]
    fn intervals_of_a_target_are_its_own() {
        let found = Labels::from_pairs([(ADDRESS, "h"), (INTERVAL, "1m"), (TIMEOUT, "1500ms")]).unwrap();
        let Verdict::Asked(spec) = judge(&job(), &Rules::default(), &found) else { panic!("dropped") };
        assert_eq!((spec.interval, spec.timeout), (Duration::from_mins(1), Duration::from_millis(1500)));
        let plain = Labels::from_pairs([(ADDRESS, Arc::from("h"))] as [(&str, Arc<str>); 1]).unwrap();
        let Verdict::Asked(other) = judge(&job(), &Rules::default(), &plain) else { panic!("dropped") };
        assert_ne!(spec.id(), other.id());
    }

    #[test]
    fn durations_are_written_as_prometheus_does() {
        let check = |ms: u64, expect: &str| assert_eq!(duration(Duration::from_millis(ms)), expect);
        check(0, "0s");
        check(5000, "5s");
        check(90_000, "1m30s");
        check(100, "100ms");
        check(604_800_000, "1w");
        check(691_200_000, "8d");
        check(31_536_000_000, "1y");
        check(3_600_500, "1h500ms");
    }
}
