use std::sync::atomic::{AtomicBool, Ordering};

use storage::wal::{Error, RegionLog, Write};
use types::{Index, RegionId, Term};

use super::logs;
use crate::fault_disk::Random;
use crate::wal::bed::{compact, entries, entry, hard, read_all, remove, reset};
use crate::wal::model::Model;

const REGION: RegionId = RegionId(3);

#[test]
fn random_histories_leave_what_a_plain_map_holds() {
    for (kind, mut log) in logs() {
        for seed in 0..8 {
            let mut random = Random::new(seed);
            let mut model = Model::default();
            // Each history begins where the one before ended its regions.
            let gone: Vec<Write> = (1..=6).map(remove).collect();
            log.append(&gone).unwrap();
            for step in 0..300 {
                log.append(&model.draw(&mut random)).unwrap();
                if random.chance(30) {
                    log.sync().unwrap();
                    log.reclaim().unwrap();
                }
                if random.chance(5) {
                    log.settle().unwrap();
                }
                if step % 10 == 0 {
                    model.matches(&*log).unwrap_or_else(|why| panic!("{kind}, seed {seed}: {why}"));
                }
            }
        }
    }
}

#[test]
fn a_write_that_does_not_fit_is_refused_whole_and_the_log_goes_on() {
    for (kind, mut log) in logs() {
        log.append(&[entries(3, 1, 5, 1, 10), compact(3, 2, 1)]).unwrap();
        let before = log.reader().stats();
        let mut torn = entries(3, 6, 8, 1, 10);
        torn.entries.remove(1);
        let bad = [
            entries(3, 7, 7, 1, 10),
            entries(3, 2, 4, 1, 10),
            entries(4, 2, 2, 1, 10),
            torn,
            compact(3, 6, 1),
            compact(4, 1, 1),
            Write { remove: true, ..compact(3, 4, 1) },
            reset(3, u64::MAX, 1),
        ];
        for write in bad {
            let error = log.append(&[entries(9, 1, 1, 1, 1), write.clone()]);
            let refused =
                matches!(error, Err(Error::Invalid { region, .. }) if region == write.region);
            assert!(refused, "{kind}, {write:?}: {error:?}");
        }
        assert_eq!(log.reader().stats(), before, "{kind}");
        // A later write of a call is held against the earlier ones.
        log.append(&[entries(3, 6, 6, 1, 1), entries(3, 7, 7, 1, 1), remove(3)]).unwrap();
        log.append(&[reset(3, 7, 1), entries(3, 8, 8, 1, 1), compact(3, 8, 1)]).unwrap();
        let expected = RegionLog {
            hard_state: None,
            first: Index(9),
            prev_term: Term(1),
            last: Index(8),
            last_term: Term(1),
            generation: None,
        };
        assert_eq!(log.reader().region(REGION), Some(expected), "{kind}");
    }
}

#[test]
fn reads_are_bounded_and_say_what_is_not_there() {
    for (kind, mut log) in logs() {
        log.append(&[entries(3, 1, 40, 2, 100)]).unwrap();
        log.append(&[entries(3, 41, 50, 3, 100), compact(3, 20, 2)]).unwrap();
        let reader = log.reader();
        let read = |low, high, max| {
            let entries = reader.entries(REGION, Index(low), Index(high), max)?;
            Ok::<Vec<u64>, Error>(entries.iter().map(|entry| entry.index.get()).collect())
        };
        assert_eq!(read(21, 51, u64::MAX).unwrap(), (21..51).collect::<Vec<_>>(), "{kind}");
        assert_eq!(read(39, 43, u64::MAX).unwrap(), [39, 40, 41, 42], "{kind}");
        assert_eq!(read(39, 51, 350).unwrap(), [39, 40, 41], "{kind}");
        assert_eq!(read(39, 51, 0).unwrap(), [39], "{kind}");
        assert_eq!(read(30, 30, 99).unwrap(), [], "{kind}");
        assert!(matches!(read(20, 30, 99), Err(Error::Compacted { first: Index(21), .. })));
        assert!(matches!(read(50, 52, 99), Err(Error::Unavailable { last: Index(50), .. })));
        let nobody = reader.entries(RegionId(8), Index(1), Index(2), 9);
        assert!(matches!(nobody, Err(Error::UnknownRegion(RegionId(8)))), "{kind}");
        for (index, term) in [(20, 2), (21, 2), (40, 2), (41, 3), (50, 3)] {
            assert_eq!(reader.term(REGION, Index(index)).unwrap(), Term(term), "{kind} at {index}");
        }
        assert!(reader.term(REGION, Index(19)).is_err(), "{kind}");
        assert!(reader.term(REGION, Index(51)).is_err(), "{kind}");
    }
}

#[test]
fn hard_states_stay_until_there_is_a_newer_one() {
    for (kind, mut log) in logs() {
        let vote = Write { hard_state: Some(hard(4, 2, 0)), ..reset(3, 1, 1) };
        log.append(&[vote, entries(3, 2, 4, 4, 9)]).unwrap();
        log.append(&[compact(3, 3, 4)]).unwrap();
        log.append(&[reset(3, 9, 5)]).unwrap();
        let held = log.reader().region(REGION).unwrap();
        assert_eq!(held.hard_state, Some(hard(4, 2, 0)), "{kind}");
        assert_eq!((held.first, held.last), (Index(10), Index(9)), "{kind}");
    }
}

/// Readers run while the writer compacts, overwrites, and recycles what is under them.
#[test]
fn readers_never_see_what_was_not_written() {
    for (kind, mut log) in logs() {
        log.append(&[entries(3, 1, 1, 1, 700)]).unwrap();
        let stop = AtomicBool::new(false);
        let read = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let (reader, stop) = (log.reader(), &stop);
                    scope.spawn(move || {
                        let mut read = 0;
                        // A thread may begin when all is written; then it reads what is left.
                        while !stop.load(Ordering::Relaxed) || read == 0 {
                            let held = reader.region(REGION).unwrap();
                            match reader.entries(REGION, held.first, held.last.next(), 20_000) {
                                Ok(found) => {
                                    for (found, index) in found.iter().zip(held.first.get()..) {
                                        let expected = entries(3, index, index, 1, 700).entries;
                                        assert_eq!(found, &expected[0]);
                                        read += 1;
                                    }
                                }
                                Err(Error::Compacted { .. }) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                        read
                    })
                })
                .collect();
            for index in 2..3000 {
                log.append(&[entries(3, index, index, 1, 700)]).unwrap();
                if index % 50 == 0 {
                    log.append(&[compact(3, index - 20, 1)]).unwrap();
                    log.sync().unwrap();
                    log.reclaim().unwrap();
                }
            }
            stop.store(true, Ordering::Relaxed);
            readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
        });
        assert!(read > 0, "{kind}");
        let stats = log.reader().stats();
        assert!(stats.bytes < 1 << 20, "{kind} keeps no more than it needs: {stats:?}");
    }
}

#[test]
fn an_entry_that_was_read_outlives_the_log() {
    for (kind, mut log) in logs() {
        let kept = vec![entry(1, 1, b"kept")];
        log.append(&[Write { region: REGION, entries: kept, ..Write::default() }]).unwrap();
        let read = log.reader().entries(REGION, Index(1), Index(2), 100).unwrap();
        assert_eq!(read_all(&*log, 3).unwrap(), read);
        drop(log);
        assert_eq!(read[0].data.as_ref(), b"kept", "{kind}");
    }
}
