//! What stands behind a machine's record: real processes, or nothing but a virtual clock.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Everything a host needs to boot one version of a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Boot {
    /// The machine's identifier, 14 hexadecimal digits.
    pub machine: String,
    /// Its name within the app.
    pub name: String,
    /// The app it belongs to.
    pub app: String,
    /// The region's code.
    pub region: String,
    /// The version being booted (a ULID).
    pub instance_id: String,
    /// Its address on the private network.
    pub private_ip: String,
    /// The machine's configuration as the API took it (`image`, `env`, `guest`, `services`, `checks`, `mounts`, `files`, `stop_config`…).
    pub config: serde_json::Value,
    /// The app's secrets as of this boot; they become environment variables, unless the configuration's `processes` say otherwise.
    pub secrets: BTreeMap<String, String>,
}

/// How a machine's main process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
}

/// A machine could not be booted.
#[derive(Debug, thiserror::Error)]
#[error("machine {machine} could not be booted: {reason}")]
pub struct BootFailed {
    /// The machine.
    pub machine: String,
    /// Why, for the log.
    pub reason: String,
}

/// An image could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("image {image} could not be fetched: {reason}")]
pub struct NoImage {
    /// The image.
    pub image: String,
    /// Why, for the log.
    pub reason: String,
}

/// What a host reports by itself.
#[derive(Debug, Clone)]
pub enum HostEvent {
    /// A machine's main process ended without being asked to.
    Exited {
        /// The machine.
        machine: String,
        /// The version that ran.
        instance_id: String,
        /// How it ended.
        exit: Exit,
    },
    /// A check of a machine changed its verdict.
    Check {
        /// The machine.
        machine: String,
        /// The check's name: the key in `config.checks`, or `servicecheck-NN-http-PORT` for a service's check.
        name: String,
        /// `passing`, `warning` or `critical`.
        status: String,
        /// What it answered, for people.
        output: String,
    },
}

/// One line that a machine wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogLine {
    /// Unix time in nanoseconds.
    pub timestamp_ns: i64,
    /// The machine that wrote it.
    pub machine: String,
    /// Its region.
    pub region: String,
    /// `info` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
}

/// Something that holds what a machine wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disk {
    /// A volume, by its identifier.
    Volume(String),
    /// A snapshot, by its identifier.
    Snapshot(String),
}

/// What a command in a machine has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its output, as far as it is kept.
    pub stdout: String,
    /// Its errors, likewise.
    pub stderr: String,
    /// Its exit code; 128 and the signal if a signal ended it.
    pub exit_code: i32,
    /// The signal that ended it, else 0.
    pub exit_signal: i32,
}

/// A command could not be run in a machine.
#[derive(Debug, thiserror::Error)]
pub enum ExecFailed {
    /// The machine does not run.
    #[error("the machine does not run")]
    NotRunning,
    /// It took too long and was killed.
    #[error("the command took too long")]
    TimedOut,
    /// It could not be started.
    #[error("the command could not be started: {0}")]
    NotStarted(String),
}

/// One process in a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its number.
    pub pid: i32,
    /// Its command line.
    pub command: String,
    /// Its folder.
    pub directory: String,
    /// The memory that it has, in bytes.
    pub rss: u64,
    /// What it has run in the kernel, in clock ticks.
    pub stime: u64,
    /// What it has run at all, in clock ticks.
    pub rtime: u64,
}

/// What stands behind the machines. Every method may be called again after a crash of the simulator and must then find what is there.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Takes the channel on which the host reports what happens by itself. Called once, before anything else.
    async fn attach(&self, events: mpsc::UnboundedSender<HostEvent>);
    /// Fetches an image.
    async fn pull(&self, image: &str) -> Result<(), NoImage>;
    /// Boots a machine and returns when it runs. What was frozen of it is lost. A process of an earlier version that is still there is waited for and ended first.
    async fn boot(&self, boot: Boot) -> Result<(), BootFailed>;
    /// Sends the signal, waits up to the time-out, then kills; what is frozen is killed at once. Returns how it ended; a machine that does not run ended with code 0.
    async fn stop(&self, machine: &str, signal: i32, timeout: Duration) -> Exit;
    /// Sends a signal and does not wait.
    async fn signal(&self, machine: &str, signal: i32);
    /// Freezes what runs in a machine, memory and root folder and all. Returns whether there is something that can run on.
    async fn suspend(&self, machine: &str) -> bool;
    /// Lets a frozen machine run on where it was. Returns false when nothing of it is left: then it must be booted.
    async fn resume(&self, machine: &str) -> bool;
    /// Removes what a machine left: its root folder and its ports. Volumes stay.
    async fn destroy(&self, machine: &str);
    /// Makes an empty volume, unless it is there.
    async fn create_volume(&self, volume: &str) -> std::io::Result<()>;
    /// Removes a volume's contents for good.
    async fn delete_volume(&self, volume: &str) -> std::io::Result<()>;
    /// Makes a copy of what a disk holds now, unless it is there. Returns its bytes.
    async fn copy(&self, from: &Disk, to: &Disk) -> std::io::Result<u64>;
    /// Removes a snapshot's contents.
    async fn delete_snapshot(&self, snapshot: &str) -> std::io::Result<()>;
    /// Runs a command in a machine, as long as it may take.
    async fn exec(&self, machine: &str, command: &[String], timeout: Duration) -> Result<Executed, ExecFailed>;
    /// The processes of a machine, its main one first.
    async fn processes(&self, machine: &str) -> Vec<ProcessStat>;
    /// Log lines of an app written after a time (Unix time in nanoseconds), oldest first, at most `limit`.
    async fn logs(&self, app: &str, machine: Option<&str>, after_ns: i64, limit: usize) -> Vec<LogLine>;
    /// The simulator ends: machines drain, and their records stay as they are, so that the next start boots them anew.
    async fn shutdown(&self);
}
