//! The way back: rule 9.

use std::ops::ControlFlow;

use crate::drive::{Drive, Turn, park_in};
use crate::grip::{Next, place_of};
use crate::journal::Guard;
use crate::record::{Record, Undone};
use crate::run::Limits;
use crate::verdict::{Verdict, judge};

impl Drive<'_, '_> {
    /// Runs the armed undos, newest first, and records each. What cannot be undone is left, the others still run, and the run parks
    /// in the same write that records the last of them.
    pub(crate) async fn unwind(&mut self) -> Turn {
        if let Some(why) = self.differs() {
            return ControlFlow::Continue(Next::Park(why));
        }
        self.forget_what_was_left();
        for place in (0..self.armed.len()).rev() {
            if is_recorded(&self.grip.record, place) {
                continue;
            }
            if let Some(turn) = self.undo(place).await {
                return turn;
            }
        }
        ControlFlow::Continue(Next::Unwound)
    }

    /// One undo. `None`: it is recorded, go on with the next.
    async fn undo(&mut self, place: usize) -> Option<Turn> {
        let name = self.armed[place].name;
        let Some(before) = self.grip.trying(name, place) else {
            return Some(ControlFlow::Continue(Next::Park(format!("{name} is to be undone where another undo is being tried"))));
        };
        if !self.grip.has_time_for_a_step() {
            return Some(ControlFlow::Continue(Next::Yield));
        }
        let Some(future) = self.armed[place].future.take() else {
            return Some(ControlFlow::Continue(Next::Yield));
        };
        let tried = self.grip.attempt(future).await;
        let limits = Limits { deadline: self.grip.timing.undo_deadline, attempts: u32::MAX };
        let left = match judge(tried, before.clone(), limits, &self.grip.timing, self.grip.run(), self.grip.clock.now()) {
            Verdict::Done(()) => None,
            Verdict::Again { after, trying } => return Some(ControlFlow::Continue(Next::Pause { after, trying })),
            Verdict::Over { why, .. } => Some(why),
        };
        let mut next = self.grip.record.clone();
        let finished_at = self.grip.clock.now();
        next.undone.push(Undone { place: before.place, name: before.name, left, started_at: before.since, finished_at });
        next.trying = None;
        next.claims = 0;
        let park = (0..self.armed.len()).all(|place| is_recorded(&next, place)).then(|| named(&next)).flatten();
        if let Some(why) = &park {
            park_in(&mut next, why.clone());
        }
        match (self.grip.write(next, Guard::None).await, park) {
            (Ok(()), None) => None,
            (Ok(()), Some(why)) => Some(ControlFlow::Break(self.parked(why))),
            (Err(refused), _) => Some(ControlFlow::Continue(refused.into_next(false))),
        }
    }

    /// Rule 4 on the way back: what is recorded as undone must be armed in its place under its name.
    fn differs(&self) -> Option<String> {
        self.grip.record.undone.iter().find_map(|undone| {
            let armed = self.armed.get(usize::try_from(undone.place).ok()?).map(|armed| armed.name);
            (armed != Some(&undone.name)).then(|| {
                format!(
                    "{} is recorded as undone at place {}, where the flow armed {}",
                    undone.name,
                    undone.place,
                    armed.unwrap_or("nothing")
                )
            })
        })
    }

    /// A run on its way back with everything recorded and something left can only have been resumed by a person: what was left is
    /// tried again.
    fn forget_what_was_left(&mut self) {
        let record = &mut self.grip.record;
        if (0..self.armed.len()).all(|place| is_recorded(record, place)) {
            record.undone.retain(|undone| undone.left.is_none());
        }
    }
}

fn is_recorded(record: &Record, place: usize) -> bool {
    record.undone.iter().any(|undone| undone.place == place_of(place))
}

/// What was left, for the person who has to look.
fn named(record: &Record) -> Option<String> {
    let left: Vec<String> =
        record.undone.iter().filter_map(|undone| Some(format!("{} ({})", undone.name, undone.left.as_ref()?))).collect();
    (!left.is_empty()).then(|| format!("could not be undone: {}", left.join("; ")))
}
