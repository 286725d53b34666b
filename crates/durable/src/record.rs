//! The run as it is stored: one item, everything a worker needs to go on.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names a run. Opaque here; whoever starts runs decides what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one claim of a run: fresh for every claim, so that a worker recognises its own writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId(pub String);

/// A run that is about to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its identifier.
    pub id: RunId,
    /// The flow's name, for example `provision`.
    pub kind: String,
    /// The flow's version: recorded journals are resumed by the code that wrote them.
    pub version: u32,
    /// What the run is for, opaque to this crate.
    pub subject: String,
    /// Every name and choice, made before the run begins. References, never contents or secrets.
    pub plan: Value,
}

/// Why a run turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Why {
    /// Somebody asked for it.
    Cancelled,
    /// A step will never succeed.
    Failed {
        /// The step.
        step: String,
        /// What it said.
        message: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The whole flow was walked.
    Succeeded,
    /// A step failed for good and everything was undone.
    Failed {
        /// The step.
        step: String,
        /// What it said.
        message: String,
    },
    /// A cancel was accepted and everything was undone.
    Cancelled,
    /// It was parked and somebody gave it up.
    Abandoned,
}

/// Where a run is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// On its way forward.
    Running,
    /// On its way back.
    Unwinding {
        /// Why.
        why: Why,
    },
    /// Stopped until a person acts.
    Parked {
        /// One sentence that names the step and the trouble.
        why: String,
        /// The phase it returns to when it is resumed.
        was: Box<Phase>,
    },
    /// Over.
    Done {
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
    },
}

impl Phase {
    /// Whether a worker may move it on.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Running | Self::Unwinding { .. })
    }
}

/// What an entry of the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A step with its result.
    Step,
    /// The point of no return.
    Commit,
    /// An undo that was run on the way forward, by a release.
    Release,
}

/// One thing done on the way forward. The k-th visited step is the k-th entry and bears its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The step's name: product vocabulary, shown in the customer's timeline.
    pub name: String,
    /// What it was.
    pub act: Act,
    /// What it gave, at most 4 KB.
    pub result: Value,
    /// When it was first tried.
    pub started_at: Timestamp,
    /// When its result was recorded.
    pub finished_at: Timestamp,
    /// How often it was tried, at least once.
    pub attempts: u32,
}

/// One thing undone on the way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// Its place among the armed undos, oldest first.
    pub place: u32,
    /// Its name.
    pub name: String,
    /// What is left if it could not be undone by its deadline; absent where it succeeded.
    pub left: Option<String>,
    /// When it was first tried.
    pub started_at: Timestamp,
    /// When it was recorded.
    pub finished_at: Timestamp,
}

/// The step (or undo) that is being tried over several claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trying {
    /// Its name.
    pub name: String,
    /// Its place: the index in the journal, or among the armed undos.
    pub place: u32,
    /// When it was first tried; its deadline counts from here.
    pub since: Timestamp,
    /// Attempts that failed; waiting is not an attempt.
    pub attempts: u32,
    /// What the last try said.
    pub said: String,
}

/// The whole run, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its identifier.
    pub id: RunId,
    /// The flow's name.
    pub kind: String,
    /// The flow's version.
    pub version: u32,
    /// What it is for.
    pub subject: String,
    /// Every choice, made before it began.
    pub plan: Value,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether the point of no return has been passed.
    pub committed: bool,
    /// What was done on the way forward.
    pub journal: Vec<Entry>,
    /// What was undone on the way back.
    pub undone: Vec<Undone>,
    /// What is being tried over several claims.
    pub trying: Option<Trying>,
    /// Raised with every write of a worker.
    pub rev: u64,
    /// Who claimed it last.
    pub owner: Option<OwnerId>,
    /// Until when that claim holds; absent while nobody works on it.
    pub lease_until: Option<Timestamp>,
    /// Nobody claims it before.
    pub not_before: Option<Timestamp>,
    /// When the sweep will look for it. Every live run has one, and only live runs do.
    pub overdue_at: Option<Timestamp>,
    /// When somebody asked to cancel it. Written by others; never by the worker that holds it.
    pub cancel_requested_at: Option<Timestamp>,
    /// Claims since it last got on or paused. Twelve park it.
    pub claims: u32,
    /// Wake-ups by the sweep since it was last claimed; they grow apart.
    pub wakes: u32,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Record {
    /// A run at its beginning. It is overdue 15 s from now: if the message that should start it is lost, the sweep finds it.
    #[must_use]
    pub fn begin(new: NewRun, now: Timestamp) -> Self {
        let NewRun { id, kind, version, subject, plan } = new;
        Self {
            id,
            kind,
            version,
            subject,
            plan,
            phase: Phase::Running,
            committed: false,
            journal: Vec::new(),
            undone: Vec::new(),
            trying: None,
            rev: 0,
            owner: None,
            lease_until: None,
            not_before: None,
            overdue_at: Some(now + jiff::SignedDuration::from_secs(15)),
            cancel_requested_at: None,
            claims: 0,
            wakes: 0,
            created_at: now,
            updated_at: now,
            ended_at: None,
        }
    }
}
