use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sim::{AwsSim, Ledger, Options};
use domain::{Family, Health, Instance, InstanceId, OperationId, OrganisationId, Placement, PlanId, Region, Release, State, Wanted};
use durable::testing::ManualClock;
use durable::{Claim, Clock, Ending, Guard, Held, Journal, Outcome, OwnerId, Phase, RunId};
use dynamo::{Created, NewInstance, Store};
use flows::{Deployment, plan};
use jiff::Timestamp;
use serde_json::Value;
use shell::{Aws, AwsSettings, FlowQueue, QueueSettings, SqsQueue};

use super::alarms;

/// The table of every bench.
const TABLE: &str = "rockpool";

/// AWS with a table and three queues, and a clock that stands still. Clones share everything.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) sim: AwsSim,
    pub(crate) aws: Aws,
    pub(crate) clock: ManualClock,
    pub(crate) store: Store,
    pub(crate) deployment: Deployment,
    urls: HashMap<&'static str, String>,
}

impl Bench {
    pub(crate) const FLOWS: &str = "flows";
    pub(crate) const HEALTH: &str = "health";
    pub(crate) const NOTICES: &str = "notices";

    /// A deployment whose instances are at this origin, with `{app}` for the name of the app.
    pub(crate) async fn at(origin: &str) -> Self {
        alarms::listen();
        let sim = AwsSim::open(Options::default()).await.unwrap();
        let settings = AwsSettings { region: AwsSim::REGION.to_owned(), credentials: AwsSim::credentials(), endpoints: [None, None, None] };
        let aws = Aws::through(settings, sim.http_client());
        dynamo::create_table(&aws.dynamodb(), TABLE).await.unwrap();
        let mut urls = HashMap::new();
        for name in [Self::FLOWS, Self::HEALTH, Self::NOTICES] {
            let queue = aws.sqs().create_queue().queue_name(name).send().await.unwrap();
            urls.insert(name, queue.queue_url.unwrap());
        }
        let clock = ManualClock::at("2026-11-23T10:00:00Z".parse().unwrap());
        let deployment = Deployment {
            name: "test".to_owned(),
            address: origin.to_owned(),
            image_repository: "registry.fly.io/rockpool-tenant".to_owned(),
        };
        let store = Store::new(aws.dynamodb(), TABLE, deployment.clone(), Arc::new(clock.clone()));
        sim.reset_ledger();
        Self { sim, aws, clock, store, deployment, urls }
    }

    pub(crate) async fn new() -> Self {
        Self::at("http://{app}.localhost:1").await
    }

    pub(crate) fn queue(&self, name: &str) -> SqsQueue {
        SqsQueue::new(self.aws.sqs(), &QueueSettings { url: self.urls[name].clone() })
    }

    pub(crate) fn wake(&self) -> FlowQueue {
        FlowQueue(self.queue(Self::FLOWS))
    }

    /// Takes every message that is to be had from a queue.
    pub(crate) async fn take(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let request = self.aws.sqs().receive_message().queue_url(&self.urls[queue]).max_number_of_messages(10);
            let messages = request.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                let handle = message.receipt_handle.unwrap();
                self.aws.sqs().delete_message().queue_url(&self.urls[queue]).receipt_handle(handle).send().await.unwrap();
                bodies.push(message.body.unwrap());
            }
        }
    }

    /// What was called and consumed since the last look.
    pub(crate) fn spent(&self) -> Ledger {
        let ledger = self.sim.consumed();
        self.sim.reset_ledger();
        assert_eq!(ledger.calls("dynamodb.Scan"), 0, "nothing is ever found by a scan");
        ledger
    }

    /// The alarms since the last look.
    pub(crate) fn alarms(&self) -> Vec<String> {
        alarms::take()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn minute(&self) -> i64 {
        self.now().as_second() / 60
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A new instance that is being provisioned, and its run.
    pub(crate) async fn provisioning(&self, region: &str) -> (Instance, RunId) {
        let operation = OperationId::generate();
        let instance = Instance {
            id: InstanceId::generate(),
            organisation: OrganisationId::generate(),
            name: "my-assistant".parse().unwrap(),
            plan: PlanId::Pro,
            release: Release { family: Family::Openclaw, version: "2026.9.6".to_owned() },
            regions: vec![region.parse::<Region>().unwrap()],
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
        match self.store.create(NewInstance { instance, run, key: None, quota: 1 }).await.unwrap() {
            Created::New { instance, record } => (instance, record.id),
            replayed @ Created::Replayed { .. } => panic!("{replayed:?}"),
        }
    }

    /// A new instance that runs in a region, made by nobody.
    pub(crate) async fn running(&self, region: &str) -> Instance {
        let (instance, run) = self.provisioning(region).await;
        let app = self.deployment.app(&instance.id);
        let placement = Placement {
            region: instance.preferred_region(),
            address: self.deployment.origin(&app),
            app,
            machine: "148e21ec7e0389".to_owned(),
            volume: "vol_4y8z1q5j3k2m".to_owned(),
            generation: 1,
        };
        self.end(&run, Outcome::Succeeded, serde_json::to_value(placement).unwrap(), Vec::new()).await;
        self.again(&instance).await
    }

    /// Ends a run as a worker would.
    pub(crate) async fn end(&self, run: &RunId, outcome: Outcome, value: Value, notices: Vec<Value>) {
        let owner = OwnerId("the bench".to_owned());
        let claim = Claim { owner: owner.clone(), now: self.now(), lease_until: self.now() + Duration::from_secs(150) };
        let mut record = self.store.claim(run, &claim).await.unwrap().expect("the run is to be had");
        let held = Held { owner, rev: record.rev };
        record.rev += 1;
        record.phase = Phase::Done { outcome: outcome.clone() };
        (record.lease_until, record.not_before, record.overdue_at, record.ended_at) = (None, None, None, Some(self.now()));
        let ending = Ending { outcome, value, notices };
        let ended = self.store.end(&held, &record, &ending, Guard::None).await.unwrap();
        assert!(matches!(ended, durable::Ended::Yes { .. }), "{ended:?}");
    }

    /// An instance as it is now.
    pub(crate) async fn again(&self, instance: &Instance) -> Instance {
        self.store.instance(&instance.organisation, &instance.id).await.unwrap().expect("it is there")
    }
}
