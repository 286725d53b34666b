//! A store on an empty table: of the embedded DynamoDB, or of the one that `AWS_ENDPOINT_URL_DYNAMODB` names.

#![allow(clippy::unwrap_used, dead_code, reason = "a test ends at its first surprise, and none uses all of this")]

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sim::{AwsSim, Ledger, Options};
use domain::{
    Family, Health, Instance, InstanceId, OperationId, OrganisationId, Placement, PlanId, Release, RestartScope, State, Verb, Wanted,
};
use durable::testing::ManualClock;
use durable::{Claim, Clock, Ended, Ending, Guard, Held, Journal, Outcome, OwnerId, Phase, Record, RunId};
use dynamo::memory::MemoryTable;
use dynamo::{Created, IdempotencyKey, NewInstance, Store, create_table};
use flows::{Ask, Deployment, plan};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) aws: AwsSim,
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
    pub(crate) deployment: Deployment,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let aws = AwsSim::open(Options::default()).await.unwrap();
        let client = client(&aws);
        let table = format!("rockpool-{}", uuid::Uuid::new_v4().simple());
        create_table(&client, &table).await.unwrap();
        let clock = ManualClock::at("2026-11-23T10:00:00.123456789Z".parse().unwrap());
        let deployment = Deployment {
            name: "production".to_owned(),
            address: "https://{app}.fly.dev".to_owned(),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };
        let store = Store::new(client.clone(), &*table, deployment.clone(), Arc::new(clock.clone()));
        aws.reset_ledger();
        Self { aws, client, table, store, clock, deployment }
    }

    /// The same store on the table in memory.
    pub(crate) async fn in_memory() -> Self {
        let bench = Self::new().await;
        let (table, clock) = (MemoryTable::new(Arc::new(bench.clock.clone())), Arc::new(bench.clock.clone()));
        Self { store: Store::in_memory(table, bench.deployment.clone(), clock), ..bench }
    }

    /// What was consumed since the last time this was asked. Only the embedded DynamoDB tells.
    pub(crate) fn spent(&self) -> Ledger {
        let ledger = self.aws.consumed();
        self.aws.reset_ledger();
        ledger
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn new_instance(&self, organisation: OrganisationId, name: &str) -> NewInstance {
        let operation = OperationId::generate();
        let instance = Instance {
            id: InstanceId::generate(),
            organisation,
            name: name.parse().unwrap(),
            plan: PlanId::Pro,
            release: Release { family: Family::Openclaw, version: "2026.9.6".to_owned() },
            regions: vec!["fra".parse().unwrap()],
            wanted: Wanted::Running,
            wanted_rev: 1,
            state: State::Provisioning,
            operation: Some(operation),
            placement: None,
            ever_ran: false,
            trouble: None,
            health: Health::default(),
            created_at: self.now(),
            updated_at: self.now(),
        };
        let run = plan::provision(&self.deployment, &instance, operation);
        NewInstance { instance, run, key: None, quota: 3 }
    }

    /// An instance that is being provisioned.
    pub(crate) async fn provisioning(&self, organisation: OrganisationId, name: &str) -> (Instance, Record) {
        match self.store.create(self.new_instance(organisation, name)).await.unwrap() {
            Created::New { instance, record } => (instance, record),
            replayed @ Created::Replayed { .. } => panic!("{replayed:?}"),
        }
    }

    /// An instance that runs.
    pub(crate) async fn running(&self, organisation: OrganisationId, name: &str) -> Instance {
        let (instance, record) = self.provisioning(organisation, name).await;
        let placement = self.placement(&instance);
        self.finish(&record.id, Outcome::Succeeded, serde_json::to_value(placement).unwrap()).await;
        self.instance(&instance).await
    }

    pub(crate) fn placement(&self, instance: &Instance) -> Placement {
        let app = self.deployment.app(&instance.id);
        Placement {
            region: instance.preferred_region(),
            address: self.deployment.origin(&app),
            app,
            machine: "148e21ec7e0389".to_owned(),
            volume: "vol_4y8z1q5j3k2m".to_owned(),
            generation: 1,
        }
    }

    pub(crate) async fn instance(&self, instance: &Instance) -> Instance {
        self.store.instance(&instance.organisation, &instance.id).await.unwrap().expect("it is there")
    }

    pub(crate) async fn ask(
        &self,
        instance: &Instance,
        verb: Verb,
        key: Option<IdempotencyKey>,
    ) -> Result<dynamo::Asked, dynamo::AskError> {
        self.store.ask(&instance.organisation, &instance.id, Ask { verb, scope: RestartScope::Process }, key).await
    }

    pub(crate) async fn claim(&self, id: &RunId) -> Option<Record> {
        let claim = self.a_claim();
        self.store.claim(id, &claim).await.unwrap()
    }

    pub(crate) fn a_claim(&self) -> Claim {
        let owner = OwnerId(uuid::Uuid::new_v4().to_string());
        Claim { owner, now: self.now(), lease_until: self.now() + Duration::from_secs(150) }
    }

    /// Claims a run and ends it.
    pub(crate) async fn finish(&self, id: &RunId, outcome: Outcome, value: Value) -> Ended {
        let record = self.claim(id).await.expect("it is to be had");
        self.end(&record, outcome, value, vec![]).await
    }

    pub(crate) async fn end(&self, record: &Record, outcome: Outcome, value: Value, notices: Vec<Value>) -> Ended {
        let ending = Ending { outcome: outcome.clone(), value, notices };
        self.store.end(&held(record), &done(record, outcome, self.now()), &ending, Guard::None).await.unwrap()
    }
}

pub(crate) fn held(record: &Record) -> Held {
    Held { owner: record.owner.clone().unwrap(), rev: record.rev }
}

/// A record one write further on.
pub(crate) fn next(record: &Record) -> Record {
    let mut next = record.clone();
    next.rev += 1;
    next
}

pub(crate) fn done(record: &Record, outcome: Outcome, now: Timestamp) -> Record {
    let mut done = next(record);
    done.phase = Phase::Done { outcome };
    (done.lease_until, done.not_before, done.overdue_at) = (None, None, None);
    (done.ended_at, done.updated_at) = (Some(now), now);
    done
}

pub(crate) fn stopped() -> Value {
    json!({ "state": "stopped", "trouble": null })
}

pub(crate) fn key(key: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: key.to_owned(), digest: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".to_owned() })
}

pub(crate) fn other_body(key: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { key: key.to_owned(), digest: "another".to_owned() })
}

/// Real or embedded: the store does not know.
fn client(aws: &AwsSim) -> Client {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
    let Ok(endpoint) = std::env::var("AWS_ENDPOINT_URL_DYNAMODB") else {
        return aws.dynamodb();
    };
    // What the environment names is for AWS itself; DynamoDB Local takes any.
    let set = |name| std::env::var(name).ok();
    let credentials = match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => Credentials::new(id, secret, set("AWS_SESSION_TOKEN"), None, "environment"),
        _ => AwsSim::credentials(),
    };
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(set("AWS_REGION").unwrap_or_else(|| AwsSim::REGION.to_owned())))
        .credentials_provider(credentials)
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}
