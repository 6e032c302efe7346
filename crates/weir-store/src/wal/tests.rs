//! The log against a disk that breaks what it may.

use super::*;
use crate::disk::{Crash, Faults, SimDisk, create_dirs};

fn append(wal: &Arc<Wal>, sequence: u64, payload: &[u8]) -> Ticket {
    let mut frame = Vec::new();
    begin(
        &mut frame,
        &RecordHead { kind: 1, tenant: "t", batch: u128::from(sequence), sequence, generation: 1 },
    );
    frame.extend_from_slice(payload);
    wal.append(&mut frame).0
}

fn read(disk: &SimDisk, generation: u64) -> (Vec<(u64, Vec<u8>)>, Replayed) {
    let mut records = Vec::new();
    let file = disk.open(&path(generation)).unwrap();
    let found = replay(file, generation, Ended::Anyhow, |_, head, payload| {
        records.push((head.sequence, payload.to_vec()));
    });
    (records, found.unwrap())
}

fn new(disk: &SimDisk) -> Arc<Wal> {
    create_dirs(disk, FOLDER).unwrap();
    let wal = Wal::create(Arc::new(disk.clone()), 1 << 30, 1, BTreeMap::new()).unwrap();
    wal.let_waiters_write();
    Arc::new(wal)
}

#[test]
fn what_was_acknowledged_is_read_again() {
    for seed in 0..300 {
        let disk = SimDisk::new(seed);
        let wal = new(&disk);
        let sync_fails = if seed % 3 == 0 { 8000 } else { 0 };
        let crash_at = disk.operations() + 1 + seed % 40;
        disk.set_faults(Faults { sync_fails, crash_at, ..Faults::default() });
        let mut acknowledged = Vec::new();
        for sequence in 1..30 {
            let payload = vec![sequence as u8; (sequence * 397 % 3000) as usize];
            let ticket = append(&wal, sequence, &payload);
            // Every third waits, so that the others are written in its group.
            if sequence % 3 == 0 && ticket.wait().is_ok() {
                acknowledged.push((sequence, payload));
            }
        }
        disk.crash(if seed % 2 == 0 { Crash::PowerLost } else { Crash::Killed });
        let (records, found) = read(&disk, 1);
        assert_eq!(found.damaged, [], "seed {seed}");
        assert!(acknowledged.iter().all(|record| records.contains(record)), "seed {seed}");
        assert!(records.is_sorted_by(|a, b| a.0 < b.0));
        // Whole again: what was read once is read for ever.
        make_whole(&disk, 1, &found).unwrap();
        disk.crash(Crash::PowerLost);
        let (again, found) = read(&disk, 1);
        assert_eq!(again, records, "seed {seed}");
        assert_eq!(found.torn_bytes, 0);
    }
}

#[test]
fn damage_is_found_where_it_is() {
    let disk = SimDisk::new(1);
    let wal = new(&disk);
    for sequence in 1..=10 {
        append(&wal, sequence, &[7; 1000]).wait().unwrap();
    }
    let frame = 32 + 1 + 1 + 1 + 16 + 8 + 8 + 1000;
    disk.flip(&path(1), 3 * frame + 500, 3).unwrap();
    let (records, found) = read(&disk, 1);
    assert_eq!(records.iter().map(|record| record.0).collect::<Vec<_>>(), [1, 2, 3, 5, 6, 7, 8, 9, 10]);
    assert_eq!(found.damaged, vec![3 * frame..4 * frame]);
    assert_eq!(found.torn_bytes, 0);
    // A copy keeps the damage where it was.
    make_whole(&disk, 1, &found).unwrap();
    assert_eq!(read(&disk, 1).1.damaged, vec![3 * frame..4 * frame]);
}

#[test]
fn generations_follow_each_other() {
    let disk = SimDisk::new(1);
    let wal = new(&disk);
    let first = append(&wal, 1, b"a");
    let turned = wal.turn_over();
    let second = append(&wal, 2, b"b");
    turned.wait().unwrap();
    assert!(first.is_done() && second.is_done());
    assert_eq!(read(&disk, 1).0, [(1, b"a".to_vec())]);
    assert_eq!(read(&disk, 2).0, [(2, b"b".to_vec())]);
    assert_eq!(wal.stats().files, 2);
    wal.remove_through(1).unwrap();
    assert_eq!(wal.stats().files, 1);
    assert!(disk.open(&path(1)).is_err());
}

#[test]
fn a_generation_goes_on_in_further_files() {
    let disk = SimDisk::new(1);
    create_dirs(&disk, FOLDER).unwrap();
    let wal = Arc::new(Wal::create(Arc::new(disk.clone()), 8000, 1, BTreeMap::new()).unwrap());
    wal.let_waiters_write();
    let tickets: Vec<_> = (1..=10).map(|sequence| append(&wal, sequence, &[1; 400])).collect();
    tickets.last().unwrap().wait().unwrap();
    assert!(tickets.iter().all(Ticket::is_done));
    let files: Vec<_> = (1..=4).map(|file| read(&disk, file).0.len()).collect();
    assert_eq!(files, [3, 3, 3, 1]);
}

#[test]
fn after_a_failure_nothing_is_taken() {
    let disk = SimDisk::new(1);
    let wal = new(&disk);
    disk.set_faults(Faults { sync_fails: u16::MAX, ..Faults::default() });
    wal.admit().unwrap();
    let failed = append(&wal, 1, b"a");
    assert_eq!(failed.wait().unwrap_err().reason, Reason::Unavailable);
    disk.set_faults(Faults::default());
    assert_eq!(wal.admit().unwrap_err().reason, Reason::Unavailable);
    assert_eq!(append(&wal, 2, b"b").wait().unwrap_err().reason, Reason::Unavailable);
    assert!(wal.stats().failure.unwrap().contains("failed to sync"));
}

#[test]
fn a_full_log_pushes_back() {
    let disk = SimDisk::new(1);
    create_dirs(&disk, FOLDER).unwrap();
    let wal = Arc::new(Wal::create(Arc::new(disk), 1000, 1, BTreeMap::new()).unwrap());
    wal.let_waiters_write();
    append(&wal, 1, &[0; 2000]).wait().unwrap();
    assert_eq!(wal.admit().unwrap_err().reason, Reason::Overloaded);
    wal.turn_over().wait().unwrap();
    wal.remove_through(1).unwrap();
    wal.admit().unwrap();
}

#[test]
fn a_thread_writes_for_many() {
    let disk = SimDisk::new(1);
    create_dirs(&disk, FOLDER).unwrap();
    let wal = Arc::new(Wal::create(Arc::new(disk.clone()), 1 << 30, 1, BTreeMap::new()).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| wal.run());
        let committers: Vec<_> = (0..4)
            .map(|thread| {
                let wal = &wal;
                scope.spawn(move || {
                    for at in 0..50 {
                        append(wal, thread * 50 + at, &[1; 100]).wait().unwrap();
                    }
                })
            })
            .collect();
        for committer in committers {
            committer.join().unwrap();
        }
        wal.close();
    });
    assert_eq!(read(&disk, 1).0.len(), 200);
    assert_eq!(wal.admit().unwrap_err().reason, Reason::Unavailable);
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_ticket_is_a_future() {
    let disk = SimDisk::new(1);
    create_dirs(&disk, FOLDER).unwrap();
    let wal = Arc::new(Wal::create(Arc::new(disk), 1 << 30, 1, BTreeMap::new()).unwrap());
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut ticket = std::pin::pin!(append(&wal, 1, b"a"));
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    std::thread::scope(|scope| {
        scope.spawn(|| wal.run());
        while ticket.as_mut().poll(&mut context).is_pending() {
            std::thread::park();
        }
        wal.close();
    });
    assert!(ticket.is_done());
}
