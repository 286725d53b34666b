use std::sync::Arc;
use std::time::Duration;

use gateway::{ExitMeaning, Family, classify_exit, validate};
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::children::{Children, Exit};
use super::configs::{Config, Configs};
use super::life::{Ended, Life};
use super::volume::{Volume, prepare_folders};
use crate::Settings;
use crate::status::{Board, InUse, LastExit, Phase};
use crate::tail::Tail;

/// Keeps one gateway running on one volume until it is told to stop.
pub(crate) struct Keeper {
    pub(crate) settings: Arc<Settings>,
    pub(crate) board: Arc<Board>,
    pub(crate) children: Arc<Children>,
    pub(crate) configs: Arc<Configs>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) stop: CancellationToken,
}

/// What to do after a process has ended.
enum Next {
    /// Start at once, with the wanted configuration.
    Wanted,
    /// The wanted configuration was refused.
    Refused(String),
    /// Start again later, with the same configuration.
    Later(Duration, Option<String>),
    /// End.
    Stop,
}

impl Keeper {
    /// Runs until the supervisor is to end; the gateway has ended when this returns.
    pub(crate) async fn run(self) {
        tokio::select! {
            volume = Volume::claim(&self.settings, &self.board) => self.rounds(&volume).await,
            () = self.stop.cancelled() => {}
        }
        self.board.enter(Phase::Stopped);
    }

    async fn rounds(&self, volume: &Volume) {
        let mut backoff = Backoff::new(self.settings.release.family);
        let mut choice = InUse::Wanted;
        while !self.stop.is_cancelled() {
            match self.round(volume, choice, &mut backoff).await {
                Next::Stop => return,
                Next::Wanted => choice = InUse::Wanted,
                Next::Refused(why) => choice = self.fall_back(choice, why).await,
                Next::Later(wait, trouble) => {
                    if self.wait(wait, trouble).await {
                        backoff.forgive();
                        choice = InUse::Wanted;
                    }
                }
            }
        }
    }

    /// One attempt: let the doctor come if that was ordered, choose the configuration, start the gateway with it, watch it to its end, and
    /// read what the end means.
    async fn round(&self, volume: &Volume, choice: InUse, backoff: &mut Backoff) -> Next {
        self.examine_if_ordered(volume).await;
        if self.stop.is_cancelled() {
            return Next::Stop;
        }
        let mut number = 0;
        self.board.write(|status| {
            status.starts += 1;
            number = status.starts;
            // A doctor that was ordered just now is still to come: the process sees the order, and ends for it.
            if !status.doctor_ordered {
                status.handled = status.ordered;
            }
            status.next_start = None;
            status.trouble = None;
            status.config = choice;
            if choice == InUse::Wanted {
                status.refusal = None;
            }
        });
        self.board.enter(Phase::Starting);
        let config = match self.choose(choice).await {
            Ok(config) => config,
            Err(why) => return Next::Refused(why),
        };
        let life = Life {
            settings: &self.settings,
            board: &self.board,
            children: &self.children,
            configs: &self.configs,
            tail: &self.tail,
            stop: &self.stop,
            number,
        };
        let began = Instant::now();
        let prepared = prepare_folders(&self.settings).and_then(|()| self.configs.install(&config));
        let ended = match prepared {
            Ok(()) => life.run(&config, volume).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(Ended::ForGood) => Next::Stop,
            Ok(Ended::ForRestart) => Next::Wanted,
            Ok(Ended::Alone { exit, started, ended }) => self.read_end(number, exit, started, ended, backoff),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the gateway could not be started");
                Next::Later(backoff.after(began, Instant::now(), false), Some(format!("the gateway could not be started: {error}")))
            }
        }
    }

    /// The configuration of the choice, if there is any sense in starting with it.
    async fn choose(&self, choice: InUse) -> Result<Config, String> {
        let config = match choice {
            InUse::LastGood => return self.configs.last_good().ok_or_else(|| "the last good configuration is gone".to_owned()),
            InUse::Wanted | InUse::None => self.configs.wanted().map_err(|error| format!("no configuration was delivered: {error}"))?,
        };
        self.board.write(|status| status.wanted_digest = Some(config.digest()));
        // Clawdbot exits with the same code whatever happened, so what can be known beforehand is. OpenClaw says it by itself, by its code.
        if self.settings.release.family == Family::Clawdbot {
            check(&self.settings, &config).await?;
        }
        Ok(config)
    }

    fn read_end(&self, number: u64, exit: Exit, started: Instant, ended: Instant, backoff: &mut Backoff) -> Next {
        let said = self.tail.stderr_of(number);
        let meaning = classify_exit(self.settings.release.family, exit.code, exit.signal, &said);
        let word = match &meaning {
            ExitMeaning::Clean => "clean",
            ExitMeaning::ConfigRefused { .. } => "config_refused",
            ExitMeaning::Crashed => "crashed",
        };
        tracing::warn!(code = ?exit.code, signal = ?exit.signal, meaning = word, "the gateway ended by itself");
        self.board.write(|status| {
            status.crashes += 1;
            status.last_exit = Some(LastExit { at: Timestamp::now(), code: exit.code, signal: exit.signal, meaning: word });
        });
        match meaning {
            ExitMeaning::ConfigRefused { why } => Next::Refused(why),
            ExitMeaning::Clean => Next::Later(backoff.after(started, ended, false), None),
            ExitMeaning::Crashed => Next::Later(backoff.after(started, ended, true), None),
        }
    }

    /// A refused configuration is never tried again by itself. Returns what to start with next: at once where there is a last good one,
    /// after an order where there is none.
    async fn fall_back(&self, refused: InUse, why: String) -> InUse {
        tracing::error!(why, refused = ?refused, "the gateway's configuration is refused");
        let good = self.configs.last_good();
        let differs = good.is_some() && good != self.configs.wanted().ok();
        if refused == InUse::Wanted {
            self.board.write(|status| status.refusal = Some(why));
            if differs {
                tracing::warn!("starting the gateway with its last good configuration");
                return InUse::LastGood;
            }
        }
        self.board.enter(Phase::Refused);
        tokio::select! {
            () = self.board.restart_ordered() => {}
            () = self.stop.cancelled() => {}
        }
        InUse::Wanted
    }

    /// Waits before the next start. Returns whether an order cut it short.
    async fn wait(&self, wait: Duration, trouble: Option<String>) -> bool {
        let next = Timestamp::now().saturating_add(jiff::SignedDuration::try_from(wait).unwrap_or_default()).ok();
        self.board.write(|status| {
            status.next_start = next;
            status.trouble = trouble;
        });
        self.board.enter(Phase::BackingOff);
        tracing::info!(wait_milliseconds = wait.as_millis() as u64, "the gateway is started again after a wait");
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = self.board.restart_ordered() => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// Checks a configuration by the rules of its family, off the thread that answers callers: the larger schema takes a while.
pub(crate) async fn check(settings: &Settings, config: &Config) -> Result<(), String> {
    let json = config.json().map_err(|error| format!("it is not JSON: {error}"))?;
    let release = settings.release.clone();
    let checked = tokio::task::spawn_blocking(move || validate(&release, &json)).await;
    match checked {
        Ok(Ok(())) => Ok(()),
        Ok(Err(violations)) => Err(violations.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        Err(_) => Err("it could not be checked".to_owned()),
    }
}
