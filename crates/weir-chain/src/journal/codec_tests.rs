//! What is written is read back, and damage is told from a torn end.

use proptest::prelude::*;

use super::*;

fn texts() -> impl Strategy<Value = String> {
    "[!-~]{1,20}"
}

fn tx_ids() -> impl Strategy<Value = TxId> {
    prop_oneof![any::<[u8; 32]>().prop_map(TxId::Hash), texts().prop_map(|t| TxId::Text(t.as_str().into()))]
}

fn txs() -> impl Strategy<Value = Tx> {
    let private = prop_oneof![
        Just(None),
        Just(Some(Private::Eea)),
        (prop::option::of(texts()), prop::collection::vec(texts(), 0..3)).prop_map(|(from, recipients)| {
            let recipients = recipients.iter().map(|r| r.as_str().into()).collect();
            Some(Private::Manager { from: from.map(|f| f.as_str().into()), recipients })
        }),
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let hints = (prop::option::of(texts()), prop::option::of(any::<u64>()), prop::option::of(any::<u64>()));
    (bytes, hints, private).prop_map(|(bytes, (sender, nonce, expires), private)| Tx {
        bytes: bytes.into(),
        sender: sender.map(|s| s.as_str().into()),
        nonce,
        expires: expires.map(Height),
        private,
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let execution = (any::<bool>(), any::<i64>(), ".{0,9}");
    let inclusion = (any::<u64>(), prop::collection::vec(any::<u8>(), 0..64), any::<u32>(), execution);
    prop_oneof![
        inclusion.prop_map(|(height, block, index, (succeeded, code, log))| {
            let execution = Execution { succeeded, code, log };
            let block = Hash::new(&block).unwrap_or_default();
            Outcome::Confirmed(Inclusion { height: Height(height), block, index, execution })
        }),
        any::<u64>().prop_map(|by| Outcome::NotIncluded { by: Height(by) }),
        (any::<i64>(), texts(), ".{0,9}").prop_map(|(code, codespace, log)| {
            Outcome::Rejected(Why::Refused(Rejection { code, codespace, log }))
        }),
        prop_oneof![
            Just(NotTaken::Unreachable),
            Just(NotTaken::MempoolFull),
            Just(NotTaken::NonceTooHigh),
            Just(NotTaken::Underpriced),
            Just(NotTaken::Refused)
        ]
        .prop_map(|last| Outcome::Rejected(Why::NotTaken { last })),
        any::<u64>().prop_map(|at| Outcome::Rejected(Why::NumberSpent { at: Height(at) })),
        any::<u64>().prop_map(|at| Outcome::Rejected(Why::Expired { at: Height(at) })),
    ]
}

fn records() -> impl Strategy<Value = Record> {
    let ids = || texts().prop_map(|id| SubmissionId::new(&id).unwrap());
    let begun = (ids(), tx_ids(), txs(), any::<bool>(), prop::option::of(any::<u64>()), any::<u64>());
    let changes = prop_oneof![
        any::<(u64, u64)>().prop_map(|(a, b)| Change::Exposed { since: Height(a), until: Height(b) }),
        Just(Change::Clean),
        tx_ids().prop_map(Change::Known),
        outcomes().prop_map(Change::Ended),
    ];
    prop_oneof![
        begun.prop_map(|(id, tx_id, tx, may_resend, until, deadline_blocks)| {
            let until = until.map(Height);
            Record::Begun(Box::new(Begun { id, tx_id, tx: Arc::new(tx), may_resend, until, deadline_blocks }))
        }),
        (ids(), changes).prop_map(|(id, change)| Record::Changed(id, change)),
        (ids(), tx_ids(), outcomes()).prop_map(|(id, tx_id, outcome)| Record::Kept { id, tx_id, outcome }),
        ids().prop_map(Record::Forgotten),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_and_a_torn_end_is_left_out(
        records in prop::collection::vec(records(), 1..8), cut in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()
    ) {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for record in &records {
            write(record, &mut bytes);
            ends.push(bytes.len());
        }
        prop_assert_eq!(read(&bytes), Ok((records.clone(), false)));

        let cut = cut.index(bytes.len());
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let torn = !ends.contains(&cut);
        prop_assert_eq!(read(&bytes[..cut]), Ok((records[..whole].to_vec(), torn)));

        let bit = bit.index(bytes.len() * 8);
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let hit = ends.iter().filter(|end| **end <= bit / 8).count() - 1;
        match read(&damaged) {
            Err(damage) => prop_assert_eq!(damage.at, ends[hit]),
            Ok((read, torn)) => {
                prop_assert!(torn && hit == records.len() - 1);
                prop_assert_eq!(&read[..], &records[..hit]);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = record(&bytes);
    }
}
