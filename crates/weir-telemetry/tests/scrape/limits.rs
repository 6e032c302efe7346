//! Answers that are too large, too many, too slow.

use std::io::Write as _;
use std::time::Duration;

use crate::support::{Answer, Target, Weir, text};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn compressed(body: &[u8]) -> Answer {
    let mut answer = text("");
    answer.headers.push(("content-encoding", "gzip".into()));
    answer.body = gzip(body);
    answer
}

/// Many series.
fn many(count: usize) -> String {
    (0..count).fold(String::new(), |all, n| all + &format!("m{{n=\"{n}\"}} {n}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_answers_are_read_and_bombs_are_not() {
    let target = Target::start(compressed(many(5000).as_bytes())).await;
    let weir = Weir::start(&format!(
        "    - {{name: j, targets: [\"{}\"], interval: 500ms, body_max: 1MiB}}\n",
        target.address
    ))
    .await;
    weir.becomes("m", "n=\"4999\"", 4999.0).await;
    assert_eq!(weir.samples("m").len(), 5000);
    target.says(compressed(&vec![b'\n'; 2 << 20]));
    weir.becomes("up", "", 0.0).await;
    weir.fails("j", "larger than 1048576 bytes").await;
    // Cut short.
    let mut cut = compressed(b"m 1\n");
    cut.body.truncate(12);
    target.says(cut);
    weir.fails("j", "gzip").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_and_too_many_fail_the_scrape() {
    let target = Target::start(text(&many(10))).await;
    let at = target.address;
    let weir = Weir::start(&format!(
        "    - {{name: few, targets: [\"{at}\"], interval: 300ms, samples_max: 10}}\n    \
         - {{name: small, targets: [\"{at}\"], interval: 300ms, body_max: 1KiB}}\n"
    ))
    .await;
    weir.becomes("up", "few", 1.0).await;
    weir.becomes("up", "small", 1.0).await;
    target.says(text(&many(200)));
    weir.becomes("up", "few", 0.0).await;
    weir.becomes("up", "small", 0.0).await;
    weir.fails("few", "200 samples, more than 10").await;
    weir.fails("small", "larger than 1024 bytes").await;
    weir.becomes("scrape_samples_post_metric_relabeling", "few", 200.0).await;
    // Nothing of it was kept.
    assert!(weir.samples("m").iter().all(|(labels, _)| labels.get("n").unwrap().len() == 1));
    target.says(text(&many(3)));
    weir.becomes("up", "few", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_are_not_waited_for() {
    let target = Target::start(Answer { delay: Duration::from_secs(20), ..text("m 1\n") }).await;
    let weir = Weir::start(&format!(
        "    - {{name: j, targets: [\"{}\"], interval: 500ms, timeout: 200ms}}\n",
        target.address
    ))
    .await;
    weir.becomes("up", "", 0.0).await;
    weir.fails("j", "within 200ms").await;
    target.says(text("m 1\n"));
    weir.becomes("up", "", 1.0).await;
    weir.becomes("m", "", 1.0).await;
}
