use std::io;

use gateway::DOCTOR_TIMEOUT;
use jiff::Timestamp;
use tokio::time::{Duration, Instant, timeout};

use super::children::Exit;
use super::process::{Process, command};
use super::round::Keeper;
use super::volume::{Volume, prepare_folders};
use crate::status::{Examination, Phase};

/// The doctor's lines bear this in the place of a start's number, so that what it says is not read for why a gateway ended.
const LINES: u64 = 0;

/// What the doctor gets between SIGTERM and SIGKILL. It serves nobody and drains nothing.
const PATIENCE: Duration = Duration::from_secs(5);

impl Keeper {
    /// Lets the gateway's own doctor look at the state and repair what it can, if that was ordered. No gateway runs meanwhile: the smallest
    /// machine has memory for one program of this size, and none of them expects its files to be changed under it.
    pub(super) async fn examine_if_ordered(&self, volume: &Volume) {
        let mut ordered = false;
        self.board.write(|status| ordered = std::mem::take(&mut status.doctor_ordered));
        if !ordered || self.stop.is_cancelled() {
            return;
        }
        self.board.enter(Phase::UnderDoctor);
        let (at, began) = (Timestamp::now(), Instant::now());
        let (exit, trouble) = match self.examine(volume).await {
            Ok(Seen::Ended(exit)) => (exit, None),
            Ok(Seen::TookTooLong) => (Exit::UNKNOWN, Some(format!("it was ended after {} s", DOCTOR_TIMEOUT.as_secs()))),
            Ok(Seen::Interrupted) => (Exit::UNKNOWN, Some("the supervisor was told to end".to_owned())),
            Err(error) => (Exit::UNKNOWN, Some(format!("it could not be started: {error}"))),
        };
        let Exit { code, signal } = exit;
        tracing::info!(?code, ?signal, trouble, "the gateway's doctor has looked at it");
        let seconds = began.elapsed().as_secs();
        self.board.write(|status| status.examination = Some(Examination { at, seconds, code, signal, trouble }));
    }

    async fn examine(&self, volume: &Volume) -> io::Result<Seen> {
        prepare_folders(&self.settings)?;
        let launch = &self.settings.launch;
        let mut command = command(&self.settings, launch.doctor_arguments(), launch.doctor_environment());
        let mut process = Process::start(&self.children, volume, &mut command, LINES, &self.tail)?;
        tracing::info!(pid = process.pid.as_raw(), "the gateway's doctor was called");
        let seen = tokio::select! {
            biased;
            () = self.stop.cancelled() => Seen::Interrupted,
            ended = timeout(DOCTOR_TIMEOUT, process.ended()) => match ended {
                Ok(exit) => Seen::Ended(exit?),
                Err(_) => Seen::TookTooLong,
            },
        };
        if !matches!(seen, Seen::Ended(_)) {
            process.end(PATIENCE).await;
        }
        process.clear_away().await;
        Ok(seen)
    }
}

/// How an examination came to its end.
enum Seen {
    Ended(Exit),
    TookTooLong,
    Interrupted,
}
