//! A million checks of a fleet, or as many as are wanted, in which every miss is a single one.
//!
//! They go through what counts and decides: the real sweep and its messages, the checker's `is_timely` and `record`, and the store's
//! conditional writes on the table in memory, with conflicts, throttling and lost answers. What is left out is the asking itself: no
//! socket, and no query of the index for each shard, which shows here what it has seen by then, mostly a second ago and sometimes a
//! minute. Neither counts nor decides. The way through everything is `a_day_in_which_…` in this file, with fewer checks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::InstanceId;
use durable::testing::{ManualClock, RecordingWake};
use durable::{Clock, Engine};
use dynamo::memory::MemoryTable;
use dynamo::{Store, Target};
use fastrand::Rng;
use flows::Flows;
use flows::health::ShardCheck;
use flows::ports::{Queue, QueueError};
use flows::testing::{FakeWorld, Provider, sample};
use health_checker::{HealthChecker, Seen};
use jiff::Timestamp;
use sweep::Sweep;

use super::post::{Habits, Skies};
use super::town::{Eyes, Town, View, Ways};
use super::{checks, seeds, virtually};
use crate::support::Seeding;
use crate::support::VirtualClock;

/// An instance has a bad moment at most once in so many seconds, within its first minute, and none lasts long enough for three minutes'
/// checks to meet it: with one that is 60 s late and one that is 10 s early, three lie 50 s apart at least.
const PERIOD: f64 = 300.0;
const LONGEST: f64 = 45.0;

/// The bad moment of an instance in a period, in seconds, if it has one.
fn bad_moment(seed: u64, instance: u64, period: u64) -> Option<(f64, f64)> {
    let mut rng = Rng::with_seed(seed ^ instance.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ period.wrapping_mul(0xd1b5_4a32_d192_ed03));
    let (is_bad, from, length) = (rng.u32(0..100) < 3, rng.f64() * 60.0, rng.f64() * LONGEST);
    let begins = period as f64 * PERIOD + from;
    is_bad.then_some((begins, begins + length))
}

#[derive(Default, Clone)]
struct Outbox(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Queue for Outbox {
    async fn send(&self, body: &str) -> Result<(), QueueError> {
        self.0.lock().unwrap().push(body.to_owned());
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Schedule(Timestamp),
    Check(String),
}

#[derive(Debug, Default)]
struct Tally {
    checks: usize,
    missed: usize,
    writes: usize,
    sweeps: usize,
    late: usize,
    dropped: usize,
    failed: usize,
    repairs: usize,
    most_misses: u8,
}

struct Scale {
    began: Timestamp,
    clock: ManualClock,
    store: Store,
    sweep: Sweep,
    checker: HealthChecker,
    outbox: Outbox,
    rng: Rng,
    seed: u64,
    /// The instances of each shard, as its index shows them, each with its number and its next bad moment.
    shards: BTreeMap<u32, Vec<Watched>>,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    posted: u64,
    /// What the index has not seen yet: when it will, whose misses, how many.
    unseen: VecDeque<(Timestamp, (u32, usize), u8)>,
    tally: Tally,
}

struct Watched {
    target: Target,
    number: u64,
    period: u64,
    bad: Option<(f64, f64)>,
}

impl Scale {
    async fn new(seed: u64, instances: u64) -> Self {
        let clock = ManualClock::default();
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let skies = Skies { rng: Mutex::new(Rng::with_seed(seed)), latency: 0, faults: 2, lag: 0, stale: 0 };
        let store = Store::in_memory(MemoryTable::under(Arc::new(skies), time.clone()), sample::deployment(), time.clone());
        let world = FakeWorld::calm(time.clone(), Provider::default()).world();
        let wake = Arc::new(RecordingWake::new(clock.clone()));
        let engine = Engine::new(Arc::new(store.clone()), wake, time.clone(), Arc::new(Flows::new(world)));
        let outbox = Outbox::default();
        let sweep = Sweep { store: store.clone(), engine, health: Arc::new(outbox.clone()), notices: Arc::new(Outbox::default()) };
        let checker = HealthChecker { store: store.clone(), probe: health_checker::Probe::new().unwrap(), clock: time };
        let (deployment, now) = (sample::deployment(), clock.now());
        let seeding = Seeding { store: &store, deployment: &deployment, now };
        for number in 0..instances {
            let id: InstanceId = format!("ins_01900000000070008000{number:012x}").parse().unwrap();
            let organisation = format!("org_01900000000070008000{number:012x}").parse().unwrap();
            seeding.running(seeding.ordered(id, organisation, if number % 2 == 0 { "fra" } else { "iad" })).await;
        }
        let mut shards = BTreeMap::new();
        let mut number = 0;
        for shard in 0..Store::FLEET_SHARDS {
            let targets = store.fleet(shard).await.unwrap().into_iter();
            let watched = targets.map(|target| {
                number += 1;
                Watched { target, number, period: 0, bad: bad_moment(seed, number, 0) }
            });
            shards.insert(shard, watched.collect());
        }
        Self {
            began: now,
            clock,
            store,
            sweep,
            checker,
            outbox,
            rng: Rng::with_seed(seed),
            seed,
            shards,
            events: BinaryHeap::new(),
            posted: 0,
            unseen: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Puts an event into the agenda, as often and as late as it comes.
    fn post(&mut self, at: Timestamp, event: &Event) {
        let arrivals = Habits::WILD.arrivals(&mut self.rng);
        self.tally.late += arrivals.iter().filter(|arrival| arrival.as_secs() >= 60).count();
        for arrival in arrivals {
            self.posted += 1;
            self.events.push(Reverse((at + arrival, self.posted, event.clone())));
        }
    }

    async fn live(mut self, minutes: u64) -> Tally {
        for minute in 1..=minutes {
            let at = self.began + Duration::from_secs(minute * 60);
            self.post(at, &Event::Schedule(at));
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.clock.advance_to(at);
            match event {
                Event::Schedule(scheduled) => {
                    self.tally.sweeps += 1;
                    match self.sweep.minute(scheduled).await {
                        Ok(minute) => self.tally.repairs += minute.repairs,
                        Err(_) => self.tally.failed += 1,
                    }
                    let sent = std::mem::take(&mut *self.outbox.0.lock().unwrap());
                    for body in sent {
                        self.post(at, &Event::Check(body));
                    }
                }
                Event::Check(body) => self.check(at, &body).await,
            }
        }
        self.tally
    }

    async fn check(&mut self, now: Timestamp, body: &str) {
        let ShardCheck { shard, minute } = serde_json::from_str(body).unwrap();
        if !self.checker.is_timely(minute) {
            self.tally.dropped += 1;
            return;
        }
        while let Some((_, (shard, place), misses)) = self.unseen.pop_front_if(|(at, ..)| *at <= now) {
            self.shards.get_mut(&shard).unwrap()[place].target.misses = misses;
        }
        let seconds = now.duration_since(self.began).as_secs_f64();
        let period = (seconds / PERIOD) as u64;
        for (place, watched) in self.shards.get_mut(&shard).unwrap().iter_mut().enumerate() {
            if watched.period != period {
                (watched.period, watched.bad) = (period, bad_moment(self.seed, watched.number, period));
            }
            let is_bad = watched.bad.is_some_and(|(from, to)| (from..to).contains(&seconds));
            let seen = if is_bad { Seen::Missed("not_ready".to_owned()) } else { Seen::Well };
            self.tally.checks += 1;
            self.tally.missed += usize::from(is_bad);
            match self.checker.record(&watched.target, seen, minute).await {
                Ok(false) => {}
                Ok(true) => {
                    self.tally.writes += 1;
                    let stored = self.store.instance(&watched.target.organisation, &watched.target.instance).await;
                    let misses = stored.unwrap().expect("it is there").health.misses;
                    self.tally.most_misses = self.tally.most_misses.max(misses);
                    let lag = if self.rng.u32(0..500) == 0 { 60_000 } else { self.rng.u64(0..2000) };
                    let seen_at = self.unseen.back().map_or(now, |last| last.0).max(now + Duration::from_millis(lag));
                    self.unseen.push_back((seen_at, (shard, place), misses));
                }
                Err(_) => self.tally.failed += 1,
            }
        }
    }
}

#[test]
fn millions_of_checks_in_which_every_miss_is_a_single_one_restart_nothing() {
    let (began, wanted, worlds) = (Instant::now(), checks(1_000_000), seeds(2));
    let instances = 4000;
    let minutes = wanted as u64 / instances / worlds.len() as u64 + 1;
    println!("ROCKPOOL_HEALTH_SEED is one of {worlds:?}");
    let run = |seed: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Scale::new(seed, instances).await.live(minutes).await })
    };
    let all: Vec<Tally> = std::thread::scope(|scope| {
        let threads: Vec<_> = worlds.iter().map(|seed| scope.spawn(move || run(*seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (seed, tally) in worlds.iter().zip(&all) {
        println!("seed {seed}, {minutes} minutes of {instances} instances: {tally:?}");
        assert_eq!(tally.repairs, 0, "false restarts: replay with ROCKPOOL_HEALTH_SEED={seed}");
        assert!(tally.most_misses < 3, "false suspects: replay with ROCKPOOL_HEALTH_SEED={seed}");
        let tried = tally.missed * 1000 > tally.checks && tally.most_misses == 2 && tally.dropped > 0 && tally.late > 0;
        assert!(tried && tally.sweeps as u64 > minutes, "nothing was tried: {tally:?}");
    }
    let checks: usize = all.iter().map(|tally| tally.checks).sum();
    println!("{checks} checks in {:.1} s", began.elapsed().as_secs_f64());
    assert!(checks >= wanted, "{checks}");
}

/// The same through everything: queues, the index's queries, five hundred at a time.
#[test]
fn a_day_in_which_every_miss_is_a_single_one_restarts_nothing() {
    for seed in seeds(1) {
        let log = virtually(seed, async {
            let clock = VirtualClock::start();
            let skies = Skies { rng: Mutex::new(Rng::with_seed(seed)), latency: 0, faults: 2, lag: 2000, stale: 2 };
            let eyes = Eyes(Arc::new(move |address| {
                let number = address.bytes().fold(0_u64, |number, byte| number.wrapping_mul(31).wrapping_add(u64::from(byte)));
                let now = clock.elapsed();
                let bad = bad_moment(seed, number, (now / PERIOD) as u64);
                if bad.is_some_and(|(from, to)| (from..to).contains(&now)) { View::Sick } else { View::Well }
            }));
            let (town, inboxes) = Town::new(clock, seed, Ways { schedule: Habits::WILD, queues: Habits::WILD }, Arc::new(skies), eyes);
            for region in ["fra", "iad"] {
                town.populate(region, 20).await;
            }
            town.open(inboxes);
            town.minutes(1, 1440).await;
            town.log()
        });
        println!("seed {seed}: {log:?}");
        assert_eq!((log.repairs, log.begun.len()), (0, 0), "seed {seed}");
        assert!(log.checked.well > 50_000 && log.checked.missed > 60 && log.idle > 0, "nothing was tried: {log:?}");
    }
}
