use std::io;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Family, drain_timeout, probe};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::children::{Children, Exit};
use super::configs::{Config, Configs};
use super::probe::is_ready;
use super::process::{Process, command};
use super::volume::Volume;
use crate::Settings;
use crate::status::{Board, Phase};
use crate::tail::Tail;

/// How often a gateway that is not ready is asked, and one that is.
const ASK_SOON: Duration = Duration::from_millis(200);
const ASK_OPENCLAW: Duration = Duration::from_secs(5);
const ASK_CLAWDBOT: Duration = Duration::from_secs(10);
/// A ready gateway that fails to answer this many times in a row is not ready any more.
const MISSES: u32 = 2;

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
    pub(super) async fn run(&self, config: &Config, volume: &Volume) -> io::Result<Ended> {
        let started = Instant::now();
        let launch = &self.settings.launch;
        let mut command = command(self.settings, launch.arguments(), launch.environment());
        let mut process = Process::start(self.children, volume, &mut command, self.number, self.tail)?;
        tracing::info!(pid = process.pid.as_raw(), start = self.number, "the gateway was started");
        self.board.write(|status| status.pid = Some(process.pid.as_raw()));

        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ended::ForGood,
            () = self.board.restart_ordered() => Ended::ForRestart,
            exit = process.ended() => Ended::Alone { exit: exit?, started, ended: Instant::now() },
            never = self.watch(config) => match never {},
        };
        match ended {
            Ended::Alone { .. } => {}
            Ended::ForGood => self.drain(Phase::Stopping, &mut process).await,
            Ended::ForRestart => self.drain(Phase::Restarting, &mut process).await,
        }
        self.board.write(|status| status.pid = None);
        process.clear_away().await;
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

    /// Asks the gateway to end and waits as long as its family may take.
    async fn drain(&self, phase: Phase, process: &mut Process<'_>) {
        self.board.enter(phase);
        process.end(drain_timeout(self.settings.release.family)).await;
    }
}
