use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::testing::theatre::{Finish, Scene, perform};
use crate::testing::{Adversity, Point, Schedule, Stage};

/// The name of the environment variable that makes [`Rehearsal::explore`] perform one schedule only, and tell what happened.
const REPLAY: &str = "ROCKPOOL_SCHEDULE";

/// Performs one flow in a fake world over and over, each time with something else going wrong.
///
/// A *point* is a write of the journal, a message, or an effect on the world; points are counted from nought as they are reached. A
/// [`Schedule`] says which [`Adversity`] happens at which points. Everything is deterministic: one schedule is one performance.
///
/// After every performance this is checked, whatever the flow: the run ended exactly once, or parked and something was refused for
/// good; an accepted cancel did not end in success; nothing turned back after its commit; live runs, and only they, could be found by
/// the sweep at every moment; no message was sent before its write; no message is left in the queue. The scene's own `check` looks at
/// the fake world: nothing left over, exactly one of everything.
///
/// ```no_run
/// # use durable::testing::{Rehearsal, Scene, Stage};
/// # use std::sync::Arc;
/// # fn scene(stage: &Arc<Stage>) -> Scene { unreachable!() }
/// let rehearsal = Rehearsal::new("provision", scene);
/// rehearsal.explore(rehearsal.singles()); // every single adversity at every point
/// let pairs = rehearsal.singles().into_iter().flat_map(|single| rehearsal.widened(&single));
/// rehearsal.explore(pairs); // every pair
/// rehearsal.explore(rehearsal.sampled(42, 3, 1000)); // a thousand seeded triples
/// ```
///
/// A [`Season`](crate::testing::Season) performs all pairs of many rehearsals, and seeded triples, on every core.
///
/// A schedule that fails is printed as one line that replays it alone. `tests/engine/sample.rs` of this crate is a whole scene to copy
/// from: its fake world sends each call through [`Stage::effect`] and lets things exist twice, as a provider does.
pub struct Rehearsal {
    name: String,
    make: Make,
    replayed_by: &'static str,
}

type Make = Box<dyn Fn(&Arc<Stage>) -> Scene + Send + Sync>;

/// How much was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explored {
    /// Schedules that were performed.
    pub performed: usize,
}

impl Rehearsal {
    /// A rehearsal of the scene that `make` makes, anew for every performance. The fake world sends its calls through the stage.
    pub fn new(name: impl Into<String>, make: impl Fn(&Arc<Stage>) -> Scene + Send + Sync + 'static) -> Self {
        Self { name: name.into(), make: Box::new(make), replayed_by: "cargo test" }
    }

    /// The same, and the line that replays a schedule names this command; `cargo test` otherwise.
    #[must_use]
    pub fn replayed_by(self, command: &'static str) -> Self {
        Self { replayed_by: command, ..self }
    }

    /// One performance.
    ///
    /// # Errors
    /// What was not as it must be.
    pub fn perform(&self, schedule: &Schedule) -> Result<Finish, String> {
        self.watch(schedule).1
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One performance with the points that it reached. A panic is a finding like any other: it has to name its schedule.
    pub(super) fn watch(&self, schedule: &Schedule) -> (Vec<Point>, Result<Finish, String>) {
        catch_unwind(AssertUnwindSafe(|| perform(&*self.make, schedule))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            (Vec::new(), Err(format!("it panicked: {}", said.unwrap_or("without a word"))))
        })
    }

    /// The line that performs one schedule of this rehearsal alone.
    pub(super) fn replay_line(&self, schedule: &Schedule) -> String {
        format!("{REPLAY}=\"{} {schedule}\" {}", self.name, self.replayed_by)
    }

    /// The points of a performance in which nothing goes wrong.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        self.watch(&Schedule::calm()).0
    }

    /// Every single adversity at every point.
    #[must_use]
    pub fn singles(&self) -> Vec<Schedule> {
        self.widened(&Schedule::calm())
    }

    /// The schedule with one more adversity, in every way: at each point that its performance reaches from its last adversity on.
    #[must_use]
    pub fn widened(&self, schedule: &Schedule) -> Vec<Schedule> {
        widened(schedule, &self.watch(schedule).0)
    }

    /// So many schedules of so many adversities, drawn by chance from the seed.
    #[must_use]
    pub fn sampled(&self, seed: u64, adversities: usize, count: usize) -> Vec<Schedule> {
        let mut dice = Dice(seed);
        let singles = self.singles();
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let mut schedule = singles[dice.below(singles.len())].clone();
            for _ in 1..adversities {
                let wider = self.widened(&schedule);
                if wider.is_empty() {
                    break;
                }
                schedule = wider[dice.below(wider.len())].clone();
            }
            all.push(schedule);
        }
        all
    }

    /// Performs every schedule. With `ROCKPOOL_SCHEDULE="<name> <schedule>"` in the environment it performs that one alone and prints
    /// its points.
    ///
    /// # Panics
    /// If a performance is not as it must be: with the line that replays it.
    pub fn explore(&self, schedules: impl IntoIterator<Item = Schedule>) -> Explored {
        if let Ok(replay) = std::env::var(REPLAY) {
            return self.replay(&replay);
        }
        let mut performed = 0;
        for schedule in schedules {
            performed += 1;
            if let Err(broken) = self.perform(&schedule) {
                panic!("{broken}\n  after {performed} schedules; to replay this one: {}", self.replay_line(&schedule));
            }
        }
        assert!(performed > 0, "an exploration without a schedule shows nothing");
        Explored { performed }
    }

    fn replay(&self, replay: &str) -> Explored {
        let Some((_, schedule)) = replay.split_once(' ').filter(|(name, _)| *name == self.name) else {
            return Explored { performed: 0 };
        };
        let schedule: Schedule = schedule.parse().expect("the schedule as it was printed");
        let (points, finish) = self.watch(&schedule);
        for (index, point) in points.iter().enumerate() {
            let befell: Vec<_> = schedule.at(index).filter(|adversity| adversity.applies_to(point.kind)).collect();
            println!("{index:4}  {point}  {}", if befell.is_empty() { String::new() } else { format!("<- {befell:?}") });
        }
        match finish {
            Ok(finish) => println!("{:?} after {:?}\n{:#?}", finish.run.phase, finish.took, finish.run),
            Err(broken) => panic!("{broken}"),
        }
        Explored { performed: 1 }
    }
}

/// The schedule with one more adversity, in every way that the points allow which its performance reached.
pub(super) fn widened(schedule: &Schedule, points: &[Point]) -> Vec<Schedule> {
    let last = schedule.0.last().copied();
    let mut all = Vec::new();
    for (index, point) in points.iter().enumerate().skip(last.map_or(0, |(index, _)| index)) {
        let possible = Adversity::ALL.into_iter().filter(|adversity| adversity.applies_to(point.kind));
        all.extend(possible.filter(|adversity| can_be_added(last, index, *adversity)).map(|adversity| schedule.and(index, adversity)));
    }
    all
}

/// At one point, what comes from outside may come together with what befalls the point; two fates of one point exclude each other.
fn can_be_added(last: Option<(usize, Adversity)>, index: usize, adversity: Adversity) -> bool {
    match last {
        Some((at, before)) if at == index => before.is_from_outside() && (before < adversity || !adversity.is_from_outside()),
        _ => true,
    }
}

/// A small generator of its own, so that a seed means the same schedules for ever (`SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a usize has at most 64 bits");
        usize::try_from(self.next() % limit).expect("less than a usize")
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
