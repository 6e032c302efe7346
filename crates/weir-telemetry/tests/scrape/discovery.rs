//! Targets that come and go, and those that relabelling drops.

use std::fs;

use crate::support::{Last, Target, Weir, text};

#[tokio::test(flavor = "multi_thread")]
async fn files_bring_targets_and_take_them_away() {
    let (one, two) = (Target::start(text("m 1\n")).await, Target::start(text("m 2\n")).await);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let write = |name: &str, body: String| {
        // As programs should: a new file takes the old one's place.
        fs::write(file("new"), body).unwrap();
        fs::rename(file("new"), file(name)).unwrap();
    };
    write("t-1.json", format!("[{{\"targets\": [\"{}\"], \"labels\": {{\"shard\": \"1\"}}}}]", one.address));
    let weir = Weir::start(&format!(
        "    - name: j\n      files: [\"{}\"]\n      interval: 300ms\n      labels: {{env: prod, shard: none}}\n",
        file("t-*").display()
    ))
    .await;
    weir.becomes("m", "shard=\"1\"", 1.0).await;
    write("t-2.yml", format!("- targets: ['{}']\n", two.address));
    weir.becomes("m", "shard=\"none\"", 2.0).await;
    assert!(weir.target("j").await["discoveredLabels"]["__meta_filepath"].is_string());
    fs::remove_file(file("t-1.json")).unwrap();
    weir.ends("m", "shard=\"1\"").await;
    weir.ends("up", "shard=\"1\"").await;
    assert_eq!(weir.last("m", "shard=\"none\""), Last::Value(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_targets_are_counted_and_a_target_may_have_an_interval_of_its_own() {
    let target = Target::start(text("m 1\n")).await;
    let at = target.address;
    let weir = Weir::start(&format!(
        "    - name: j\n      targets: [\"{at}\", \"drop.invalid:1\", \"drop.invalid:2\"]\n      interval: 1h\n      relabel:\n        \
         - {{source_labels: [__address__], regex: \"drop.*\", action: drop}}\n        \
         - {{target_label: __scrape_interval__, replacement: 200ms}}\n        \
         - {{target_label: __scrape_timeout__, replacement: 100ms}}\n        \
         - {{target_label: __metrics_path__, replacement: /other}}\n"
    ))
    .await;
    weir.becomes("m", "", 1.0).await;
    target.asked(1).await;
    assert_eq!(target.requests()[0].0, "/other");
    let all = weir.get("targets").await;
    assert_eq!(all["activeTargets"].as_array().unwrap().len(), 1);
    assert_eq!(all["activeTargets"][0]["scrapeInterval"], "200ms");
    assert_eq!(all["droppedTargets"].as_array().unwrap().len(), 2);
    assert_eq!(all["droppedTargets"][0]["discoveredLabels"]["__address__"], "drop.invalid:1");
    assert_eq!(all["droppedTargetCounts"]["j"], 2);
    let active = weir.get("targets?state=active").await;
    assert_eq!(active["droppedTargets"].as_array().unwrap().len(), 0);
    let dropped = weir.get("targets?state=dropped").await;
    assert_eq!(dropped["activeTargets"].as_array().unwrap().len(), 0);
    assert_eq!(weir.get("scrape_pools").await["scrapePools"][0], "j");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_looked_up() {
    // `localhost` needs no name server: it is in the hosts file, or known as itself (RFC 6761).
    let target = Target::start(text("m 1\n")).await;
    let port = target.address.port();
    let weir = Weir::start(&format!(
        "    - name: j\n      dns: [{{name: localhost, port: {port}}}]\n      interval: 200ms\n      relabel:\n        \
         - {{source_labels: [__meta_dns_name], target_label: host}}\n"
    ))
    .await;
    weir.becomes("m", &format!("instance=\"127.0.0.1:{port}\""), 1.0).await;
    assert_eq!(weir.samples("m")[0].0.get("host"), Some("localhost"));
}
