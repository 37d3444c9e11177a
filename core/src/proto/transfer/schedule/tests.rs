use std::collections::VecDeque;

use super::*;
use crate::proto::transfer::outline::unit_at;
use crate::rng::Rng;

const MIB: u64 = 1 << 20;

/// A source in virtual time.
struct Simulated {
    /// Bytes a second.
    rate: u64,
    /// Ends what it is asked, or sends nothing any more, from here on.
    leaves: Option<Now>,
    stalls: Option<Now>,
    /// From then on it sends pieces of so many bytes, in so much time each, of its jobs in turn.
    slows: Option<(Now, u64, Now)>,
    /// So many of 1,000 pieces are wrong; a source is dropped at the first.
    lies: u64,
    jobs: VecDeque<(JobId, VecDeque<Piece>)>,
    free_at: Now,
    gone: bool,
}

impl Simulated {
    fn of(rate: u64) -> Self {
        Self {
            rate,
            leaves: None,
            stalls: None,
            slows: None,
            lies: 0,
            jobs: VecDeque::new(),
            free_at: Now::ZERO,
            gone: false,
        }
    }
}

struct Outcome {
    took: Now,
    sent: u64,
    whole: bool,
}

fn run(size: u64, mut sources: Vec<Simulated>, seed: u64) -> Outcome {
    let mut rng = Rng::new(seed);
    let mut schedule = Schedule::new(size, Ranges::of(0..size));
    for id in 0..sources.len() as u32 {
        schedule.add(id);
    }
    let (mut now, mut sent) = (Now::ZERO, 0);
    let mut written = Ranges::default();
    for _ in 0..1_000_000 {
        while let Some(ask) = schedule.next(now) {
            let source = &mut sources[ask.source as usize];
            assert!(!source.gone, "asked although gone");
            assert!(source.jobs.len() < JOBS + 1);
            let pieces: VecDeque<Piece> = pieces(ask.range, ask.piece).collect();
            assert!(pieces.iter().all(|piece| piece.fits(size)), "{pieces:?}");
            source.free_at = source.free_at.max(now);
            source.jobs.push_back((ask.job, pieces));
        }
        if schedule.has_all() && written.has(&(0..size)) {
            break;
        }
        // Whose piece comes next, and when.
        let next = sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !source.gone)
            .filter_map(|(id, source)| {
                let (_, pieces) = source.jobs.front()?;
                let bytes = pieces.front().map_or(0, |piece| piece.len());
                let time = Duration::from_secs_f64(bytes as f64 / source.rate as f64);
                let slow = source.slows.filter(|(from, ..)| source.free_at >= *from);
                let at = source.free_at + slow.map_or(time, |(_, _, time)| time);
                let at = if source.stalls.is_some_and(|from| at >= from) {
                    return None;
                } else {
                    at
                };
                Some((source.leaves.map_or(at, |leaves| at.min(leaves)), id))
            })
            .min();
        let deadline = schedule.deadline();
        let Some((at, id)) = next.filter(|(at, _)| deadline.is_none_or(|due| *at <= due)) else {
            let Some(due) = deadline else {
                return Outcome {
                    took: now,
                    sent,
                    whole: false,
                };
            };
            now = due;
            for source in schedule.stalled(now) {
                schedule.remove(source);
                sources[source as usize].gone = true;
            }
            continue;
        };
        now = now.max(at);
        let source = &mut sources[id];
        if source.leaves.is_some_and(|leaves| now >= leaves) {
            source.gone = true;
            schedule.remove(id as u32);
            continue;
        }
        let Some((job, pieces)) = source.jobs.front_mut() else {
            continue;
        };
        let job = *job;
        source.free_at = now;
        let Some(mut piece) = pieces.pop_front() else {
            source.jobs.pop_front();
            schedule.ended(job);
            continue;
        };
        if let Some((from, bytes, _)) = source.slows
            && now >= from
        {
            if piece.len() > bytes {
                let start = piece.start + bytes;
                pieces.push_front(Piece { start, ..piece });
                piece.end = start;
            }
            source.jobs.rotate_left(1);
        }
        sent += piece.len();
        let lied = rng.chance(source.lies);
        match schedule.came(job, piece, now) {
            Fate::New(useless) => {
                for source in &mut sources {
                    source.jobs.retain(|(job, _)| !useless.contains(job));
                }
                if lied {
                    schedule.wrong(piece, &written);
                    schedule.remove(id as u32);
                    sources[id].gone = true;
                } else {
                    assert!(!written.has(&(piece.start..piece.end)));
                    written.insert(piece.start..piece.end);
                }
            }
            Fate::Known => {}
            Fate::Wrong => panic!("{piece:?} of {job} was not asked for"),
        }
    }
    Outcome {
        took: now,
        sent,
        whole: written.has(&(0..size)) && written.total() == size,
    }
}

#[test]
fn one_source_sends_every_byte_once_and_at_its_rate() {
    for (size, rate) in [
        (1, 1000),
        (GROUP, 12_000),
        (100 * MIB + 77, 50 * MIB),
        (3 << 30, 900 * MIB),
    ] {
        let outcome = run(size, vec![Simulated::of(rate)], 1);
        assert!(outcome.whole);
        assert_eq!(outcome.sent, size);
        let ideal = size as f64 / rate as f64;
        assert!(
            outcome.took.as_secs_f64() <= ideal * 1.001 + 0.001,
            "{size}: {:?}",
            outcome.took
        );
    }
}

#[test]
fn several_sources_are_as_fast_as_all_of_them_together() {
    let rates = [40 * MIB, 10 * MIB, 5 * MIB, MIB];
    let size = 600 * MIB + 3;
    let outcome = run(size, rates.map(Simulated::of).into(), 1);
    assert!(outcome.whole);
    let ideal = size as f64 / rates.iter().sum::<u64>() as f64;
    assert!(
        outcome.took.as_secs_f64() < ideal * 1.15,
        "{:?} for {ideal}",
        outcome.took
    );
    // The end of it is asked twice, and no more.
    assert!(outcome.sent < size + 64 * MIB, "{}", outcome.sent);
}

#[test]
fn a_slow_line_is_asked_for_small_pieces() {
    let mut schedule = Schedule::new(10 * MIB, Ranges::of(0..10 * MIB));
    schedule.add(7);
    let ask = schedule.next(Now::ZERO).unwrap();
    assert_eq!(ask.piece, PIECE_FIRST);
    // 12 KiB a second.
    let mut now = Now::ZERO;
    for piece in pieces(ask.range, ask.piece) {
        now += Duration::from_secs(5);
        assert_ne!(schedule.came(ask.job, piece, now), Fate::Wrong);
    }
    schedule.ended(ask.job);
    let ask = schedule.next(now).unwrap();
    assert_eq!(ask.piece, GROUP);
    assert_eq!(ask.range.end - ask.range.start, GROUP);
}

#[test]
fn sources_that_leave_stall_or_lie_cost_time_and_no_bytes_of_the_file() {
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let count = 2 + rng.below(7);
        let size = rng.below(40 * MIB);
        let mut sources: Vec<Simulated> = (0..count)
            .map(|_| {
                let mut source = Simulated::of(20_000 + rng.below(20 * MIB));
                let at = Duration::from_millis(rng.below(5000));
                match rng.below(5) {
                    0 => source.leaves = Some(at),
                    1 => source.stalls = Some(at),
                    2 => source.lies = rng.below(500),
                    _ => {}
                }
                source
            })
            .collect();
        // One is good.
        sources[0] = Simulated::of(MIB);
        let outcome = run(size, sources, seed);
        assert!(outcome.whole, "seed {seed}");
    }
}

#[test]
fn what_is_there_already_is_not_asked_for() {
    let size = 5 * MIB + 100;
    let mut missing = Ranges::of(MIB..2 * MIB);
    missing.insert(5 * MIB..size);
    let mut schedule = Schedule::new(size, missing.clone());
    schedule.add(1);
    let mut asked = Ranges::default();
    while let Some(ask) = schedule.next(Now::ZERO) {
        for piece in pieces(ask.range.clone(), ask.piece) {
            assert!(piece.fits(size));
            schedule.came(ask.job, piece, Now::ZERO);
        }
        asked.insert(ask.range);
        schedule.ended(ask.job);
    }
    assert_eq!(asked, missing);
    assert!(schedule.has_all());
}

#[test]
fn who_becomes_slow_does_not_hold_the_end() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        // As little as is no stall: of each of two jobs a group, or a MiB, in nine seconds.
        let slow = [GROUP, MIB][rng.below(2) as usize];
        let from = Now::from_millis(500 + rng.below(4000));
        let mut sources = vec![Simulated::of(64 * MIB), Simulated::of(4 * MIB)];
        sources[0].slows = Some((from, slow, Now::from_millis(4500)));
        sources.extend((0..rng.below(2)).map(|_| Simulated::of(8 * MIB)));
        let outcome = run(400 * MIB, sources, seed);
        assert!(outcome.whole, "seed {seed}");
        // What is left goes at the rate of the others, and a stall is noticed in ten seconds.
        let most = Now::from_secs(100 + 30);
        assert!(outcome.took < most, "seed {seed}: {:?}", outcome.took);
    }
}

#[test]
fn a_job_owes_until_its_last_piece_and_no_longer_than_it_is_there() {
    let mut schedule = Schedule::new(3 * MIB, Ranges::of(0..3 * MIB));
    schedule.add(1);
    let ask = schedule.next(Now::ZERO).unwrap();
    for piece in pieces(ask.range.clone(), ask.piece) {
        assert!(schedule.owes(ask.job));
        schedule.came(ask.job, piece, Now::ZERO);
    }
    assert!(!schedule.owes(ask.job));
    let ask = schedule.next(Now::ZERO).unwrap();
    assert!(schedule.owes(ask.job));
    schedule.ended(ask.job);
    assert!(!schedule.owes(ask.job));
}

#[test]
fn what_was_not_asked_for_is_wrong() {
    let mut schedule = Schedule::new(3 * MIB, Ranges::of(0..3 * MIB));
    schedule.add(1);
    let ask = schedule.next(Now::ZERO).unwrap();
    let second = Piece {
        start: PIECE_FIRST,
        end: 2 * PIECE_FIRST,
    };
    assert_eq!(schedule.came(ask.job, second, Now::ZERO), Fate::Wrong);
    let long = Piece {
        start: 0,
        end: ask.range.end + GROUP,
    };
    assert_eq!(schedule.came(ask.job, long, Now::ZERO), Fate::Wrong);
    assert_eq!(schedule.came(99, second, Now::ZERO), Fate::Known);
}

#[test]
fn pieces_of_any_range_and_any_wish_fit() {
    let size = 3 * MIB + 5;
    for wish in [0, 1, GROUP + 1, 48 << 10, 700_000, u64::MAX] {
        for range in [
            0..size,
            GROUP..2 * MIB + GROUP,
            2 * MIB + 3 * GROUP..size,
            0..0,
        ] {
            let pieces: Vec<Piece> = pieces(range.clone(), wish).collect();
            assert!(
                pieces.iter().all(|piece| piece.fits(size)),
                "{wish} {range:?}: {pieces:?}"
            );
            assert_eq!(
                pieces.iter().map(|piece| piece.len()).sum::<u64>(),
                range.end - range.start
            );
        }
    }
    assert_eq!(pieces(0..2 * MIB, u64::MAX).next(), Some(unit_at(size, 0)));
}
