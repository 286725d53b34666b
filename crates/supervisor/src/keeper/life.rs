use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Family, drain_timeout, probe};
use nix::sys::signal::Signal;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::children::{Children, Exit, Started};
use super::configs::{Config, Configs};
use super::lines;
use super::probe::is_ready;
use crate::Settings;
use crate::settings::GATEWAY_USER;
use crate::status::{Board, Phase};
use crate::tail::{Stream, Tail};

/// How often a gateway that is not ready is asked, and one that is.
const ASK_SOON: Duration = Duration::from_millis(200);
const ASK_OPENCLAW: Duration = Duration::from_secs(5);
const ASK_CLAWDBOT: Duration = Duration::from_secs(10);
/// A ready gateway that fails to answer this many times in a row is not ready any more.
const MISSES: u32 = 2;
/// What a process gets to vanish after SIGKILL: it may sit in an uninterruptible read of a slow disk.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// One process of the gateway, from its start to its end.
pub(super) struct Life<'a> {
    pub(super) settings: &'a Settings,
    pub(super) board: &'a Board,
    pub(super) children: &'a Children,
    pub(super) configs: &'a Configs,
    pub(super) tail: &'a Arc<Tail>,
    pub(super) stop: &'a CancellationToken,
    /// Which process it is, counted from 1.
    pub(super) number: u64,
}

/// Why a life ended.
pub(super) enum Ended {
    /// By itself.
    Alone { exit: Exit, started: Instant, ended: Instant },
    /// Because a restart was ordered.
    ForRestart,
    /// Because the supervisor is to end.
    ForGood,
}

impl Life<'_> {
    /// Starts the gateway and watches it until it ends.
    pub(super) async fn run(&self, config: &Config, note: impl FnOnce(nix::unistd::Pid) -> io::Result<()>) -> io::Result<Ended> {
        let started = Instant::now();
        let Started { pid, stdout, stderr, mut exit } = self.children.spawn(&mut self.command())?;
        tracing::info!(pid = pid.as_raw(), start = self.number, "the gateway was started");
        self.board.write(|status| status.pid = Some(pid.as_raw()));
        if let Err(error) = note(pid) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the gateway's process could not be noted on the volume");
        }
        let mut outputs = JoinSet::new();
        outputs.spawn(lines::pass_on(readable(stdout)?, Stream::Stdout, self.number, self.tail.clone()));
        outputs.spawn(lines::pass_on(readable(stderr)?, Stream::Stderr, self.number, self.tail.clone()));

        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ended::ForGood,
            () = self.board.restart_ordered() => Ended::ForRestart,
            exit = &mut exit => Ended::Alone { exit: exit.map_err(io::Error::other)?, started, ended: Instant::now() },
            never = self.watch(config) => match never {},
        };
        match ended {
            Ended::Alone { .. } => {}
            Ended::ForGood => self.drain(Phase::Stopping, &mut exit).await,
            Ended::ForRestart => self.drain(Phase::Restarting, &mut exit).await,
        }
        self.board.write(|status| status.pid = None);
        self.children.end_orphans().await;
        // Whoever could write is gone, so the rest arrives at once; a time limit in case a process was handed the pipe and got away.
        drop(timeout(Duration::from_secs(1), async { while outputs.join_next().await.is_some() {} }).await);
        Ok(ended)
    }

    /// Asks the gateway again and again, and reports what it answers.
    async fn watch(&self, config: &Config) -> std::convert::Infallible {
        let probe = probe(self.settings.release.family);
        let mut misses = 0;
        loop {
            let was = self.board.phase();
            let pause = match (was, self.settings.release.family) {
                (Phase::Ready, Family::Openclaw) if misses == 0 => ASK_OPENCLAW,
                (Phase::Ready, Family::Clawdbot) if misses == 0 => ASK_CLAWDBOT,
                _ => ASK_SOON,
            };
            tokio::time::sleep(pause).await;
            if is_ready(probe, self.settings.gateway_address()).await {
                misses = 0;
                if self.board.report(Phase::Ready) && was != Phase::Ready {
                    self.note_good(config);
                }
            } else if was == Phase::Ready {
                misses += 1;
                if misses >= MISSES {
                    self.board.report(Phase::NotReady);
                }
            }
        }
    }

    fn note_good(&self, config: &Config) {
        if let Err(error) = self.configs.note_good(config) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the good configuration could not be kept");
        }
    }

    /// Asks the gateway to end, waits as long as its family may take, and kills what is left.
    async fn drain(&self, phase: Phase, exit: &mut oneshot::Receiver<Exit>) {
        self.board.enter(phase);
        self.children.signal(Signal::SIGTERM);
        let patience = drain_timeout(self.settings.release.family);
        if timeout(patience, &mut *exit).await.is_ok() {
            return;
        }
        tracing::warn!(waited_seconds = patience.as_secs(), "the gateway did not drain in time and is killed");
        self.children.kill_group();
        if timeout(KILL_PATIENCE, exit).await.is_err() {
            tracing::error!("the gateway is still there after SIGKILL");
        }
    }

    fn command(&self) -> Command {
        let (program, arguments) = self.settings.program.split_first().expect("the settings refuse an empty program");
        let mut command = Command::new(program);
        // What the gateway inherits its agent can read: nothing that is the supervisor's.
        let inherited = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("ROCKPOOL_"));
        command
            .args(arguments)
            .args(self.settings.launch.arguments())
            .env_clear()
            .envs(inherited)
            .envs(self.settings.launch.environment())
            .current_dir(&self.settings.launch.workspace);
        if self.settings.drop_privileges {
            // As root, the standard library also clears the supplementary groups before it changes the user.
            command.uid(GATEWAY_USER).gid(GATEWAY_USER);
        }
        command
    }
}

fn readable(pipe: impl Into<OwnedFd>) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(pipe.into())
}
