//! Submissions under thousands of seeded schedules: nodes that fail, lie by silence, fork and forget; clients that crash at any
//! point and go on from their journal. In the end every outcome is known, and true.
//!
//! `WEIR_SCHEDULES=10000 cargo test --release -p weir-chain --test schedules` runs more of them, `WEIR_SCHEDULE=17` one.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use weir_chain::journal::SimJournal;
use weir_chain::mock::{MockChain, MockChainSettings, MockFaultSettings, MockTx, Random};
use weir_chain::submission::{Outcome, Resend, SubmissionId, Submit, Why};
use weir_chain::words::{Tx, TxId};
use weir_chain::{Client, ClientSettings, ConsensusClient};
use weir_model::{Finality, Repeats};

/// What one schedule came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    submissions: u64,
    confirmed: u64,
    rejected: u64,
    not_included: u64,
    crashes: u64,
}

/// What a schedule asks for.
struct Plan {
    chain: MockChainSettings,
    submits: Vec<(Duration, Submit)>,
    crashes: Vec<Duration>,
    journal_delay: Duration,
    deadline_blocks: u64,
}

fn plan(seed: u64) -> Plan {
    let mut r = Random::new(seed.wrapping_mul(0x1234_5677));
    let finality = match r.below(3) {
        0 => Finality::AtOnce,
        1 => Finality::Depth(2 + r.below(4)),
        _ => Finality::Tag,
    };
    let repeats = if r.chance(600_000) { Repeats::Rejected } else { Repeats::Accepted };
    let mut chain = MockChainSettings::new(seed, 1 + r.below(5) as usize, finality, repeats);
    let mut share = |most: u64| r.below(most) as u32;
    chain.faults = MockFaultSettings {
        latency: Duration::from_millis(u64::from(1 + share(60))),
        timeout: Duration::from_secs(1),
        errors_ppm: share(150_000),
        lost_answers_ppm: share(200_000),
        late_ppm: share(100_000),
        duplicates_ppm: share(200_000),
        full_ppm: share(200_000),
        competitors_ppm: share(100_000),
        partitions_ppm: share(150_000),
        reorganisations_ppm: share(200_000),
        dropped_ppm: share(500_000),
        stops_ppm: share(100_000),
        until: Some(Duration::from_secs(90)),
    };
    let mut submits = Vec::new();
    for n in 0..=r.below(6) {
        let tx = match r.below(9) {
            0 => Tx::new(format!("bad {n}").into_bytes()),
            1 => Tx::new(format!("fail {n}").into_bytes()),
            8 => Tx::new(format!("after {} {n}", 1 + r.below(20)).into_bytes()),
            2 => MockTx::numbered("amy", n / 2, &format!("pay {n}")),
            3..5 => MockTx::numbered(&format!("sender{n}"), 0, "pay"),
            _ => Tx::new(format!("set {n}").into_bytes()),
        };
        let id = r.chance(500_000).then(|| SubmissionId::new(&format!("order-{n}")).unwrap());
        let resend = match r.below(3) {
            0 => Some(Resend::Never),
            _ => None,
        };
        submits.push((r.time(Duration::from_secs(20)), Submit { id, resend, ..Submit::new(tx) }));
    }
    let crashes = (0..r.below(4)).map(|_| r.time(Duration::from_mins(1))).collect();
    // A short deadline ends in the middle of the faults.
    let deadline_blocks = if r.chance(400_000) { 5 + r.below(20) } else { 200 };
    Plan { chain, submits, crashes, journal_delay: r.time(Duration::from_millis(20)), deadline_blocks }
}

async fn open(plan: &Plan, chain: &MockChain, journal: &Arc<SimJournal>) -> Client {
    let mut settings = ClientSettings::new(plan.chain.finality);
    settings.deadline_blocks = plan.deadline_blocks;
    Client::open(settings, chain.nodes(), journal.clone()).await.unwrap()
}

async fn run(seed: u64) -> Result<Tally, String> {
    let mut plan = plan(seed);
    plan.submits.sort_by_key(|(at, _)| *at);
    plan.crashes.sort();
    let chain = MockChain::new(plan.chain.clone());
    let journal = Arc::new(SimJournal::new(plan.journal_delay));
    let mut random = Random::new(!seed);
    let mut tally = Tally { crashes: plan.crashes.len() as u64, ..Tally::default() };
    let mut client = Arc::new(open(&plan, &chain, &journal).await);

    // Time passes; callers come, the client crashes. A caller whose client crashed asks again, as it would with its order's number.
    let started = tokio::time::Instant::now();
    let mut asked: BTreeMap<SubmissionId, (Submit, TxId)> = BTreeMap::new();
    let mut calls = tokio::task::JoinSet::new();
    let mut crashes = plan.crashes.clone().into_iter().peekable();
    let mut submits = plan.submits.clone().into_iter().peekable();
    while crashes.peek().is_some() || submits.peek().is_some() {
        let submit_at = submits.peek().map_or(Duration::MAX, |(at, _)| *at);
        let crash_at = crashes.peek().copied().unwrap_or(Duration::MAX);
        tokio::time::sleep_until(started + submit_at.min(crash_at)).await;
        if crash_at < submit_at {
            crashes.next();
            calls.shutdown().await;
            drop(client);
            journal.crash(random.below(400) as usize);
            if random.chance(300_000) {
                sleep(random.time(Duration::from_secs(15))).await;
            }
            client = Arc::new(open(&plan, &chain, &journal).await);
            for (submit, _) in asked.values().cloned() {
                let client = client.clone();
                calls.spawn(async move { client.submit_tx(submit).await.map(drop) });
            }
        } else {
            let (_, submit) = submits.next().unwrap();
            let tx_id = chain.nodes()[0].tx_id(&submit.tx).unwrap();
            let id = submit.id.clone().unwrap_or_else(|| SubmissionId::of_tx(&tx_id));
            asked.insert(id, (submit.clone(), tx_id));
            let client = client.clone();
            calls.spawn(async move { client.submit_tx(submit).await.map(drop) });
        }
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().map_err(|error| format!("a submission was not taken: {error}"))?;
    }

    let mut outcomes = Vec::new();
    for (id, (submit, tx_id)) in &asked {
        let mut submission = client.submission(id).await.ok_or_else(|| format!("{id} is not remembered"))?;
        let ended = timeout(Duration::from_mins(15), submission.outcome()).await;
        let outcome = ended
            .map_err(|_| format!("{id} does not end: {:?}", submission.progress()))?
            .map_err(|error| error.to_string())?;
        outcomes.push((id, submit, tx_id, outcome));
    }
    // What is late comes now, and nothing goes wrong any more.
    tokio::time::sleep_until(started + Duration::from_mins(2)).await;
    sleep(Duration::from_mins(1)).await;
    for (id, submit, tx_id, outcome) in outcomes {
        tally.submissions += 1;
        judge(&plan, &chain, submit, tx_id, &outcome, &mut tally)
            .map_err(|wrong| format!("{id} ended as {outcome:?}: {wrong}"))?;
        // What was told stays: it is joined, also by the next client.
        let again = client.submit_tx(submit.clone()).await.map_err(|error| error.to_string())?;
        let told = again.progress();
        let goes_on = matches!(outcome, Outcome::NotIncluded { .. });
        if !goes_on && told != weir_chain::submission::Progress::Done(outcome.clone()) {
            return Err(format!("{id} ended as {outcome:?}, and is told to be {told:?}"));
        }
    }
    Ok(tally)
}

fn judge(
    plan: &Plan,
    chain: &MockChain,
    submit: &Submit,
    tx_id: &TxId,
    outcome: &Outcome,
    tally: &mut Tally,
) -> Result<(), String> {
    let found = chain.find(tx_id);
    let count = chain.count(tx_id);
    if count > 1 {
        return Err(format!("the chain has it {count} times"));
    }
    let text = String::from_utf8_lossy(&submit.tx.bytes).into_owned();
    let bad = text.starts_with("bad");
    match outcome {
        Outcome::Confirmed(inclusion) => {
            tally.confirmed += 1;
            if found.as_ref() != Some(inclusion) {
                return Err(format!("the chain has {found:?}"));
            }
            if inclusion.execution.succeeded == text.starts_with("fail") {
                return Err("its execution is told wrong".into());
            }
        }
        Outcome::Rejected(why) => {
            tally.rejected += 1;
            if found.is_some() {
                return Err(format!("the chain has {found:?}"));
            }
            let competed = submit.tx.sender.as_ref().is_some_and(|sender| {
                chain.has_competed(sender, submit.tx.nonce.unwrap_or(0)) || &**sender == "amy"
            });
            let fits = match why {
                Why::Refused(rejection) => {
                    bad && rejection.code == 3 || text.starts_with("after") && rejection.code == 4
                }
                Why::NumberSpent { .. } => competed,
                Why::NotTaken { .. } => plan.deadline_blocks < 50 || competed,
                Why::Expired { .. } => false,
            };
            if !fits {
                return Err("there is no reason for it".into());
            }
        }
        Outcome::NotIncluded { by } => {
            tally.not_included += 1;
            if found.as_ref().is_some_and(|inclusion| inclusion.height <= *by) {
                return Err(format!("the chain has {found:?}"));
            }
            if *by > chain.height() {
                return Err("the chain is not that high".into());
            }
            let resent = plan.chain.repeats == Repeats::Rejected && submit.resend.is_none() && !bad;
            let competed = submit.tx.sender.as_deref() == Some("amy");
            if resent && plan.deadline_blocks >= 200 && !competed {
                return Err("it was lost, though it may be sent again".into());
            }
        }
    }
    Ok(())
}

fn replay(seed: u64) -> Result<Tally, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed))
}

#[test]
fn every_outcome_is_known_in_the_end_and_true() {
    if let Ok(seed) = std::env::var("WEIR_SCHEDULE") {
        println!("{:?}", replay(seed.parse().unwrap()).unwrap());
        return;
    }
    let count = std::env::var("WEIR_SCHEDULES").map_or(300, |count| count.parse().unwrap());
    let started = std::time::Instant::now();
    let mut all = Tally::default();
    let mut wrong = Vec::new();
    for seed in 0..count {
        match replay(seed) {
            Ok(tally) => {
                all.submissions += tally.submissions;
                all.confirmed += tally.confirmed;
                all.rejected += tally.rejected;
                all.not_included += tally.not_included;
                all.crashes += tally.crashes;
            }
            Err(error) => wrong.push(format!("WEIR_SCHEDULE={seed}: {error}")),
        }
    }
    println!("{count} schedules in {:.1?}: {all:?}", started.elapsed());
    assert!(
        wrong.is_empty(),
        "{} of {count} schedules:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn a_seed_replays_everything() {
    for seed in [3, 14, 15] {
        assert_eq!(replay(seed), replay(seed));
    }
}
