//! The [`Host`] that the simulator sees.

use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use super::{Processes, chain, copies, exec, predecessor, proc_table, rootfs};
use crate::host::{Boot, BootFailed, Disk, ExecFailed, Executed, Exit, Host, HostEvent, LogLine, NoImage, ProcessStat};

#[async_trait]
impl Host for Processes {
    async fn attach(&self, events: mpsc::UnboundedSender<HostEvent>) {
        if self.inner.events.set(events).is_err() {
            tracing::warn!("the host already has a listener; the second is not heard");
        }
    }

    async fn pull(&self, image: &str) -> Result<(), NoImage> {
        let known = (self.inner.images)(image).is_some();
        let unknown = || NoImage { image: image.to_owned(), reason: "this host has no program for it".to_owned() };
        if known { Ok(()) } else { Err(unknown()) }
    }

    async fn boot(&self, boot: Boot) -> Result<(), BootFailed> {
        let machine = boot.machine.clone();
        let inner = Arc::clone(&self.inner);
        // A task of its own: a caller that gives up half-way must not leave a process that nobody knows.
        let outcome = tokio::spawn(async move { inner.boot(boot).await }).await;
        let reason = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => chain(&error),
            Err(panicked) => panicked.to_string(),
        };
        Err(BootFailed { machine, reason })
    }

    async fn stop(&self, machine: &str, signal: i32, timeout: Duration) -> Exit {
        let Some(machine) = self.inner.machine(machine) else { return ended() };
        if let Some(run) = machine.running() {
            return run.stop(signal, timeout).await;
        }
        // Not running, or just being booted: the turn tells which.
        let _turn = machine.turn.lock().await;
        if let Some(run) = machine.running() {
            return run.stop(signal, timeout).await;
        }
        let patience = predecessor::Patience { lifeline: Duration::ZERO, term: timeout };
        if let Err(error) = predecessor::end(&machine, &self.inner.boot_id, signal, patience).await {
            tracing::error!(machine = machine.id(), error = %chain(&error), "an earlier process could not be ended");
        }
        ended()
    }

    async fn signal(&self, machine: &str, signal: i32) {
        if let Some(run) = self.inner.machine(machine).and_then(|machine| machine.running()) {
            run.signal(signal);
        }
    }

    async fn suspend(&self, machine: &str) -> bool {
        let Some(machine) = self.inner.machine(machine) else { return false };
        let _turn = machine.turn.lock().await;
        let Some(run) = machine.running() else { return false };
        // The checks would say of what stands still that it does not answer.
        if let Some(active) = machine.active().as_mut() {
            active.tasks = None;
        }
        let freezing = Arc::clone(&run);
        let frozen = tokio::task::spawn_blocking(move || freezing.freeze()).await.unwrap_or_default();
        if !frozen {
            run.stop(Signal::SIGKILL as i32, Duration::ZERO).await;
        }
        frozen
    }

    async fn resume(&self, machine: &str) -> bool {
        let Some(machine) = self.inner.machine(machine) else { return false };
        let _turn = machine.turn.lock().await;
        let Some(run) = machine.running().filter(|run| run.is_frozen()) else { return false };
        if tokio::task::spawn_blocking(move || run.thaw()).await.is_err() {
            return false;
        }
        let mut active = machine.active();
        let Some(active) = active.as_mut() else { return false };
        active.tasks = Some(self.inner.attend(&machine, &active.checks));
        true
    }

    async fn destroy(&self, machine: &str) {
        self.stop(machine, Signal::SIGKILL as i32, Duration::ZERO).await;
        let Some(machine) = self.inner.machine(machine) else { return };
        let _turn = machine.turn.lock().await;
        let folder = machine.folder().to_owned();
        let removed = tokio::task::spawn_blocking(move || rootfs::remove(&folder)).await;
        match removed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(machine = machine.id(), %error, "the machine's folder could not be removed"),
            Err(error) => tracing::warn!(machine = machine.id(), %error, "removing the machine's folder panicked"),
        }
        self.inner.machines.lock().unwrap_or_else(PoisonError::into_inner).remove(machine.id());
    }

    async fn create_volume(&self, volume: &str) -> io::Result<()> {
        let folder = self.inner.volume(volume)?;
        blocking(move || std::fs::create_dir_all(folder)).await
    }

    async fn delete_volume(&self, volume: &str) -> io::Result<()> {
        let folder = self.inner.volume(volume)?;
        blocking(move || rootfs::remove(&folder)).await
    }

    async fn copy(&self, from: &Disk, to: &Disk) -> io::Result<u64> {
        let (from, to) = (self.inner.disk(from)?, self.inner.disk(to)?);
        blocking(move || copies::copy(&from, &to)).await
    }

    async fn delete_snapshot(&self, snapshot: &str) -> io::Result<()> {
        let folder = self.inner.disk(&Disk::Snapshot(snapshot.to_owned()))?;
        blocking(move || rootfs::remove(&folder)).await
    }

    async fn exec(&self, machine: &str, command: &[String], timeout: Duration) -> Result<Executed, ExecFailed> {
        let machine = self.inner.machine(machine).ok_or(ExecFailed::NotRunning)?;
        let environment = machine.environment().ok_or(ExecFailed::NotRunning)?;
        exec::run(&machine.root(), &environment, command, timeout).await
    }

    async fn processes(&self, machine: &str) -> Vec<ProcessStat> {
        let Some(machine) = self.inner.machine(machine) else { return Vec::new() };
        let Some(run) = machine.running() else { return Vec::new() };
        let read = tokio::task::spawn_blocking(move || {
            let mut pids = proc_table::started_in(machine.id(), machine.folder());
            pids.sort_by_key(|pid| (*pid != run.pid(), *pid));
            pids.into_iter().filter_map(proc_table::stat).collect()
        });
        read.await.unwrap_or_default()
    }

    async fn logs(&self, app: &str, machine: Option<&str>, after_ns: i64, limit: usize) -> Vec<LogLine> {
        let machines: Vec<_> = self
            .inner
            .all()
            .into_iter()
            .filter(|candidate| machine.is_none_or(|wanted| wanted == candidate.id()) && candidate.app().as_deref() == Some(app))
            .collect();
        let read = tokio::task::spawn_blocking(move || {
            let mut lines: Vec<LogLine> = machines.iter().flat_map(|machine| machine.log_lines(after_ns, limit)).collect();
            lines.sort_by_key(|line| line.timestamp_ns);
            lines.truncate(limit);
            lines
        });
        read.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading logs panicked");
            Vec::new()
        })
    }

    async fn shutdown(&self) {
        self.inner.closing.store(true, Ordering::SeqCst);
        let drain = self.inner.limits.drain;
        let machines = self.inner.all();
        join_all(machines.iter().map(|machine| machine.drain(drain))).await;
    }
}

/// How a machine that does not run is said to have ended.
fn ended() -> Exit {
    Exit { code: Some(0), signal: None, oom_killed: false }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
