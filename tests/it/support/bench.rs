use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sim::{AwsSim, Ledger, Options};
use domain::{Instance, InstanceId, Notice, OrganisationId};
use durable::testing::ManualClock;
use durable::{Clock, Outcome, RunId};
use dynamo::Store;
use flows::Deployment;
use jiff::Timestamp;
use serde_json::Value;
use shell::{Aws, AwsSettings, FlowQueue, QueueSettings, SqsQueue};

use super::{Seeding, alarms};

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

    fn seeding(&self) -> Seeding<'_> {
        Seeding { store: &self.store, deployment: &self.deployment, now: self.now() }
    }

    /// A new instance that is being provisioned, and its run.
    pub(crate) async fn provisioning(&self, region: &str) -> (Instance, RunId) {
        let seeding = self.seeding();
        seeding.provisioning(seeding.ordered(InstanceId::generate(), OrganisationId::generate(), region)).await
    }

    /// A new instance that runs in a region, made by nobody.
    pub(crate) async fn running(&self, region: &str) -> Instance {
        let seeding = self.seeding();
        seeding.running(seeding.ordered(InstanceId::generate(), OrganisationId::generate(), region)).await
    }

    /// So many notices of as many causes, which wait to be delivered.
    pub(crate) async fn noted(&self, count: usize) -> Vec<String> {
        let mut causes = Vec::new();
        for _ in 0..count {
            let (organisation, instance) = (OrganisationId::generate(), InstanceId::generate());
            let cause = format!("{organisation}.incident-1-{instance}");
            let notice = Notice {
                id: format!("{cause}-0"),
                organisation,
                instance,
                instance_name: "my-assistant".parse().unwrap(),
                event: "provider_incident".to_owned(),
                message: "It is so.".to_owned(),
                recorded_at: self.now(),
            };
            self.store.record_notice(&notice).await.unwrap();
            causes.push(cause);
        }
        causes
    }

    /// Ends a run as a worker would.
    pub(crate) async fn end(&self, run: &RunId, outcome: Outcome, value: Value, notices: Vec<Value>) {
        self.seeding().end(run, outcome, value, notices).await;
    }

    /// An instance as it is now.
    pub(crate) async fn again(&self, instance: &Instance) -> Instance {
        self.store.instance(&instance.organisation, &instance.id).await.unwrap().expect("it is there")
    }
}
