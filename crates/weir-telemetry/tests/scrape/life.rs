//! Series that end, targets that fail, jobs that change.

use std::time::Duration;

use weir_signal::is_stale;

use crate::support::{Answer, Last, Target, Weir, jobs, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_vanishes_ends_and_a_failing_target_ends_all() {
    let target = Target::start(text("m{a=\"1\"} 1\nm{a=\"2\"} 2\n")).await;
    let list = format!("    - {{name: j, targets: [\"{}\"], interval: 200ms}}\n", target.address);
    let weir = Weir::start(&list).await;
    weir.becomes("m", "a=\"2\"", 2.0).await;
    target.says(text("m{a=\"1\"} 1\n"));
    weir.ends("m", "a=\"2\"").await;
    assert_eq!(weir.last("m", "a=\"1\""), Last::Value(1.0));
    target.says(text("m{a=\"1\"} 1\nm{a=\"2\"} 3\n"));
    weir.becomes("m", "a=\"2\"", 3.0).await;

    // Each failure: down, ended, named. Then up again.
    let failures: [(Answer, &str); 4] = [
        (Answer { status: 500, ..text("m{a=\"1\"} 1\n") }, "500"),
        (text("m{a=\"1\"} 1\nm{ what\n"), "line 2"),
        (text("m{a=\"1\",a=\"2\"} 1\n"), "twice"),
        (Answer { headers: vec![("content-encoding", "br".into())], ..text("m 1") }, "`br`"),
    ];
    for (failure, part) in failures {
        target.says(failure);
        weir.becomes("up", "", 0.0).await;
        weir.ends("m", "a=\"1\"").await;
        weir.ends("m", "a=\"2\"").await;
        weir.fails("j", part).await;
        // Ended once, not again and again.
        target.asked(2).await;
        let (_, points) = weir.samples("m").remove(0);
        let doubled = points.values.windows(2).any(|pair| is_stale(pair[0]) && is_stale(pair[1]));
        assert!(!doubled, "{points:?}");
        target.says(text("m{a=\"1\"} 1\nm{a=\"2\"} 3\n"));
        weir.becomes("up", "", 1.0).await;
        weir.becomes("m", "a=\"2\"", 3.0).await;
    }

    // A target that is gone altogether.
    let port = target.address.port();
    drop(target);
    weir.becomes("up", "", 0.0).await;
    weir.ends("m", "a=\"1\"").await;
    weir.fails("j", &format!("127.0.0.1:{port}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_job_goes_on_and_one_that_is_gone_ends() {
    let target = Target::start(text("m{a=\"1\"} 1\nother 2\n")).await;
    let at = target.address;
    let weir = Weir::start(&format!("    - {{name: j, targets: [\"{at}\"], interval: 300ms}}\n")).await;
    weir.becomes("m", "", 1.0).await;
    // The same series go on under a changed job; what it drops from now on ends.
    weir.server.scrape(jobs(&format!(
        "    - name: j\n      targets: [\"{at}\"]\n      interval: 300ms\n      metric_relabel:\n        \
         - {{source_labels: [__name__], regex: other, action: drop}}\n"
    )));
    weir.ends("other", "").await;
    target.asked(2).await;
    let (_, points) = weir.samples("m").remove(0);
    assert!(points.values.iter().all(|value| !is_stale(*value)), "{points:?}");
    let (_, up) = weir.samples("up").remove(0);
    assert!(up.values.iter().all(|value| !is_stale(*value)), "{up:?}");

    weir.server.scrape(Vec::new());
    weir.ends("m", "").await;
    weir.ends("up", "").await;
    weir.ends("scrape_series_added", "").await;
    assert_eq!(weir.get("targets").await["activeTargets"].as_array().unwrap().len(), 0);
    let requests = target.requests().len();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(target.requests().len(), requests);
    // And back.
    weir.server.scrape(jobs(&format!("    - {{name: j, targets: [\"{at}\"], interval: 300ms}}\n")));
    weir.becomes("m", "", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_no_series_and_the_next_start_goes_on() {
    let target = Target::start(text("m 1\n")).await;
    let list = format!("    - {{name: j, targets: [\"{}\"], interval: 200ms}}\n", target.address);
    let weir = Weir::start(&list).await;
    weir.becomes("m", "", 1.0).await;
    let (store, folder) = weir.stop().await;
    store.close().unwrap();
    drop(store);
    target.says(text("m 2\n"));
    let weir = Weir::start_in(folder, &list).await;
    weir.becomes("m", "", 2.0).await;
    let (_, points) = weir.samples("m").remove(0);
    assert!(points.values.iter().all(|value| !is_stale(*value)), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_moves_to_another_target_does_not_end() {
    let (one, two) = (Target::start(text("m 1\n")).await, Target::start(text("")).await);
    let weir = Weir::start(&format!(
        "    - name: j\n      targets: [\"{}\", \"{}\"]\n      interval: 200ms\n      relabel:\n        \
         - {{target_label: instance, replacement: same}}\n",
        one.address, two.address
    ))
    .await;
    weir.becomes("m", "instance=\"same\"", 1.0).await;
    two.says(text("m 2\n"));
    weir.becomes("m", "", 2.0).await;
    one.says(text(""));
    one.asked(3).await;
    weir.becomes("m", "", 2.0).await;
    let (_, points) = weir.samples("m").remove(0);
    assert!(points.values.iter().all(|value| !is_stale(*value)), "{points:?}");
}
