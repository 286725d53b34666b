use std::pin::Pin;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

use crate::RunId;
use crate::grip::{Grip, LONGEST_RESULT, Next, bytes, pause};
use crate::journal::Guard;
use crate::record::{Act, Entry, Phase, Record, Trying, Why};
use crate::setback::Attempt;
use crate::verdict::{Verdict, judge, shorten};

/// What a flow and its steps return: a value, or the news that this walk is over. An author only ever passes that on with `?`.
pub type Flow<T> = Result<T, Interrupted>;

/// This walk is over for now; the run itself knows why. Nobody outside this crate can make one, so the only way to leave a flow
/// early is the engine's.
#[derive(Debug)]
#[must_use = "an interrupted flow must return; pass this on with `?`"]
pub struct Interrupted(());

/// How long and how often a step may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Counted from the first try over all pauses. The last look is at the deadline.
    pub deadline: Duration,
    /// Tries that failed (`Retry`, or cut off); waiting (`NotYet`) is not an attempt.
    pub attempts: u32,
}

impl Limits {
    /// What a plain `step` gets: 15 minutes and 20 attempts.
    pub const DEFAULT: Self = Self { deadline: Duration::from_secs(900), attempts: 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A place among the armed undos, to which [`Run::release`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(usize);

/// An undo that will run if the flow turns back. `future` is absent once it was tried in this walk: another try needs another walk.
pub(crate) struct Armed<'a> {
    pub(crate) name: &'static str,
    pub(crate) future: Option<Pin<Box<dyn Future<Output = Attempt<()>> + Send + 'a>>>,
}

/// One walk through a flow: what its author writes against.
///
/// ```
/// use durable::{Attempt, Flow, Run};
///
/// # struct Apps;
/// # impl Apps {
/// #     async fn ensure_app(&self, _: &str) -> Attempt<u32> { Ok(7) }
/// #     async fn delete_app(&self, _: &str) -> Attempt<()> { Ok(()) }
/// # }
/// async fn make_app<'a>(run: &mut Run<'a>, apps: &'a Apps, name: &'a str) -> Flow<u32> {
///     run.undo("delete_app", apps.delete_app(name)); // stands before the step, because a lost answer leaves no result
///     let app = run.step("create_app", apps.ensure_app(name)).await?;
///     run.commit("in_service").await?; // from here on forward only
///     Ok(app)
/// }
/// ```
///
/// A future does nothing until it is polled: a step whose result is recorded drops it, every other one polls it. A flow therefore
/// makes no choice except on its plan and on recorded results.
pub struct Run<'a> {
    grip: Grip,
    visited: usize,
    armed: Vec<Armed<'a>>,
    notices: Vec<Value>,
    next: Option<Next>,
}

impl<'a> Run<'a> {
    pub(crate) const fn new(grip: Grip) -> Self {
        Self { grip, visited: 0, armed: Vec::new(), notices: Vec::new(), next: None }
    }

    /// The run's own identifier.
    #[must_use]
    pub fn id(&self) -> &RunId {
        self.grip.run()
    }

    /// What the run is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.grip.record.subject
    }

    /// When the run was started: the same moment in every walk, unlike a clock.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.grip.record.created_at
    }

    /// Arms an undo: it runs, newest first, if the flow turns back before its commit. It stands before the step that it undoes and
    /// takes only the plan, because a step that timed out may have done its work and has no recorded result.
    pub fn undo(&mut self, name: &'static str, future: impl Future<Output = Attempt<()>> + Send + 'a) {
        if self.next.is_none() {
            self.armed.push(Armed { name, future: Some(Box::pin(future)) });
        }
    }

    /// Does one thing once and gives its recorded result ever after. [`Limits::DEFAULT`] bounds it.
    ///
    /// # Errors
    /// [`Interrupted`], to be passed on with `?`.
    pub async fn step<T, F>(&mut self, name: &'static str, future: F) -> Flow<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Attempt<T>> + Send,
    {
        self.step_within(name, Limits::DEFAULT, future).await
    }

    /// A step with limits of its own.
    ///
    /// # Errors
    /// [`Interrupted`], to be passed on with `?`.
    pub async fn step_within<T, F>(&mut self, name: &'static str, limits: Limits, future: F) -> Flow<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Attempt<T>> + Send,
    {
        if let Some(value) = self.recorded(name, Act::Step)? {
            return Ok(value);
        }
        let before = self.begin(name)?;
        let tried = self.grip.attempt(future).await;
        match self.judge(tried, &before, limits) {
            Verdict::Done(value) => self.record(&before, Act::Step, value, None).await,
            Verdict::Again { after, trying } => self.leave(Next::Pause { after, trying }),
            Verdict::Over { why, ambiguous } => self.fail(name, why, ambiguous),
        }
    }

    /// Like [`Run::step_within`], but giving up is a recorded value too: the flow goes on with what the step said.
    ///
    /// # Errors
    /// [`Interrupted`], to be passed on with `?`.
    pub async fn attempt<T, F>(&mut self, name: &'static str, limits: Limits, future: F) -> Flow<Result<T, String>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Attempt<T>> + Send,
    {
        if let Some(value) = self.recorded(name, Act::Step)? {
            return Ok(value);
        }
        let before = self.begin(name)?;
        let tried = self.grip.attempt(future).await;
        match self.judge(tried, &before, limits) {
            Verdict::Done(value) => self.record(&before, Act::Step, Ok(value), None).await,
            Verdict::Again { after, trying } => self.leave(Next::Pause { after, trying }),
            Verdict::Over { why, ambiguous } => {
                // What was given up may still have an effect: the steps that follow look only after it had time to show.
                let settle = ambiguous.then_some(self.grip.timing.settle);
                self.record(&before, Act::Step, Err(why), settle).await
            }
        }
    }

    /// The point of no return: drops the armed undos. Refused, and the run turned back, if somebody asked to cancel first.
    ///
    /// # Errors
    /// [`Interrupted`], to be passed on with `?`.
    pub async fn commit(&mut self, name: &'static str) -> Flow<()> {
        if self.recorded::<()>(name, Act::Commit)?.is_none() {
            let before = self.begin(name)?;
            let entry = self.entry(&before, Act::Commit, Value::Null);
            let guard = self.grip.guard();
            if let Err(refused) = self.grip.advance(entry, guard, |next| next.committed = true).await {
                return self.leave(refused.into_next(false));
            }
            self.visited += 1;
        }
        self.armed.clear();
        Ok(())
    }

    /// The present place among the armed undos.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark(self.armed.len())
    }

    /// Runs and records the undos armed since the mark, newest first, and disarms them: what a refused choice left behind is gone
    /// before the next is tried.
    ///
    /// # Errors
    /// [`Interrupted`], to be passed on with `?`.
    pub async fn release(&mut self, mark: Mark) -> Flow<()> {
        while self.armed.len() > mark.0 {
            let name = self.armed.last().expect("longer than the mark").name;
            if self.recorded::<()>(name, Act::Release)?.is_none() {
                let before = self.begin(name)?;
                let Some(future) = self.armed.last_mut().and_then(|armed| armed.future.take()) else {
                    return self.leave(Next::Yield);
                };
                let tried = self.grip.attempt(future).await;
                let limits = Limits { deadline: self.grip.timing.undo_deadline, attempts: u32::MAX };
                match self.judge(tried, &before, limits) {
                    Verdict::Done(()) => self.record(&before, Act::Release, (), None).await?,
                    Verdict::Again { after, trying } => return self.leave(Next::Pause { after, trying }),
                    // Its future is used up: the pause before the way back gives the undo a fresh one.
                    Verdict::Over { why, .. } => return self.fail(name, why, true),
                }
            }
            self.armed.pop();
        }
        Ok(())
    }

    /// Tells somebody something: written with the run's end or not at all, and delivered by others.
    pub fn notify(&mut self, notice: impl Serialize) {
        if self.next.is_some() {
            return;
        }
        match serde_json::to_value(notice) {
            Ok(notice) if bytes(&notice) <= LONGEST_RESULT => self.notices.push(notice),
            Ok(notice) => self.next = Some(Next::Park(too_large("a notice", bytes(&notice)))),
            Err(error) => self.next = Some(Next::Park(format!("a notice cannot be written down: {error}"))),
        }
    }

    /// What the walk came to, with everything the engine needs to act on it.
    pub(crate) fn conclude(self, walked: Flow<Value>) -> (Grip, Vec<Armed<'a>>, Vec<Value>, Next) {
        let Self { grip, visited, armed, notices, next } = self;
        let next = match (next, walked) {
            (Some(next), _) => next,
            (None, Err(Interrupted(()))) => Next::Park("the flow returned an interruption of another run".to_owned()),
            (None, Ok(_)) if visited < grip.record.journal.len() => {
                let name = &grip.record.journal[visited].name;
                Next::Park(format!("the flow ended before the recorded step {name}, which it should have visited"))
            }
            (None, Ok(_)) if matches!(grip.record.phase, Phase::Unwinding { .. }) => Next::Unwind,
            (None, Ok(value)) => Next::End(value),
        };
        (grip, armed, notices, next)
    }

    /// Rule 4: the k-th visited step must be the k-th entry and have its name. `None`: it is fresh.
    fn recorded<T: DeserializeOwned>(&mut self, name: &'static str, act: Act) -> Flow<Option<T>> {
        if self.next.is_some() {
            return Err(Interrupted(()));
        }
        let Some(entry) = self.grip.record.journal.get(self.visited) else { return Ok(None) };
        if entry.name != name || entry.act != act {
            let why =
                format!("the flow visits {name} ({act:?}) where {} ({:?}) is recorded, at place {}", entry.name, entry.act, self.visited);
            return self.leave(Next::Park(why));
        }
        match T::deserialize(&entry.result) {
            Ok(value) => {
                self.visited += 1;
                Ok(Some(value))
            }
            Err(error) => {
                let why = format!("the recorded result of {name}, at place {}, cannot be read: {error}", self.visited);
                self.leave(Next::Park(why))
            }
        }
    }

    /// Rule 5: what a fresh step asks before it runs. Gives what is known of earlier tries.
    fn begin(&mut self, name: &'static str) -> Flow<Trying> {
        let grip = &self.grip;
        if matches!(grip.record.phase, Phase::Unwinding { .. }) {
            return self.leave(Next::Unwind);
        }
        if grip.is_cancelled() {
            let settle = grip.record.trying.as_ref().is_some_and(|trying| trying.attempts > 0);
            return self.leave(Next::TurnBack { why: Why::Cancelled, settle });
        }
        let Some(before) = grip.trying(name, self.visited) else {
            let other = grip.record.trying.as_ref().map_or("", |trying| trying.name.as_str());
            let why = format!("the flow visits {name} where {other} is being tried, at place {}", self.visited);
            return self.leave(Next::Park(why));
        };
        if !grip.has_room_for_a_step() {
            return self.leave(Next::Park(format!("the run is too large to record {name}: a bug of the flow")));
        }
        if !grip.has_time_for_a_step() {
            return self.leave(Next::Yield);
        }
        Ok(before)
    }

    fn judge<T>(&self, tried: Option<Attempt<T>>, before: &Trying, limits: Limits) -> Verdict<T> {
        judge(tried, before.clone(), limits, &self.grip.timing, self.grip.run(), self.grip.clock.now())
    }

    /// Records a result; with `settle` it pauses in the same write.
    async fn record<T: Serialize>(&mut self, before: &Trying, act: Act, value: T, settle: Option<Duration>) -> Flow<T> {
        let result = match serde_json::to_value(&value) {
            Ok(result) if bytes(&result) <= LONGEST_RESULT => result,
            Ok(result) => {
                let why = too_large(&format!("the result of {}", before.name), bytes(&result));
                return self.leave(Next::Park(why));
            }
            Err(error) => {
                let why = format!("the result of {} cannot be written down: {error}", before.name);
                return self.leave(Next::Park(why));
            }
        };
        let entry = self.entry(before, act, result);
        let timing = self.grip.timing;
        let wake_at = settle.map(|settle| self.grip.clock.now() + settle);
        let shape = |next: &mut Record| {
            if let Some(wake_at) = wake_at {
                pause(next, wake_at, &timing);
            }
        };
        if let Err(refused) = self.grip.advance(entry, Guard::None, shape).await {
            return self.leave(refused.into_next(true));
        }
        self.visited += 1;
        match wake_at {
            Some(until) => self.leave(Next::Paused { until }),
            None => Ok(value),
        }
    }

    fn entry(&self, before: &Trying, act: Act, result: Value) -> Entry {
        Entry {
            name: before.name.clone(),
            act,
            result,
            started_at: before.since,
            finished_at: self.grip.clock.now(),
            attempts: before.attempts.saturating_add(1),
        }
    }

    fn fail<T>(&mut self, step: &str, message: String, settle: bool) -> Flow<T> {
        self.leave(Next::TurnBack { why: Why::Failed { step: step.to_owned(), message: shorten(message) }, settle })
    }

    /// Ends this walk. The first reason counts: a flow that goes on regardless changes nothing any more.
    fn leave<T>(&mut self, next: Next) -> Flow<T> {
        self.next.get_or_insert(next);
        Err(Interrupted(()))
    }
}

fn too_large(what: &str, bytes: usize) -> String {
    format!("{what} has {bytes} bytes, more than the {LONGEST_RESULT} that may be recorded: a bug of the flow")
}
