//! The API and the workers over the store in memory, without a provider and without flows.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use access::{Signer, SigningKey};
use api::Api;
use async_trait::async_trait;
use axum::Router;
use domain::Notice;
use durable::testing::{ManualClock, RecordingWake};
use durable::{Catalogue, Clock, Engine, Execute, Unknown};
use dynamo::Store;
use dynamo::memory::MemoryTable;
use edge::Cursors;
use flow_runner::FlowRunner;
use flows::Deployment;
use flows::ports::{Queue, QueueError};
use health_checker::{Ask, HealthChecker, Seen};
use identity::testing::Issuer;
use jiff::Timestamp;
use notifier::{Notifier, Sink, SinkError};
use serde_json::Value;
use sweep::Sweep;
use tokio::runtime::Runtime;

/// Everything, once for all inputs, so that one input could spoil the next.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) router: Router,
    pub(crate) token: String,
    pub(crate) now: Timestamp,
    pub(crate) runner: FlowRunner,
    pub(crate) checker: HealthChecker<Nobody>,
    pub(crate) notifier: Notifier,
    pub(crate) sweep: Sweep,
}

pub(crate) static STAGE: LazyLock<Stage> = LazyLock::new(Stage::build);

/// Answers no check and takes no notice.
pub(crate) struct Nobody;

impl Ask for Nobody {
    async fn ask(&self, _: &str) -> Seen {
        Seen::Missed("there is nobody".to_owned())
    }
}

#[async_trait]
impl Sink for Nobody {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        Err(SinkError(format!("{} has no receiver", notice.id)))
    }
}

#[async_trait]
impl Queue for Nobody {
    async fn send(&self, _: &str) -> Result<(), QueueError> {
        Ok(())
    }
}

impl Catalogue for Nobody {
    fn open(&self, _: &str, _: u32, _: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        Err(Unknown::Version)
    }
}

impl Stage {
    fn build() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let clock = ManualClock::at(now);
        let deployment = Deployment {
            name: "test".to_owned(),
            address: "https://{app}.fly.dev".to_owned(),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = Store::in_memory(MemoryTable::new(time.clone()), deployment.clone(), time.clone());
        let wake = Arc::new(RecordingWake::new(clock));
        let engine = || Engine::new(Arc::new(store.clone()), wake.clone(), time.clone(), Arc::new(Nobody));
        let issuer = Issuer::start();
        let router = api::router(Api {
            verifier: issuer.verifier(),
            engine: engine(),
            store: store.clone(),
            deployment,
            signer: Arc::new(Signer::new(SigningKey::generate().unwrap())),
            cursors: Cursors::new(&[7; 32]),
        });
        Self {
            runtime,
            router,
            token: issuer.token("alice"),
            now,
            runner: FlowRunner { engine: engine(), notices: Arc::new(Nobody) },
            checker: HealthChecker { store: store.clone(), probe: Nobody, clock: time.clone() },
            notifier: Notifier { store: store.clone(), sink: Arc::new(Nobody) },
            sweep: Sweep { store: store.clone(), engine: engine(), health: Arc::new(Nobody), notices: Arc::new(Nobody) },
        }
    }

    /// When an invocation that begins now has to be over.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.now + Duration::from_secs(120)
    }
}
