use std::collections::BTreeSet;
use std::sync::Arc;

use domain::Instance;
use dynamo::Store;
use flows::health::ShardCheck;
use futures::future::join_all;
use health_checker::{Checked, HealthChecker, Probe};
use sweep::{Minute, Sweep};

use super::{Bench, Mood, Supervisors};

/// A fleet with its supervisors, its sweep and its health checker.
pub(crate) struct Fleet {
    pub(crate) bench: Bench,
    pub(crate) supervisors: Supervisors,
    pub(crate) sweep: Sweep,
    pub(crate) checker: HealthChecker,
}

/// What a minute came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) minute: Minute,
    pub(crate) checked: Checked,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        let supervisors = Supervisors::start().await;
        let bench = Bench::at(&supervisors.origin()).await;
        Self::over(&bench, &supervisors)
    }

    /// The instances of somebody else's bench.
    pub(crate) fn over(bench: &Bench, supervisors: &Supervisors) -> Self {
        let (bench, supervisors) = (bench.clone(), supervisors.clone());
        let clock = Arc::new(bench.clock.clone());
        let sweep = Sweep {
            store: bench.store.clone(),
            engine: shell::waking_engine(bench.store.clone(), bench.wake(), clock.clone()),
            health: Arc::new(bench.queue(Bench::HEALTH)),
            notices: Arc::new(bench.queue(Bench::NOTICES)),
        };
        let checker = HealthChecker { store: bench.store.clone(), probe: Probe::new().unwrap(), clock };
        Self { bench, supervisors, sweep, checker }
    }

    /// So many instances that run in a region.
    pub(crate) async fn of(&self, region: &str, count: usize) -> Vec<Instance> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.bench.running(region).await);
        }
        all
    }

    /// From now on the supervisors of these instances answer like this.
    pub(crate) fn set<'i>(&self, instances: impl IntoIterator<Item = &'i Instance>, mood: Mood) {
        for instance in instances {
            self.supervisors.set(&self.bench.deployment.app(&instance.id), mood);
        }
    }

    /// A whole minute: the sweep, then every check that it sent; the next minute begins.
    pub(crate) async fn round(&self) -> Round {
        let minute = self.sweep.minute(self.bench.now()).await.unwrap();
        let checked = self.handle(self.bench.take(Bench::HEALTH).await).await;
        self.bench.advance(60);
        Round { minute, checked }
    }

    /// Makes suspects of these, as three checks would have.
    pub(crate) async fn suspect<'i>(&self, instances: impl IntoIterator<Item = &'i Instance>) {
        let sick: BTreeSet<_> = instances.into_iter().map(|instance| instance.id).collect();
        for shard in 0..Store::FLEET_SHARDS {
            let targets = self.bench.store.fleet(shard).await.unwrap();
            for target in targets.iter().filter(|target| sick.contains(&target.instance)) {
                for minute in self.bench.minute() - 3..self.bench.minute() {
                    self.bench.store.record_miss(target, minute, "it is a test").await.unwrap();
                }
            }
        }
    }

    /// A minute in which nobody is checked.
    pub(crate) async fn sweep(&self) -> Minute {
        let minute = self.sweep.minute(self.bench.now()).await.unwrap();
        self.bench.advance(60);
        minute
    }

    /// So many minutes; the last one's outcome.
    pub(crate) async fn rounds(&self, count: usize) -> Round {
        let mut last = Round::default();
        for _ in 0..count {
            last = self.round().await;
        }
        last
    }

    /// Checks every shard for a minute, without a sweep.
    pub(crate) async fn check(&self, minute: i64) -> Checked {
        self.handle(checks(minute)).await
    }

    /// All of these messages at the same time, each by a checker of its own.
    async fn handle(&self, bodies: Vec<String>) -> Checked {
        let all = join_all(bodies.iter().map(|body| self.checker.handle(body))).await;
        all.into_iter().map(Result::unwrap).fold(Checked::default(), Checked::and)
    }

    /// The misses that are held against an instance.
    pub(crate) async fn misses(&self, instance: &Instance) -> u8 {
        self.bench.again(instance).await.health.misses
    }
}

/// The messages that a sweep sends for a minute.
pub(crate) fn checks(minute: i64) -> Vec<String> {
    (0..Store::FLEET_SHARDS).map(|shard| serde_json::to_string(&ShardCheck { shard, minute }).unwrap()).collect()
}
