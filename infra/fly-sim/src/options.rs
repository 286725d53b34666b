use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::host::Host;
use crate::virtual_host::VirtualHost;

/// How a simulator is set up.
#[derive(Clone)]
pub struct Options {
    /// Folder of the state file `fly.sqlite`. `None` keeps everything in memory.
    pub data: Option<PathBuf>,
    /// The token that callers must show. `None` lets everybody in.
    pub token: Option<String>,
    /// Slug of the one organisation that there is.
    pub organisation: String,
    /// Whether Fly's rate limits hold (<https://fly.io/docs/machines/api/working-with-machines-api/#rate-limits>).
    pub rate_limits: bool,
    /// What stands behind the machines.
    pub host: Arc<dyn Host>,
    /// How long the simulator's own steps take.
    pub latencies: Latencies,
    /// Where the time is read.
    pub clock: Clock,
    /// Makes the identifiers repeatable.
    pub seed: Option<u64>,
    /// Answers leases flat, as the OpenAPI file says, instead of `{"status","data"}` as the documentation and Fly's own client do.
    pub flat_leases: bool,
    /// What goes wrong by chance, besides what is scripted.
    pub faults: Option<Faults>,
    /// Takes a snapshot of every volume each day, as Fly does unless `auto_backup_enabled` is off. Without it there are only those that
    /// were asked for, because copies of volumes that are folders take as much disk as the volumes.
    pub daily_snapshots: bool,
}

/// How long the simulator's own steps take; what a host does takes its own time on top.
#[derive(Debug, Clone, Copy)]
pub struct Latencies {
    /// From `created` or `updating` until the machine starts or, with `skip_launch`, rests: the pull of the image.
    pub prepare: Duration,
    /// How long a machine whose first image cannot be pulled is `launch_failed` before it is destroyed.
    pub give_up: Duration,
    /// How far lists lag behind: they show every app, machine and volume as it was so long ago, within a minute.
    pub list_lag: Duration,
    /// How long a read of a machine still says `destroying` once it is destroyed, which whoever waited for it has been told.
    pub destroyed_lag: Duration,
    /// How long a snapshot waits, and how long it runs after that.
    pub snapshot: Duration,
    /// How long a volume is `creating`, `extending` or `scheduling_destroy`, and a fork `enabling_remote_export`. Without any of it, a volume
    /// is answered in the state after that.
    pub volume: Duration,
    /// How long a fork is `hydrating` and a restored volume `restoring`.
    pub hydrate: Duration,
    /// How long a call waits for a host that does not answer, before 408.
    pub host_patience: Duration,
}

impl Default for Latencies {
    /// Nothing takes time, except to give up: a host after half a minute, a machine that cannot be launched after one. How long Fly takes is
    /// not documented.
    fn default() -> Self {
        let none = Duration::ZERO;
        Self {
            prepare: none,
            give_up: Duration::from_secs(60),
            list_lag: none,
            destroyed_lag: none,
            snapshot: none,
            volume: none,
            hydrate: none,
            host_patience: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// The given host, in memory, without a token, without rate limits, on this computer's clock.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self {
            data: None,
            token: None,
            organisation: "personal".to_owned(),
            rate_limits: false,
            host,
            latencies: Latencies::default(),
            clock: Clock::System,
            seed: None,
            flat_leases: false,
            faults: None,
            daily_snapshots: false,
        }
    }

    /// Virtual machines that boot at once, on tokio's clock.
    #[must_use]
    pub fn virtual_machines() -> Self {
        Self { clock: Clock::runtime(), ..Self::new(Arc::new(VirtualHost::default())) }
    }
}
