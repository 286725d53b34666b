//! The store is a journal like any other: the suite of `durable`, on runs of real instances.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use async_trait::async_trait;
use domain::{OperationId, OrganisationId, Verb};
use durable::testing::{Bench as JournalBench, journal_conformance};
use durable::{Journal, RunId};
use flows::{parse_subject, run_id};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Bench, stopped};

#[async_trait]
impl JournalBench for Bench {
    fn journal(&self) -> &dyn Journal {
        &self.store
    }

    /// A stop of an instance of its own: a wish may follow it, and its end means something.
    async fn start(&self, now: Timestamp) -> RunId {
        self.clock.advance_to(now);
        let instance = self.running(OrganisationId::generate(), "mine").await;
        self.ask(&instance, Verb::Stop, None).await.unwrap().record.unwrap().id
    }

    fn unknown(&self) -> RunId {
        run_id(&OrganisationId::generate(), &OperationId::generate())
    }

    async fn change_wish(&self, run: &RunId) {
        let record = self.store.read(run).await.unwrap().unwrap();
        let (organisation, instance) = parse_subject(&record.subject).unwrap();
        let instance = self.store.instance(&organisation, &instance).await.unwrap().unwrap();
        self.ask(&instance, Verb::Start, None).await.unwrap();
    }

    fn value(&self) -> Value {
        stopped()
    }

    fn notice(&self) -> Value {
        json!({ "instance": domain::InstanceId::generate(), "event": "instance_stopped", "message": "it is stopped" })
    }

    fn now(&self) -> Timestamp {
        Bench::now(self)
    }
}

#[tokio::test]
async fn the_store_is_a_journal_like_any_other() {
    journal_conformance(Bench::new).await;
}

#[tokio::test]
async fn so_is_the_store_on_a_table_in_memory() {
    journal_conformance(Bench::in_memory).await;
}
