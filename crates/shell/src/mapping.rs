use std::time::Duration;

use durable::Timing;
use dynamo::Store;

/// How a queue is connected with its function, in the cloud and on one computer. The deployment's template says the same, and a test of
/// the workspace holds it to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The queue's name, behind that of the deployment.
    pub name: &'static str,
    /// What one invocation may take.
    pub timeout: Duration,
    /// How long a message that was received is hidden: at least six time-outs, as AWS advises
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).
    pub visibility: Duration,
    /// Receives after which a message is a dead letter.
    pub receives: u32,
    /// Messages of one invocation.
    pub batch: u32,
    /// Invocations at the same time.
    pub concurrency: u32,
}

/// Runs to move on. One at a time, because a run may take the whole invocation.
pub const FLOWS: Mapping = Mapping {
    name: "flows",
    timeout: Timing::DEFAULT.invocation,
    visibility: Timing::DEFAULT.visibility,
    receives: 5,
    batch: 1,
    concurrency: 32,
};

/// Shards of the fleet to check. All of them at once: a shard with one instance that never answers takes a whole time-out of the checker,
/// and those that waited for its turn would take theirs after it.
pub const HEALTH: Mapping = Mapping { name: "health", batch: 1, concurrency: Store::FLEET_SHARDS, ..SMALL };

/// What has something to say.
pub const NOTICES: Mapping = Mapping { name: "notices", batch: 10, concurrency: 4, ..SMALL };

/// All of them.
pub const QUEUES: [Mapping; 3] = [FLOWS, HEALTH, NOTICES];

const SMALL: Mapping =
    Mapping { name: "", timeout: Duration::from_secs(60), visibility: Duration::from_secs(360), receives: 5, batch: 1, concurrency: 2 };
