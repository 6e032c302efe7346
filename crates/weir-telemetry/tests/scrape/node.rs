//! A real exporter.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::Weir;

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, where it is installed.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| ["prometheus-node-exporter", "node_exporter"].map(|name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "prometheus-node-exporter is missing: `cargo xtask peers` installs it"
        );
        eprintln!("NOT RUN: scraping needs prometheus-node-exporter; `cargo xtask peers` installs it");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_exporter_is_scraped() {
    let Some(program) = program() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let exporter = Command::new(program)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let exporter = Exporter(exporter);
    let weir =
        Weir::start(&format!("    - {{name: node, targets: [\"127.0.0.1:{port}\"], interval: 2s}}\n")).await;
    weir.becomes("up", "node", 1.0).await;
    let first = &weir.samples("node_cpu_seconds_total");
    assert!(
        first.iter().all(|(labels, _)| labels.get("mode").is_some() && labels.get("job") == Some("node"))
    );
    assert!(!first.is_empty());
    let scraped = weir.last("scrape_samples_scraped", "").value().unwrap();
    let kept = weir.last("scrape_samples_post_metric_relabeling", "").value().unwrap();
    assert!(scraped > 200.0 && (scraped - kept).abs() < f64::EPSILON, "{scraped} {kept}");
    // Series of its second answer are those of its first, but for a few that came.
    crate::support::eventually("a second scrape", || weir.samples("up")[0].1.len() >= 2).await;
    let added = weir.samples("scrape_series_added")[0].1.values[1];
    assert!(added < scraped / 10.0, "{added}");
    drop(exporter);
    weir.becomes("up", "node", 0.0).await;
    weir.ends("node_load1", "node").await;
}
