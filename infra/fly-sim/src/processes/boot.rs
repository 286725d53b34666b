//! One boot, from the configuration to a process that runs.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::checks::Plan;
use super::config::Config;
use super::machine::{Active, Machine};
use super::ports::Ports;
use super::predecessor::{self, Patience, Predecessor};
use super::record::{Facts, ProcessRecord};
use super::rootfs::{self, Unfurnished};
use super::run::Run;
use super::{Inner, Program, checks, environment, proc_table};
use crate::host::{Boot, HostEvent};

/// How often the log of a running machine is looked at, so that lines without a time of their own get one.
const STAMP_EVERY: Duration = Duration::from_secs(1);

/// Why a machine could not be booted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unbootable {
    #[error("the host is shutting down")]
    Closing,
    #[error("its configuration cannot be read")]
    Config(#[source] serde_json::Error),
    #[error("image {0:?} is not known on this host")]
    UnknownImage(String),
    #[error("image {0:?} stands for no program")]
    NoProgram(String),
    #[error(transparent)]
    Predecessor(#[from] Predecessor),
    #[error("its root folder could not be made")]
    Root(#[from] Unfurnished),
    #[error("its {what} could not be written")]
    Folder { what: &'static str, source: io::Error },
    #[error("no ports are free")]
    Ports(#[source] io::Error),
    #[error("the program of image {image:?} could not be started")]
    Start { image: String, source: io::Error },
    #[error("preparing it panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

fn folder(what: &'static str) -> impl Fn(io::Error) -> Unbootable {
    move |source| Unbootable::Folder { what, source }
}

impl Inner {
    /// Returns when the machine's program runs. Whatever ran before has ended by then.
    pub(super) async fn boot(self: Arc<Self>, boot: Boot) -> Result<(), Unbootable> {
        let config: Config = serde_json::from_value(boot.config.clone()).map_err(Unbootable::Config)?;
        let program = (self.images)(&config.image).ok_or_else(|| Unbootable::UnknownImage(config.image.clone()))?;
        let machine = self.ensure_machine(&boot.machine).map_err(folder("folder"))?;
        let _turn = machine.turn.lock().await;
        if let Some(run) = machine.running() {
            run.stop(Signal::SIGTERM as i32, self.limits.term_grace).await;
        }
        let patience = Patience { lifeline: self.limits.lifeline_grace, term: self.limits.term_grace };
        predecessor::end(&machine, &self.boot_id, Signal::SIGTERM as i32, patience).await?;

        let (inner, booted) = (Arc::clone(&self), Arc::clone(&machine));
        tokio::task::spawn_blocking(move || {
            let ports = inner.prepare(&booted, &boot, &config)?;
            inner.launch(&booted, &boot, &config, &program, &ports)
        })
        .await
        .map_err(Unbootable::Panicked)?
    }

    /// Everything that must be on the disk before the program starts.
    fn prepare(&self, machine: &Machine, boot: &Boot, config: &Config) -> Result<Ports, Unbootable> {
        machine.set_facts(Facts { app: boot.app.clone(), region: boot.region.clone() }).map_err(folder("record"))?;
        rootfs::furnish(&machine.root(), config, &boot.secrets, |volume| self.volume(volume))?;
        let _choosing = self.choosing_ports.lock().unwrap_or_else(PoisonError::into_inner);
        let others: BTreeSet<u16> = (self.all().iter())
            .filter(|other| other.id() != machine.id())
            .filter_map(|other| other.ports())
            .flat_map(|ports| ports.all().collect::<Vec<_>>())
            .collect();
        let ports = Ports::settle(machine.ports().as_ref(), &config.internal_ports(), &others).map_err(Unbootable::Ports)?;
        machine.set_ports(&ports).map_err(folder("record of ports"))?;
        Ok(ports)
    }

    fn launch(&self, machine: &Arc<Machine>, boot: &Boot, config: &Config, program: &Program, ports: &Ports) -> Result<(), Unbootable> {
        let mut command = command(machine, boot, config, program, ports)?;
        let metrics = config.metrics.as_ref().map(|metrics| metrics.port);
        let checks = checks::plan(&boot.config, metrics, ports).map_err(Unbootable::Config)?;
        // Said before the start, so that the verdict on an earlier life of the machine does not outlast it.
        checks.iter().for_each(|check| self.report(check.unknown(&boot.machine)));

        {
            let mut active = machine.active();
            // Under the same lock under which a shutdown looks for running machines: it sees this one, or this one sees it.
            if self.closing.load(Ordering::SeqCst) {
                return Err(Unbootable::Closing);
            }
            let starting = ProcessRecord::Starting { boot_id: self.boot_id.clone() };
            machine.set_process_record(&starting).map_err(folder("record of the process"))?;
            let mut started = self.start(machine, boot, &config.image, &mut command).inspect_err(|_| machine.clear_process_record())?;
            started.tasks = Some(self.attend(machine, &checks));
            *active = Some(Active { checks, ..started });
        }
        Ok(())
    }

    /// Runs a machine's checks and stamps its log until the guard is dropped.
    pub(super) fn attend(&self, machine: &Machine, checks: &[Plan]) -> DropGuard {
        let tasks = CancellationToken::new();
        if let Some(events) = self.events.get() {
            for check in checks {
                tokio::spawn(check.clone().watch(machine.id().to_owned(), events.clone(), tasks.clone()));
            }
        }
        tokio::spawn(Arc::clone(machine.log()).stamp_every(STAMP_EVERY, tasks.clone()));
        tasks.drop_guard()
    }

    /// Starts the process and records it. On an error nothing of it is left.
    fn start(&self, machine: &Arc<Machine>, boot: &Boot, image: &str, command: &mut Command) -> Result<Active, Unbootable> {
        let mut child = command.spawn().map_err(|source| Unbootable::Start { image: image.to_owned(), source })?;
        let lifeline = child.stdin.take();
        let run = Run::new(&child, machine);
        let record =
            proc_table::row(run.pid()).ok_or_else(|| io::Error::other("the new process is not in the kernel's table")).and_then(|row| {
                machine.set_process_record(&ProcessRecord::Running {
                    boot_id: self.boot_id.clone(),
                    pid: run.pid(),
                    start_time: row.start_time,
                    instance_id: boot.instance_id.clone(),
                })
            });
        if let Err(source) = record {
            run.kill();
            // It is killed, so that this does not wait.
            if let Err(error) = child.wait() {
                tracing::warn!(machine = machine.id(), %error, "a killed process could not be collected");
            }
            return Err(Unbootable::Folder { what: "record of the process", source });
        }
        let at_end = {
            let (machine, ended_run) = (Arc::downgrade(machine), Arc::downgrade(&run));
            let (events, id, instance_id) = (self.events.get().cloned(), boot.machine.clone(), boot.instance_id.clone());
            move |exit: &crate::host::Exit, asked: bool| {
                Machine::ended(&machine, &ended_run);
                let exited = HostEvent::Exited { machine: id, instance_id, exit: exit.clone() };
                if !asked && let Some(Err(_)) = events.map(|events| events.send(exited)) {
                    tracing::debug!("nobody listens to the host's events any more");
                }
            }
        };
        // Once this thread runs it owns the process; without it nobody would ever see the end.
        run.watch(child, at_end).map_err(|source| {
            run.kill();
            Unbootable::Start { image: image.to_owned(), source }
        })?;
        let environment = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        Ok(Active { run, lifeline, environment: Arc::new(environment), checks: Vec::new(), tasks: None })
    }
}

/// The command of a machine: its own environment, folder and group, the lifeline as its input, the log file as its output.
fn command(machine: &Machine, boot: &Boot, config: &Config, program: &Program, ports: &Ports) -> Result<Command, Unbootable> {
    let (name, arguments) = program.argv.split_first().ok_or_else(|| Unbootable::NoProgram(config.image.clone()))?;
    let root = machine.root();
    let log = machine.log().writer().map_err(folder("log"))?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(environment::environment(boot, config, program, ports, &root))
        .current_dir(&root)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().map_err(folder("log"))?)
        .stderr(log)
        .process_group(0);
    Ok(command)
}
