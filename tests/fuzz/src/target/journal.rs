//! Stored runs.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable::testing::{ManualClock, MemoryJournal, RecordingWake};
use durable::{Catalogue, Clock as _, Driven, Engine, Execute, Flow, Phase, Record, Run, RunId, Timing, Unknown};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::text;

/// Does nothing, and does it always.
struct Idle;

impl Execute for Idle {
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>> {
        Box::pin(async move {
            run.undo("delete_app", async { Ok(()) });
            let _: u32 = run.step("create_app", async { Ok(7) }).await?;
            run.commit("in_service").await?;
            let _: u32 = run.step("announce", async { Ok(7) }).await?;
            Ok(json!("done"))
        })
    }
}

impl Catalogue for Idle {
    fn open(&self, kind: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        match (kind, version, plan) {
            ("sample", 1, Value::Null) => Ok(Box::new(Idle)),
            ("sample", 1, _) => Err(Unknown::Plan("it is not null".to_owned())),
            _ => Err(Unknown::Version),
        }
    }
}

/// A run as text. What can be read is written as it was read, and is worked on to an end: done, parked, or refused.
pub fn journal(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let Ok(record) = serde_json::from_str::<Record>(text) else { return false };
    let written = serde_json::to_value(&record).unwrap();
    let read: Record = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);

    let id = RunId(record.id.0.clone());
    let was_done = matches!(record.phase, Phase::Done { .. });
    let clock = ManualClock::at("2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap());
    let (journal, wake) = (Arc::new(MemoryJournal::new()), Arc::new(RecordingWake::new(clock.clone())));
    let engine = Engine::new(journal.clone(), wake, Arc::new(clock.clone()), Arc::new(Idle));
    journal.put(record);
    for _ in 0..50 {
        match clock.block_on(engine.drive(&id, clock.now() + Timing::DEFAULT.invocation)) {
            Ok(Driven::Paused { until }) => clock.advance_to(until),
            Ok(Driven::Superseded) => clock.advance(Duration::from_secs(150)),
            Ok(_) | Err(_) => {
                let stands = serde_json::to_value(journal.get(&id)).unwrap();
                assert!(!was_done || stands == written, "a run that was done was changed: {written} to {stands}");
                return true;
            }
        }
    }
    panic!("it pauses for ever: {written}");
}
