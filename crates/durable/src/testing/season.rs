use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::testing::rehearsal::{Dice, widened};
use crate::testing::{Rehearsal, Schedule};

/// So many findings end a season: whoever broke one thing does not want to read of it ten thousand times.
const MOST_FAILURES: usize = 10;

/// Many rehearsals, performed as a whole: every single adversity of each, every pair of adversities or so many of them drawn by
/// chance, and a number of triples that is spread evenly over the pairs. What is performed depends on the seed alone, not on the
/// number of threads.
pub struct Season {
    /// What is performed.
    pub castings: Vec<Casting>,
    /// Triples in total.
    pub triples: usize,
    /// What is drawn by chance is drawn from it.
    pub seed: u64,
    /// How many performances take place at once.
    pub threads: usize,
}

/// A rehearsal, and how much of it a season performs.
pub struct Casting {
    /// The rehearsal.
    pub rehearsal: Rehearsal,
    /// About so many pairs, drawn by chance; absent: every pair.
    pub pairs: Option<usize>,
}

/// What a season has performed of one rehearsal.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// The rehearsal's name.
    pub name: String,
    /// Points of the performance in which nothing goes wrong.
    pub points: usize,
    /// Schedules of one adversity: all there are.
    pub singles: usize,
    /// Schedules of two adversities.
    pub pairs: usize,
    /// How many pairs there are.
    pub possible_pairs: usize,
    /// Schedules of three adversities.
    pub triples: usize,
    /// Processor time, all threads together.
    pub took: Duration,
}

/// A schedule that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// What was not as it must be.
    pub broken: String,
    /// The line that replays it.
    pub replay: String,
}

/// A single adversity and the pairs that begin with it: the unit of work of a thread.
struct Scenario {
    casting: usize,
    pairs: Vec<Schedule>,
    triples: usize,
}

#[derive(Default)]
struct Tally {
    played: Vec<Played>,
    failures: BTreeSet<Failure>,
}

impl Season {
    /// Performs it. What was performed, by rehearsal; and the failures, at whose tenth it stops.
    #[must_use]
    pub fn perform(&self) -> (Vec<Played>, Vec<Failure>) {
        let tally = Mutex::new(Tally::default());
        let mut singles = Vec::new();
        for (casting, Casting { rehearsal, .. }) in self.castings.iter().enumerate() {
            let (points, finish) = rehearsal.watch(&Schedule::calm());
            let mut tally = lock(&tally);
            tally.played.push(Played { name: rehearsal.name().to_owned(), points: points.len(), ..Played::default() });
            tally.note(rehearsal, &Schedule::calm(), finish.map(drop));
            singles.extend(widened(&Schedule::calm(), &points).into_iter().map(|single| (casting, single)));
        }

        let scenarios = Mutex::new(Vec::new());
        self.spread(singles.len(), &tally, |place| {
            let (casting, single) = &singles[place];
            let began = Instant::now();
            let rehearsal = &self.castings[*casting].rehearsal;
            let (points, finish) = rehearsal.watch(single);
            let pairs = widened(single, &points);
            let (possible_pairs, took) = (pairs.len(), began.elapsed());
            lock(&scenarios).push((place, Scenario { casting: *casting, pairs, triples: 0 }));
            let mut tally = lock(&tally);
            let played = &mut tally.played[*casting];
            played.singles += 1;
            played.possible_pairs += possible_pairs;
            played.took += took;
            tally.note(rehearsal, single, finish.map(drop));
        });

        let mut scenarios = scenarios.into_inner().expect("no holder panics");
        scenarios.sort_by_key(|(place, _)| *place);
        let mut scenarios: Vec<Scenario> = scenarios.into_iter().map(|(_, scenario)| scenario).collect();
        self.choose(&mut scenarios, &lock(&tally).played);
        self.spread(scenarios.len(), &tally, |place| self.play(place, &scenarios[place], &tally));

        self.fill_up(&scenarios, &tally);
        let Tally { played, failures } = tally.into_inner().expect("no holder panics");
        (played, failures.into_iter().collect())
    }

    /// Which pairs of each scenario are performed, and how many triples.
    fn choose(&self, scenarios: &mut [Scenario], played: &[Played]) {
        let mut dice = Dice(self.seed);
        for Scenario { casting, pairs, .. } in scenarios.iter_mut() {
            let possible = played[*casting].possible_pairs;
            if let Some(wanted) = self.castings[*casting].pairs.filter(|wanted| *wanted < possible) {
                pairs.retain(|_| dice.below(possible) < wanted);
            }
        }
        let all: usize = scenarios.iter().map(|scenario| scenario.pairs.len()).sum();
        let mut before = 0;
        for scenario in scenarios {
            let after = before + scenario.pairs.len();
            scenario.triples = self.triples * after / all.max(1) - self.triples * before / all.max(1);
            before = after;
        }
    }

    /// The pairs of one scenario; each performance shows the points at which a third adversity can befall it.
    fn play(&self, place: usize, scenario: &Scenario, tally: &Mutex<Tally>) {
        let began = Instant::now();
        let rehearsal = &self.castings[scenario.casting].rehearsal;
        let place = u64::try_from(place).expect("a usize has at most 64 bits");
        let mut dice = Dice(self.seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut triples, mut found) = (0, Vec::new());
        let mut perform_triple = |wider: &[Schedule], found: &mut Vec<_>| {
            if wider.is_empty() {
                return 0;
            }
            let triple = &wider[dice.below(wider.len())];
            found.extend(rehearsal.perform(triple).err().map(|broken| (triple.clone(), broken)));
            1
        };
        for (index, pair) in scenario.pairs.iter().enumerate() {
            let (points, finish) = rehearsal.watch(pair);
            found.extend(finish.err().map(|broken| (pair.clone(), broken)));
            // Ahead rather than behind: the last pairs of a scenario leave no point for a third adversity.
            let due = ((index + 1) * scenario.triples).div_ceil(scenario.pairs.len()).saturating_sub(triples);
            let wider = if due > 0 { widened(pair, &points) } else { Vec::new() };
            triples += (0..due).map(|_| perform_triple(&wider, &mut found)).sum::<usize>();
        }
        let mut tally = lock(tally);
        let played = &mut tally.played[scenario.casting];
        played.pairs += scenario.pairs.len();
        played.triples += triples;
        played.took += began.elapsed();
        for (schedule, broken) in found {
            tally.note(rehearsal, &schedule, Err(broken));
        }
    }

    /// Some scenarios leave no point for so many triples: what is missing is drawn from all of them.
    fn fill_up(&self, scenarios: &[Scenario], tally: &Mutex<Tally>) {
        let performed: usize = lock(tally).played.iter().map(|played| played.triples).sum();
        let chosen: Vec<&Scenario> = scenarios.iter().filter(|scenario| !scenario.pairs.is_empty()).collect();
        let missing = if chosen.is_empty() { 0 } else { self.triples.saturating_sub(performed) };
        let mut dice = Dice(!self.seed);
        let drawn: Vec<(&Scenario, u64)> = (0..missing).map(|_| (chosen[dice.below(chosen.len())], dice.next())).collect();
        self.spread(missing, tally, |place| {
            let (scenario, seed) = drawn[place];
            let rehearsal = &self.castings[scenario.casting].rehearsal;
            let mut dice = Dice(seed);
            for _ in 0..100 {
                let wider = rehearsal.widened(&scenario.pairs[dice.below(scenario.pairs.len())]);
                if !wider.is_empty() {
                    let triple = &wider[dice.below(wider.len())];
                    let performed = rehearsal.perform(triple).map(drop);
                    let mut tally = lock(tally);
                    tally.played[scenario.casting].triples += 1;
                    tally.note(rehearsal, triple, performed);
                    return;
                }
            }
        });
    }

    /// Does so many pieces of work on all threads, until there are too many failures.
    fn spread(&self, pieces: usize, tally: &Mutex<Tally>, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    while lock(tally).failures.len() < MOST_FAILURES {
                        match next.fetch_add(1, Ordering::Relaxed) {
                            piece if piece < pieces => work(piece),
                            _ => break,
                        }
                    }
                });
            }
        });
    }
}

impl Played {
    /// Every schedule that was performed, the one in which nothing goes wrong among them.
    #[must_use]
    pub const fn schedules(&self) -> usize {
        1 + self.singles + self.pairs + self.triples
    }
}

impl Tally {
    fn note(&mut self, rehearsal: &Rehearsal, schedule: &Schedule, performed: Result<(), String>) {
        if let Err(broken) = performed {
            self.failures.insert(Failure { broken, replay: rehearsal.replay_line(schedule) });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
