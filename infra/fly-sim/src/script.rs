//! Adversity on request: which call is to go wrong, and how.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::capacity::Capacity;

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The call is answered with this and has no effect.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The body: a JSON value, or a text if it is a string.
        body: Value,
        /// The `Retry-After` header, in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// The call has its effect and the connection breaks before a byte of the answer.
    AnswerLost,
    /// The call is answered 408 now and has its effect after this time.
    LateEffect(Duration),
    /// The call takes this long before it has its effect, whether or not the caller is still there, and is then answered.
    Slow(Duration),
    /// A read that does not see what is newer than this: a list shows what was there before, a single app, machine or volume is not
    /// found, and a machine that was destroyed since is still `destroying`.
    Lag(Duration),
    /// A page of an organisation's list has at most so many rows, though more remain.
    ShortPage(usize),
}

impl Fault {
    /// A bare status with an error text.
    #[must_use]
    pub fn status(status: u16, text: &str) -> Self {
        Self::Answer { status, body: json!({ "error": text }), retry_after_seconds: None }
    }

    /// A refusal with Fly's `status` field, for example `insufficient_capacity`.
    #[must_use]
    pub fn refusal(status: u16, text: &str, code: &str) -> Self {
        Self::Answer { status, body: json!({ "error": text, "status": code }), retry_after_seconds: None }
    }

    /// 429, with `Retry-After` or without.
    #[must_use]
    pub fn too_many_requests(retry_after_seconds: Option<u64>) -> Self {
        Self::Answer { status: 429, body: json!({ "error": "rate limit exceeded" }), retry_after_seconds }
    }

    /// 408 without an effect: Fly gave up talking to the machine's host before the host heard of it.
    #[must_use]
    pub fn timeout() -> Self {
        Self::status(408, "deadline_exceeded: request timed out")
    }

    /// The region has no room for a new machine.
    #[must_use]
    pub fn region_full() -> Self {
        Self::capacity(Capacity::NoCandidate)
    }

    /// There is no room, for one of the reasons there are.
    #[must_use]
    pub fn capacity(want: Capacity) -> Self {
        let (status, body) = want.refusal(None);
        Self::Answer { status, body, retry_after_seconds: None }
    }

    /// The volume is still claimed by a machine whose destruction is not quite done; no machine is named.
    #[must_use]
    pub fn volume_still_claimed() -> Self {
        Self::status(412, "failed_precondition: volume already claimed by machine")
    }

    /// Two creations of one app met: the loser's words differ from those for a name that was taken before.
    #[must_use]
    pub fn name_race() -> Self {
        Self::status(422, "uniqueness constraint violated")
    }

    /// The snapshot to restore is another organisation's.
    #[must_use]
    pub fn foreign_snapshot(organisation: &str) -> Self {
        Self::status(422, &format!("Unable to create volume. The specified snapshot must belong to organization: {organisation}"))
    }
}

/// Which calls a fault is for.
#[derive(Debug, Clone)]
pub struct Match {
    action: Option<String>,
    method: Option<Method>,
    path: Option<String>,
    turns: Turns,
}

#[derive(Debug, Clone, Copy)]
struct Turns {
    first: u64,
    count: u64,
}

impl Match {
    fn new(action: Option<String>, method: Option<Method>, path: Option<String>) -> Self {
        Self { action, method, path, turns: Turns { first: 1, count: 1 } }
    }

    /// The first call of an action, for example `create_machine` (`crate::ACTIONS` lists them).
    #[must_use]
    pub fn action(action: &str) -> Self {
        debug_assert!(crate::ACTIONS.contains(&action), "`{action}` is not an action");
        Self::new(Some(action.to_owned()), None, None)
    }

    /// The first call with this method and path; a segment `*` stands for any one segment, a last segment `**` for any rest.
    #[must_use]
    pub fn call(method: Method, path: &str) -> Self {
        Self::new(None, Some(method), Some(path.to_owned()))
    }

    /// The first call of any kind.
    #[must_use]
    pub fn any() -> Self {
        Self::new(None, None, None)
    }

    /// Only calls whose path fits too.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The nth fitting call from now on, counted from 1.
    #[must_use]
    pub fn nth(self, first: u64) -> Self {
        Self { turns: Turns { first, ..self.turns }, ..self }
    }

    /// This many calls in a row instead of one.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { turns: Turns { count, ..self.turns }, ..self }
    }

    /// Every fitting call.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    fn fits(&self, action: &str, method: &Method, path: &str) -> bool {
        self.action.as_deref().is_none_or(|wanted| wanted == action)
            && self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|pattern| fits(pattern, path))
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, segments.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

/// The faults that a simulator plays.
#[derive(Default)]
pub struct Script(Mutex<Vec<Rule>>);

struct Rule {
    wanted: Match,
    fault: Fault,
    seen: u64,
    played: u64,
}

/// A line of the script that still lacks its fault.
#[must_use = "a match without a fault does nothing"]
pub struct On<'a> {
    script: &'a Script,
    wanted: Match,
}

impl On<'_> {
    /// Writes the line.
    pub fn then(self, fault: Fault) {
        self.script.lock().push(Rule { wanted: self.wanted, fault, seen: 0, played: 0 });
    }
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a line. Of several that fit a call, the oldest is played.
    pub fn on(&self, wanted: Match) -> On<'_> {
        On { script: self, wanted }
    }

    /// Forgets every line.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The lines that were never played: a test that scripted a fault nobody met has tested nothing.
    #[must_use]
    pub fn unplayed(&self) -> Vec<String> {
        self.lock().iter().filter(|rule| rule.played == 0).map(|rule| format!("{:?} → {:?}", rule.wanted, rule.fault)).collect()
    }

    pub(crate) fn play(&self, action: &str, method: &Method, path: &str) -> Option<Fault> {
        let mut played = None;
        for rule in self.lock().iter_mut().filter(|rule| rule.wanted.fits(action, method, path)) {
            rule.seen += 1;
            let turns = rule.wanted.turns;
            if played.is_none() && rule.seen >= turns.first && rule.seen - turns.first < turns.count {
                rule.played += 1;
                played = Some(rule.fault.clone());
            }
        }
        played
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nth_fitting_call_is_struck() {
        let script = Script::default();
        script.on(Match::call(Method::POST, "/v1/apps/*/machines").nth(2)).then(Fault::AnswerLost);
        let play = |method: Method, path: &str| script.play("create_machine", &method, path);
        assert_eq!(play(Method::POST, "/v1/apps/a/machines"), None);
        assert_eq!(play(Method::GET, "/v1/apps/a/machines"), None, "another method does not count");
        assert_eq!(play(Method::POST, "/v1/apps/a/machines/m"), None, "a longer path does not count");
        assert_eq!(play(Method::POST, "/v1/apps/b/machines"), Some(Fault::AnswerLost));
        assert_eq!(play(Method::POST, "/v1/apps/a/machines"), None);
    }

    #[test]
    fn a_line_nobody_met_is_named() {
        let script = Script::default();
        script.on(Match::action("create_app")).then(Fault::timeout());
        assert_eq!(script.unplayed().len(), 1);
        script.play("create_app", &Method::POST, "/v1/apps");
        assert!(script.unplayed().is_empty());
    }
}
