use domain::{InstanceId, OperationId};
use durable::{Act, Entry, Outcome, Phase, Record, Trying, Undone, Why};
use flows::{AddressError, Kind};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::instance::one_of;

/// Something that is being done to an instance, or was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationView {
    #[schema(value_type = String, example = "op_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")]
    pub(crate) id: OperationId,
    /// What is done.
    #[schema(schema_with = kinds)]
    kind: String,
    #[schema(value_type = String, example = "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")]
    instance: InstanceId,
    /// `running` goes forward, `unwinding` takes back what was done, `attention` waits for us to look at it; the others are ends.
    #[schema(schema_with = states)]
    state: &'static str,
    /// What was done so far, in order; the last one may still be tried.
    steps: Vec<StepView>,
    /// Whether it can be cancelled now.
    cancellable: bool,
    /// When it was asked to turn back.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancel_requested_at: Option<Timestamp>,
    /// Why it turned back, failed or needs attention.
    error: Option<ErrorView>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// One thing that an operation did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepView {
    #[schema(example = "create_volume")]
    name: String,
    /// `trying` has not succeeded yet, `done` has, `undone` took something back, `left` could not take it back.
    #[schema(schema_with = step_states)]
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How often it was tried; waiting is no attempt.
    attempts: u32,
    /// What it waits for, or what is left.
    message: Option<String>,
}

/// Why an operation did not go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationError)]
pub(crate) struct ErrorView {
    /// The step, where one failed.
    step: Option<String>,
    /// One sentence.
    message: String,
}

/// One page of an instance's operations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationList {
    pub(crate) operations: Vec<OperationView>,
    /// Send it as `cursor` for the next page; absent on the last.
    pub(crate) next_cursor: Option<String>,
}

/// An operation waits for a person. What exactly went wrong is for our log, not for its owner.
const ATTENTION: &str = "It did not get on, and we are looking at it. You can delete the instance meanwhile.";

impl TryFrom<Record> for OperationView {
    type Error = AddressError;

    fn try_from(record: Record) -> Result<Self, AddressError> {
        let (_, id) = flows::parse_run_id(&record.id)?;
        let (_, instance) = flows::parse_subject(&record.subject)?;
        Ok(Self {
            id,
            instance,
            state: state(&record.phase),
            cancellable: cancellable(&record),
            error: error(&record),
            cancel_requested_at: record.cancel_requested_at,
            created_at: record.created_at,
            ended_at: record.ended_at,
            steps: steps(record.journal, record.undone, record.trying),
            kind: record.kind,
        })
    }
}

/// The word for where an operation is.
pub(crate) fn state(phase: &Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Unwinding { .. } => "unwinding",
        Phase::Parked { .. } => "attention",
        Phase::Done { outcome: Outcome::Succeeded } => "succeeded",
        Phase::Done { outcome: Outcome::Failed { .. } } => "failed",
        Phase::Done { outcome: Outcome::Cancelled } => "cancelled",
        Phase::Done { outcome: Outcome::Abandoned } => "abandoned",
    }
}

/// A deletion is never called off, and neither is what has passed its point of no return.
fn cancellable(record: &Record) -> bool {
    record.phase == Phase::Running && !record.committed && record.cancel_requested_at.is_none() && record.kind != Kind::Retire.as_str()
}

fn error(record: &Record) -> Option<ErrorView> {
    let failed = |step: &String, message: &String| Some(ErrorView { step: Some(step.clone()), message: message.clone() });
    match &record.phase {
        Phase::Unwinding { why: Why::Failed { step, message } } | Phase::Done { outcome: Outcome::Failed { step, message } } => {
            failed(step, message)
        }
        Phase::Parked { .. } => {
            Some(ErrorView { step: record.trying.as_ref().map(|trying| trying.name.clone()), message: ATTENTION.to_owned() })
        }
        Phase::Running | Phase::Unwinding { why: Why::Cancelled } | Phase::Done { .. } => None,
    }
}

fn steps(journal: Vec<Entry>, undone: Vec<Undone>, trying: Option<Trying>) -> Vec<StepView> {
    let done = journal.into_iter().map(|entry| StepView {
        name: entry.name,
        state: if entry.act == Act::Release { "undone" } else { "done" },
        started_at: entry.started_at,
        finished_at: Some(entry.finished_at),
        attempts: entry.attempts,
        message: None,
    });
    let undone = undone.into_iter().map(|undone| StepView {
        name: undone.name,
        state: if undone.left.is_some() { "left" } else { "undone" },
        started_at: undone.started_at,
        finished_at: Some(undone.finished_at),
        attempts: 1,
        message: undone.left,
    });
    let trying = trying.into_iter().map(|trying| StepView {
        name: trying.name,
        state: "trying",
        started_at: trying.since,
        finished_at: None,
        attempts: trying.attempts,
        message: Some(trying.said).filter(|said| !said.is_empty()),
    });
    done.chain(undone).chain(trying).collect()
}

fn kinds() -> RefOr<Schema> {
    one_of(Kind::ALL.map(Kind::as_str))
}

fn states() -> RefOr<Schema> {
    one_of(["running", "unwinding", "attention", "succeeded", "failed", "cancelled", "abandoned"])
}

fn step_states() -> RefOr<Schema> {
    one_of(["trying", "done", "undone", "left"])
}
