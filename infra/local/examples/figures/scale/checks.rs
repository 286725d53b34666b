//! A minute's checks of a fleet of ten thousand, over loopback.

use std::sync::Arc;
use std::time::Duration;

use dynamo::Store;
use dynamo::memory::MemoryTable;
use flows::health::ShardCheck;
use futures::{StreamExt, TryStreamExt, stream};
use health_checker::{Checked, HealthChecker, Probe};
use jiff::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use shell::SystemClock;

use crate::Outcome;
use crate::scale::fill;
use crate::scale::spent::{Spent, Stopwatch};
use crate::scale::targets::Targets;
use crate::table::Table;

/// Of so many, one never answers.
const ONE_IN: usize = 20;

/// The checker's patience with one instance.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Both ends of as many connections as are open at the same time, and some.
const DESCRIPTORS: u64 = 16_384;

pub(crate) async fn measure(instances: usize) -> Outcome<()> {
    let descriptors = raise_descriptors()?;
    let targets = Targets::start().await?;
    let mut table = Table::new([
        "sweep",
        "seconds",
        "checks per second",
        "processor, checker",
        "processor, targets",
        "well",
        "missed",
        "writes of the store",
    ]);
    let all_answer = Fleet::new(instances, |number| format!("http://{}", targets.answering(number))).await?;
    all_answer.sweep(&targets).await?;
    let calm = all_answer.sweep(&targets).await?;
    table.row(calm.row("all answer"));
    let some_silent = Fleet::new(instances, |number| match number % ONE_IN {
        0 => format!("http://{}", targets.silent()),
        _ => format!("http://{}", targets.answering(number)),
    });
    let some_silent = some_silent.await?;
    let holes = some_silent.sweep(&targets).await?;
    table.row(holes.row("5 % never answer"));
    table.print(&format!(
        "{instances} instances checked over loopback, {} shards, {} at a time as the queue delivers them; {descriptors} file descriptors:",
        Store::FLEET_SHARDS,
        shell::HEALTH.concurrency,
    ));
    let silent = instances.div_ceil(ONE_IN);
    let expected = Checked { well: instances, ..Checked::default() };
    let beyond = holes.spent.wall.saturating_sub(calm.spent.wall);
    println!("\nInstances that never answer cost {beyond:.1?} (allowed: their time-out of {TIMEOUT:?} and a tenth more).");
    if calm.checked.missed > 0 || holes.checked.missed > silent {
        return Err("instances that answer were missed: this machine is too slow, or too busy, to check so many at the same time".into());
    }
    if calm.checked != expected || calm.writes != 0 {
        return Err(format!("where nothing changed there were {} writes and {:?}", calm.writes, calm.checked).into());
    }
    if holes.checked.missed != silent || holes.writes != silent as u64 {
        return Err(format!("of {silent} that never answer came {:?}, {} writes", holes.checked, holes.writes).into());
    }
    if beyond > TIMEOUT + TIMEOUT / 10 {
        return Err("instances that never answer cost more than their time-out and a tenth".into());
    }
    Ok(())
}

struct Fleet {
    table: MemoryTable,
    checker: Arc<HealthChecker>,
}

impl Fleet {
    async fn new(instances: usize, address: impl Fn(usize) -> String) -> Outcome<Self> {
        let (table, store) = fill::in_memory();
        fill::running(&store, instances, |number, _| address(number)).await?;
        Ok(Self { table, checker: Arc::new(HealthChecker { store, probe: Probe::new()?, clock: Arc::new(SystemClock) }) })
    }

    /// One message for each shard, as many at the same time as the deployment allows.
    async fn sweep(&self, targets: &Targets) -> Outcome<Sweep> {
        let minute = Timestamp::now().as_second() / 60;
        let (writes, served, processor) = (self.table.writes(), targets.served(), targets.processor().await?);
        let watch = Stopwatch::start()?;
        let checks = (0..Store::FLEET_SHARDS).map(|shard| {
            let checker = self.checker.clone();
            async move {
                let message = serde_json::to_string(&ShardCheck { shard, minute })?;
                // A task of its own, as each invocation is a process of its own.
                let checked: Outcome<Checked> = tokio::spawn(async move { Ok(checker.handle(&message).await?) }).await?;
                checked
            }
        });
        let checks = stream::iter(checks).buffer_unordered(shell::HEALTH.concurrency.try_into()?);
        let add = |sum: Checked, one: Checked| async move { Ok(sum.and(one)) };
        let checked = checks.try_fold(Checked::default(), add).await?;
        let spent = watch.stop()?;
        let targets_processor = targets.processor().await?.saturating_sub(processor);
        if targets.served() - served < checked.well as u64 {
            return Err("more instances were well than targets answered".into());
        }
        Ok(Sweep { checked, spent, targets: targets_processor, writes: self.table.writes() - writes })
    }
}

struct Sweep {
    checked: Checked,
    spent: Spent,
    /// Of the processor time, what the targets used.
    targets: Duration,
    writes: u64,
}

impl Sweep {
    fn row(&self, name: &str) -> [String; 8] {
        let Self { checked, spent, targets, writes } = self;
        let rate = (checked.well + checked.missed) as f64 / spent.wall.as_secs_f64();
        [
            name.to_owned(),
            format!("{:.2}", spent.wall.as_secs_f64()),
            format!("{rate:.0}"),
            format!("{:.2} s", spent.processor.saturating_sub(*targets).as_secs_f64()),
            format!("{:.2} s", targets.as_secs_f64()),
            checked.well.to_string(),
            checked.missed.to_string(),
            writes.to_string(),
        ]
    }
}

/// Raises how many files this process may have open as far as it is allowed to, and says how many that are.
fn raise_descriptors() -> Outcome<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    if hard < DESCRIPTORS {
        return Err(format!("this needs {DESCRIPTORS} file descriptors, and a process may have {hard} here").into());
    }
    Ok(hard)
}
