//! A run as an item. What conditions look at stands in attributes of its own; the rest is what the flow wrote.

use aws_sdk_dynamodb::types::AttributeValue;
use durable::{Act, Entry, OwnerId, Phase, Record, RunId, Trying, Undone};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::StoreError;
use crate::expression::{Expression, number, text};
use crate::keys::{self, Key};
use crate::moment::{Moment, expired};
use crate::read::key_of;
use crate::schema::known;
use crate::write::Item;

/// How long an ended run can be read: 90 days.
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);

#[derive(Debug, Serialize, Deserialize)]
struct RunItem {
    kind: String,
    version: u32,
    subject: String,
    plan: Value,
    phase: String,
    /// What the phase says besides its name: why, and what it was before.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    phase_detail: Map<String, Value>,
    committed: bool,
    journal: Vec<EntryItem>,
    undone: Vec<UndoneItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trying: Option<TryingItem>,
    rev: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_until: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overdue_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_requested_at: Option<Moment>,
    claims: u32,
    wakes: u32,
    created_at: Moment,
    updated_at: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryItem {
    name: String,
    act: Act,
    result: Value,
    started_at: Moment,
    finished_at: Moment,
    attempts: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct UndoneItem {
    place: u32,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    started_at: Moment,
    finished_at: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
struct TryingItem {
    name: String,
    place: u32,
    since: Moment,
    attempts: u32,
    said: String,
}

/// The item of a run at its beginning.
pub(crate) fn item(record: &Record) -> Result<Item, StoreError> {
    let key = keys::run(&record.id);
    let mut item: Item = serde_dynamo::to_item(stored(record, &key)?).map_err(|error| StoreError::corrupt(&key, error))?;
    item.extend(key.attributes());
    if let Some((shard, _)) = due(record) {
        item.insert(keys::OVERDUE_SHARD.to_owned(), text(shard));
    }
    Ok(item)
}

/// Where and when a run is in the index of what is due: a live one by its time, a parked one since it was parked.
fn due(record: &Record) -> Option<(String, Timestamp)> {
    match record.phase {
        Phase::Parked { .. } => Some((keys::parked_shard_of(&record.id), record.updated_at)),
        _ => record.overdue_at.map(|at| (keys::run_shard_of(&record.id), at)),
    }
}

/// Reads a run, unless its time is over.
pub(crate) fn parse(item: Item, now: Timestamp) -> Result<Option<Record>, StoreError> {
    let (key, item) = (key_of(&item), known(item)?);
    let run: RunItem = serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(&key, error))?;
    if expired(run.expires_at, now) {
        return Ok(None);
    }
    let phase = unfold(run.phase, run.phase_detail).map_err(|error| StoreError::corrupt(&key, error))?;
    let time = |moment: Option<Moment>| moment.map(|moment| moment.0);
    let overdue_at = time(run.overdue_at).filter(|_| phase.is_live());
    Ok(Some(Record {
        id: RunId(key.pk),
        kind: run.kind,
        version: run.version,
        subject: run.subject,
        plan: run.plan,
        phase,
        committed: run.committed,
        journal: run.journal.into_iter().map(Entry::from).collect(),
        undone: run.undone.into_iter().map(Undone::from).collect(),
        trying: run.trying.map(Trying::from),
        rev: run.rev,
        owner: run.owner,
        lease_until: time(run.lease_until),
        not_before: time(run.not_before),
        overdue_at,
        cancel_requested_at: time(run.cancel_requested_at),
        claims: run.claims,
        wakes: run.wakes,
        created_at: run.created_at.0,
        updated_at: run.updated_at.0,
        ended_at: time(run.ended_at),
    }))
}

/// The write that makes the stored run this one. It leaves alone what never changes, and `cancel_requested_at`, which is written by others.
pub(crate) fn replace(next: &Record) -> Result<Expression, StoreError> {
    let key = keys::run(&next.id);
    let corrupt = |error: serde_dynamo::Error| StoreError::corrupt(&key, error);
    let run = stored(next, &key)?;
    let list = |value: Result<AttributeValue, serde_dynamo::Error>| value.map_err(corrupt);
    let detail =
        (!run.phase_detail.is_empty()).then(|| serde_dynamo::to_attribute_value(&run.phase_detail)).transpose().map_err(corrupt)?;
    let trying = run.trying.as_ref().map(serde_dynamo::to_attribute_value).transpose().map_err(corrupt)?;
    Ok(Expression::new()
        .set("phase", text(run.phase))
        .put("phase_detail", detail)
        .set("committed", AttributeValue::Bool(run.committed))
        .set("journal", list(serde_dynamo::to_attribute_value(&run.journal))?)
        .set("undone", list(serde_dynamo::to_attribute_value(&run.undone))?)
        .put("trying", trying)
        .set("rev", number(run.rev))
        .put("owner", next.owner.as_ref().map(|owner| text(&owner.0)))
        .put("lease_until", next.lease_until.map(Moment::value))
        .put("not_before", next.not_before.map(Moment::value))
        .put(keys::OVERDUE_AT, run.overdue_at.map(|at| Moment::value(at.0)))
        .put(keys::OVERDUE_SHARD, due(next).map(|(shard, _)| text(shard)))
        .set("claims", number(run.claims))
        .set("wakes", number(run.wakes))
        .set("updated_at", Moment::value(next.updated_at))
        .put("ended_at", next.ended_at.map(Moment::value))
        .put(keys::EXPIRES_AT, run.expires_at.map(number)))
}

fn stored(record: &Record, key: &Key) -> Result<RunItem, StoreError> {
    let (phase, phase_detail) = fold(&record.phase).map_err(|error| StoreError::corrupt(key, error))?;
    let moment = |at: Option<Timestamp>| at.map(Moment);
    Ok(RunItem {
        kind: record.kind.clone(),
        version: record.version,
        subject: record.subject.clone(),
        plan: record.plan.clone(),
        phase,
        phase_detail,
        committed: record.committed,
        journal: record.journal.iter().map(EntryItem::from).collect(),
        undone: record.undone.iter().map(UndoneItem::from).collect(),
        trying: record.trying.as_ref().map(TryingItem::from),
        rev: record.rev,
        owner: record.owner.clone(),
        lease_until: moment(record.lease_until),
        not_before: moment(record.not_before),
        overdue_at: moment(due(record).map(|(_, at)| at)),
        cancel_requested_at: moment(record.cancel_requested_at),
        claims: record.claims,
        wakes: record.wakes,
        created_at: record.created_at.into(),
        updated_at: record.updated_at.into(),
        ended_at: moment(record.ended_at),
        expires_at: record.ended_at.map(|at| (at + KEPT).as_second()),
    })
}

/// The phase's name, and what it says besides.
fn fold(phase: &Phase) -> Result<(String, Map<String, Value>), serde_json::Error> {
    let mut detail = match serde_json::to_value(phase)? {
        Value::Object(fields) => fields,
        other => Map::from_iter([("phase".to_owned(), other)]),
    };
    let name = match detail.remove("phase") {
        Some(Value::String(name)) => name,
        other => other.unwrap_or_default().to_string(),
    };
    Ok((name, detail))
}

fn unfold(name: String, mut detail: Map<String, Value>) -> Result<Phase, serde_json::Error> {
    detail.insert("phase".to_owned(), Value::String(name));
    serde_json::from_value(Value::Object(detail))
}

impl From<&Entry> for EntryItem {
    fn from(it: &Entry) -> Self {
        let (name, result) = (it.name.clone(), it.result.clone());
        Self { name, act: it.act, result, started_at: it.started_at.into(), finished_at: it.finished_at.into(), attempts: it.attempts }
    }
}

impl From<EntryItem> for Entry {
    fn from(it: EntryItem) -> Self {
        let EntryItem { name, act, result, started_at, finished_at, attempts } = it;
        Self { name, act, result, started_at: started_at.0, finished_at: finished_at.0, attempts }
    }
}

impl From<&Undone> for UndoneItem {
    fn from(it: &Undone) -> Self {
        let (name, left) = (it.name.clone(), it.left.clone());
        Self { place: it.place, name, left, started_at: it.started_at.into(), finished_at: it.finished_at.into() }
    }
}

impl From<UndoneItem> for Undone {
    fn from(it: UndoneItem) -> Self {
        let UndoneItem { place, name, left, started_at, finished_at } = it;
        Self { place, name, left, started_at: started_at.0, finished_at: finished_at.0 }
    }
}

impl From<&Trying> for TryingItem {
    fn from(it: &Trying) -> Self {
        Self { name: it.name.clone(), place: it.place, since: it.since.into(), attempts: it.attempts, said: it.said.clone() }
    }
}

impl From<TryingItem> for Trying {
    fn from(it: TryingItem) -> Self {
        let TryingItem { name, place, since, attempts, said } = it;
        Self { name, place, since: since.0, attempts, said }
    }
}

#[cfg(test)]
mod tests {
    use durable::{NewRun, Outcome, Why};
    use serde_json::json;

    use super::*;

    fn record(phase: Phase) -> Record {
        let now: Timestamp = "2026-11-23T10:00:00.123456789Z".parse().unwrap();
        let plan = json!({ "app": "rp", "regions": ["fra"], "none": null, "deep": { "n": -7, "big": 18_446_744_073_709_551_615_u64 } });
        let new = NewRun { id: RunId("org.op".to_owned()), kind: "provision".to_owned(), version: 3, subject: "s".to_owned(), plan };
        let mut record = Record::begin(new, now);
        record.overdue_at = record.overdue_at.filter(|_| phase.is_live());
        record.phase = phase;
        record.trying = Some(Trying { name: "create_app".to_owned(), place: 0, since: now, attempts: 2, said: String::new() });
        record.journal.push(Entry {
            name: "create_app".to_owned(),
            act: Act::Step,
            result: json!({ "at": "v1", "empty": {}, "list": [] }),
            started_at: now,
            finished_at: now,
            attempts: 1,
        });
        record.undone.push(Undone { place: 0, name: "delete_app".to_owned(), left: None, started_at: now, finished_at: now });
        record
    }

    #[test]
    fn a_run_is_read_as_it_was_written_in_every_phase() {
        let why = Why::Failed { step: "create_app".to_owned(), message: "no".to_owned() };
        let phases = [
            Phase::Running,
            Phase::Unwinding { why: why.clone() },
            Phase::Unwinding { why: Why::Cancelled },
            Phase::Parked { why: "look".to_owned(), was: Box::new(Phase::Unwinding { why }) },
            Phase::Done { outcome: Outcome::Succeeded },
            Phase::Done { outcome: Outcome::Failed { step: "a".to_owned(), message: "b".to_owned() } },
        ];
        for phase in phases {
            let written = record(phase);
            assert_eq!(parse(item(&written).unwrap(), written.created_at).unwrap(), Some(written));
        }
    }

    #[test]
    fn an_ended_run_is_gone_after_ninety_days_whether_it_was_deleted_or_not() {
        let mut ended = record(Phase::Done { outcome: Outcome::Succeeded });
        ended.ended_at = Some(ended.created_at);
        let item = item(&ended).unwrap();
        let day = jiff::SignedDuration::from_hours(24);
        assert!(parse(item.clone(), ended.created_at + day * 89).unwrap().is_some());
        assert!(parse(item, ended.created_at + day * 91).unwrap().is_none());
    }
}
