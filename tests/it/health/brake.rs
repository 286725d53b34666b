//! How soon a sick instance is repaired, and what is left alone because the trouble is not its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use domain::Instance;
use durable::Clock;
use fastrand::Rng;

use super::post::{Habits, Skies};
use super::town::{Eyes, Log, Town, View, Ways};
use super::{seeds, virtually};
use crate::support::VirtualClock;
use crate::support::alarms;

/// Who does not answer, from when to when, and how.
#[derive(Clone, Default)]
struct Trouble {
    silences: Arc<Mutex<Vec<Silence>>>,
    /// When the first check was missed.
    first_miss: Arc<Mutex<Option<f64>>>,
}

struct Silence {
    who: BTreeSet<String>,
    from: f64,
    to: f64,
    view: View,
}

impl Trouble {
    fn comes_over<'i>(&self, who: impl IntoIterator<Item = &'i Instance>, from: f64, to: f64, view: View) {
        let who = who.into_iter().map(|instance| instance.placement.as_ref().unwrap().address.clone()).collect();
        self.silences.lock().unwrap().push(Silence { who, from, to, view });
    }

    fn eyes(&self, clock: VirtualClock) -> Eyes {
        let trouble = self.clone();
        Eyes(Arc::new(move |address| {
            let now = clock.elapsed();
            let silences = trouble.silences.lock().unwrap();
            let silence = silences.iter().find(|silence| (silence.from..silence.to).contains(&now) && silence.who.contains(address));
            silence.map_or(View::Well, |silence| {
                trouble.first_miss.lock().unwrap().get_or_insert(now);
                silence.view
            })
        }))
    }
}

/// A town on an ordinary day: calls take their time, indexes lag, and a message in a thousand comes twice.
async fn town(seed: u64, trouble: &Trouble, regions: &[&str], each: usize) -> (Town, Vec<Vec<Instance>>) {
    alarms::listen();
    let clock = VirtualClock::start();
    let skies = Skies { rng: Mutex::new(Rng::with_seed(seed)), latency: 20, faults: 1, lag: 300, stale: 0 };
    let ways = Ways { schedule: Habits { latency: 300, twice: 50, ..Habits::PROMPT }, queues: Habits::ORDINARY };
    let (town, inboxes) = Town::new(clock, seed, ways, Arc::new(skies), trouble.eyes(clock));
    let mut all = Vec::new();
    for region in regions {
        all.push(town.populate(region, each).await);
    }
    town.open(inboxes);
    (town, all)
}

/// The minute after the population has been made.
fn next_minute(town: &Town) -> u64 {
    town.clock.elapsed() as u64 / 60 + 1
}

/// From the first check that is missed until the message that starts the repair is in a worker's hands.
#[test]
fn three_misses_are_a_repair_within_three_intervals_and_two_seconds() {
    let mut longest: f64 = 0.0;
    for seed in seeds(30) {
        virtually(seed, async {
            let (mut rng, trouble) = (Rng::with_seed(seed), Trouble::default());
            let (town, all) = town(seed, &trouble, &["fra", "iad"], 30).await;
            let from = next_minute(&town);
            let silent = (from * 60) as f64 + rng.f64() * 60.0;
            let (sick, view) = (&all[0][rng.usize(0..30)], if rng.bool() { View::Hole } else { View::Sick });
            trouble.comes_over([sick], silent, f64::MAX, view);
            town.minutes(from, 7).await;
            let (log, first_miss) = (town.log(), trouble.first_miss.lock().unwrap().expect("it was missed"));
            assert_eq!((log.repairs, log.begun.len()), (1, 1), "seed {seed}: {log:?}");
            assert!(log.begun.keys().all(|run| run.starts_with(&sick.organisation.to_string())), "seed {seed}: {log:?}");
            let took = log.begun.values().next().unwrap() - first_miss;
            assert!((175.0..=182.0).contains(&took), "seed {seed}: {took} s");
            longest = longest.max(took);
        });
    }
    println!("from the first miss to the repair: at most {longest:.2} s");
}

/// More than a fifth, at once, at any moment: also between the checks of two shards, so that some are suspects a minute before others.
#[test]
fn a_region_of_which_more_than_a_fifth_is_down_is_an_incident_and_nothing_in_it_is_restarted() {
    for seed in seeds(20) {
        virtually(seed, async {
            let (mut rng, trouble) = (Rng::with_seed(seed), Trouble::default());
            let (town, all) = town(seed, &trouble, &["fra", "iad", "sin"], 50).await;
            let from = next_minute(&town);
            let (begins, lasts) = (edgy(&mut rng, from), 300.0 + rng.f64() * 900.0);
            let view = if rng.bool() { View::Hole } else { View::Sick };
            trouble.comes_over(&all[0][..rng.usize(11..=50)], begins, begins + lasts, view);
            town.minutes(from, 32).await;
            assert_eq!(alarms::take(), ["provider_incident"], "seed {seed}: one alarm");
            assert_all_left_alone(seed, &town, &all).await;
        });
    }
}

/// Our network, our names, our certificates: everybody is silent, and it is not them.
#[test]
fn an_outage_of_our_own_restarts_nothing_while_it_lasts_and_nothing_afterwards() {
    for seed in seeds(20) {
        virtually(seed, async {
            let (mut rng, trouble) = (Rng::with_seed(seed), Trouble::default());
            let (town, all) = town(seed, &trouble, &["fra", "iad", "sin", "syd"], 25).await;
            let from = next_minute(&town);
            let (begins, lasts) = (edgy(&mut rng, from), 200.0 + rng.f64() * 900.0);
            let view = if rng.bool() { View::Hole } else { View::Sick };
            trouble.comes_over(all.iter().flatten(), begins, begins + lasts, view);
            town.minutes(from, 30).await;
            let alarms = alarms::take();
            assert!(!alarms.is_empty() && alarms.iter().all(|alarm| alarm == "provider_incident"), "seed {seed}: {alarms:?}");
            assert_all_left_alone(seed, &town, &all).await;
        });
    }
}

/// Instances that fall silent one by one are repaired until they are too many: never more than one in a hundred a minute, and at least one.
#[test]
fn a_region_that_goes_down_slowly_is_repaired_slowly_and_then_not_at_all() {
    for seed in seeds(5) {
        virtually(seed, async {
            let trouble = Trouble::default();
            let (town, all) = town(seed, &trouble, &["fra", "iad", "sin"], 60).await;
            let from = next_minute(&town);
            for (place, instance) in all[0].iter().enumerate() {
                trouble.comes_over([instance], (from * 60) as f64 + place as f64 * 15.0, f64::MAX, View::Sick);
            }
            town.minutes(from, 30).await;
            let Log { begun, .. } = town.log();
            let mut minutes: Vec<u64> = begun.values().map(|at| *at as u64 / 60).collect();
            minutes.sort_unstable();
            assert!((1..=4).contains(&minutes.len()), "seed {seed}: the brake came late: {minutes:?}");
            assert!(minutes.is_sorted_by(|one, next| one < next), "seed {seed}: two in one minute: {minutes:?}");
            assert_eq!(town.store.incident().await.unwrap().map(|incident| incident.regions.len()), Some(1));
        });
    }
}

/// A moment around a minute's beginning, when its checks are on their way.
fn edgy(rng: &mut Rng, minute: u64) -> f64 {
    (minute * 60) as f64 + 60.0 + rng.f64() * 0.8
}

/// Nothing was restarted, and the incident is over.
async fn assert_all_left_alone(seed: u64, town: &Town, all: &[Vec<Instance>]) {
    let log = town.log();
    assert_eq!((log.repairs, log.begun.len()), (0, 0), "seed {seed}: {log:?}");
    assert_eq!(town.store.incident().await.unwrap(), None, "seed {seed}, at {}", town.clock.now());
    for instances in all {
        assert_eq!(town.untouched(instances).await, instances.len(), "seed {seed}");
    }
}
