use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Instance, InstanceId, Notice, OrganisationId, State};
use durable::{Clock, Engine};
use dynamo::Store;
use dynamo::memory::{MemoryTable, Weather};
use fastrand::Rng;
use flow_runner::FlowRunner;
use flows::testing::{FakeWorld, Provider};
use flows::{Deployment, Flows};
use health_checker::{Ask, Checked, HealthChecker, Seen};
use jiff::SignedDuration;
use notifier::{Notifier, Sink, SinkError};
use sweep::Sweep;
use tokio::sync::mpsc::UnboundedReceiver;

use super::post::{Habits, Post};
use crate::support::Seeding;
use crate::support::VirtualClock;

/// What is to be seen at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// It is well.
    Well,
    /// Its supervisor says at once that it is not.
    Sick,
    /// Nobody ever answers; the checker's time-out ends it.
    Hole,
}

/// What the checkers see: of an address, at the moment in which they ask.
#[derive(Clone)]
pub(super) struct Eyes(pub(super) Arc<dyn Fn(&str) -> View + Send + Sync>);

impl Ask for Eyes {
    async fn ask(&self, address: &str) -> Seen {
        match (self.0)(address) {
            View::Well => Seen::Well,
            View::Sick => Seen::Missed("the gateway is not_ready".to_owned()),
            View::Hole => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Seen::Missed("no answer in 5s".to_owned())
            }
        }
    }
}

/// What happened so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) sweeps: usize,
    pub(super) repairs: usize,
    pub(super) checked: Checked,
    /// Shards whose checks were dropped or empty.
    pub(super) idle: usize,
    pub(super) failed: usize,
    /// When a run's message reached a worker first, in seconds.
    pub(super) begun: BTreeMap<String, f64>,
    /// Events of the notices that were taken, by their identifiers.
    pub(super) told: BTreeMap<String, String>,
}

/// How everything is delivered.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    pub(super) schedule: Habits,
    pub(super) queues: Habits,
}

/// A fleet with all that looks after it.
#[derive(Clone)]
pub(super) struct Town {
    pub(super) clock: VirtualClock,
    pub(super) store: Store,
    pub(super) deployment: Deployment,
    pub(super) world: FakeWorld,
    pub(super) log: Arc<Mutex<Log>>,
    ways: Ways,
    schedule: Arc<Mutex<Rng>>,
    sweep: Arc<Sweep>,
    checker: Arc<HealthChecker<Eyes>>,
    runner: Arc<FlowRunner>,
    notifier: Arc<Notifier>,
}

/// The queues' other ends.
pub(super) struct Inboxes {
    health: UnboundedReceiver<String>,
    flows: UnboundedReceiver<String>,
    notices: UnboundedReceiver<String>,
}

impl Town {
    pub(super) fn new(clock: VirtualClock, seed: u64, ways: Ways, weather: Arc<dyn Weather>, eyes: Eyes) -> (Self, Inboxes) {
        Self::in_world(clock, FakeWorld::calm(Arc::new(clock), Provider::default()), seed, ways, weather, eyes)
    }

    pub(super) fn in_world(
        clock: VirtualClock,
        world: FakeWorld,
        seed: u64,
        ways: Ways,
        weather: Arc<dyn Weather>,
        eyes: Eyes,
    ) -> (Self, Inboxes) {
        let deployment = flows::testing::sample::deployment();
        let time: Arc<dyn Clock> = Arc::new(clock);
        let store = Store::in_memory(MemoryTable::under(weather, time.clone()), deployment.clone(), time.clone());
        let (health, health_inbox) = Post::new(ways.queues, seed ^ 1);
        let (wake, flows_inbox) = Post::new(ways.queues, seed ^ 2);
        let (notices, notices_inbox) = Post::new(ways.queues, seed ^ 3);
        let notices = Arc::new(notices);
        let engine = || Engine::new(Arc::new(store.clone()), Arc::new(wake.clone()), time.clone(), Arc::new(Flows::new(world.world())));
        let log = Arc::new(Mutex::new(Log::default()));
        let mailbox = Mailbox { log: log.clone(), habits: ways.queues, rng: Mutex::new(Rng::with_seed(seed ^ 5)) };
        let town = Self {
            clock,
            sweep: Arc::new(Sweep { store: store.clone(), engine: engine(), health: Arc::new(health), notices: notices.clone() }),
            checker: Arc::new(HealthChecker { store: store.clone(), probe: eyes, clock: time.clone() }),
            runner: Arc::new(FlowRunner { engine: engine(), notices }),
            notifier: Arc::new(Notifier { store: store.clone(), sink: Arc::new(mailbox) }),
            store,
            deployment,
            world,
            log,
            ways,
            schedule: Arc::new(Mutex::new(Rng::with_seed(seed ^ 4))),
        };
        (town, Inboxes { health: health_inbox, flows: flows_inbox, notices: notices_inbox })
    }

    /// So many instances that run in a region, always the same ones.
    pub(super) async fn populate(&self, region: &str, count: usize) -> Vec<Instance> {
        let seeding = Seeding { store: &self.store, deployment: &self.deployment, now: self.clock.now() };
        let place = u128::from_str_radix(region, 36).unwrap() << 64;
        let mut all = Vec::new();
        for number in 0..count as u128 {
            let id: InstanceId = format!("ins_{:032x}", BASE + place + number).parse().unwrap();
            let organisation: OrganisationId = format!("org_{:032x}", BASE + place + number).parse().unwrap();
            all.push(seeding.running(seeding.ordered(id, organisation, region)).await);
        }
        all
    }

    /// Connects the queues with their workers, which take each message at once and a failed one again.
    pub(super) fn open(&self, inboxes: Inboxes) {
        let Inboxes { mut health, mut flows, mut notices } = inboxes;
        let town = self.clone();
        tokio::spawn(async move {
            while let Some(body) = health.recv().await {
                let town = town.clone();
                tokio::spawn(async move { town.check(&body).await });
            }
        });
        let town = self.clone();
        tokio::spawn(async move {
            while let Some(body) = flows.recv().await {
                let town = town.clone();
                tokio::spawn(async move { town.drive(&body).await });
            }
        });
        let town = self.clone();
        tokio::spawn(async move {
            while let Some(cause) = notices.recv().await {
                // What fails is sent again by the sweep.
                town.notifier.handle(&cause).await.ok();
            }
        });
    }

    async fn check(&self, body: &str) {
        for _ in 0..5 {
            match self.checker.handle(body).await {
                Ok(checked) => {
                    let mut log = self.log.lock().unwrap();
                    log.idle += usize::from(checked == Checked::default());
                    log.checked.well += checked.well;
                    log.checked.missed += checked.missed;
                    log.checked.written += checked.written;
                    return;
                }
                Err(_) => self.log.lock().unwrap().failed += 1,
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    }

    pub(super) async fn drive(&self, body: &str) {
        let now = self.clock.elapsed();
        self.log.lock().unwrap().begun.entry(body.to_owned()).or_insert(now);
        for _ in 0..5 {
            if self.runner.handle(body, self.clock.now() + SignedDuration::from_secs(120)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(720)).await;
        }
    }

    /// Lets minutes pass, with the schedule's event for each, as often and as late as it comes.
    pub(super) async fn minutes(&self, from: u64, count: u64) {
        for minute in from..from + count {
            self.clock.until(minute * 60).await;
            let scheduled = self.clock.now();
            let arrivals = self.ways.schedule.arrivals(&mut self.schedule.lock().unwrap());
            for arrival in arrivals {
                let town = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(arrival).await;
                    let swept = town.sweep.minute(scheduled).await;
                    let mut log = town.log.lock().unwrap();
                    log.sweeps += 1;
                    match swept {
                        Ok(minute) => log.repairs += minute.repairs,
                        Err(_) => log.failed += 1,
                    }
                });
            }
        }
        self.clock.until((from + count) * 60 - 1).await;
    }

    /// How many of these are as they were: running, and in no run's hands.
    pub(super) async fn untouched(&self, instances: &[Instance]) -> usize {
        let mut count = 0;
        for instance in instances {
            let instance = self.again(instance).await;
            count += usize::from(instance.state == State::Running && instance.operation.is_none());
        }
        count
    }

    pub(super) async fn again(&self, instance: &Instance) -> Instance {
        self.store.instance(&instance.organisation, &instance.id).await.unwrap().expect("it is there")
    }

    /// Events of the notices that were taken.
    pub(super) fn told(&self) -> Vec<String> {
        self.log.lock().unwrap().told.values().cloned().collect()
    }

    pub(super) fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }
}

/// The first of all identifiers: a UUID of version 7, as all are.
const BASE: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// Takes notices, unless it refuses; every second that it refuses it has taken all the same.
struct Mailbox {
    log: Arc<Mutex<Log>>,
    habits: Habits,
    rng: Mutex<Rng>,
}

#[async_trait]
impl Sink for Mailbox {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        let (refused, arrives) = self.habits.fate(&mut self.rng.lock().unwrap());
        if arrives {
            // The receiver knows it by its identifier.
            self.log.lock().unwrap().told.entry(notice.id.clone()).or_insert_with(|| notice.event.clone());
        }
        if refused { Err(SinkError("the receiver refused it".to_owned())) } else { Ok(()) }
    }
}
