use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gateway::environment::GATEWAY_USER;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::children::{Children, Exit, Started};
use super::lines;
use super::volume::Volume;
use crate::Settings;
use crate::tail::{Stream, Tail};

/// What a process gets to vanish after SIGKILL: it may sit in an uninterruptible read of a slow disk.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// A process of the gateway's program, the gateway itself or its doctor. There is one at a time.
pub(super) struct Process<'a> {
    pub(super) pid: Pid,
    children: &'a Children,
    exit: oneshot::Receiver<Exit>,
    outputs: JoinSet<()>,
}

impl<'a> Process<'a> {
    /// Starts it, notes it on the volume, and passes on what it writes as the lines of this number.
    pub(super) fn start(children: &'a Children, volume: &Volume, command: &mut Command, number: u64, tail: &Arc<Tail>) -> io::Result<Self> {
        let Started { pid, stdout, stderr, exit } = children.spawn(command)?;
        if let Err(error) = volume.note_gateway(pid) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the gateway's process could not be noted on the volume");
        }
        let mut outputs = JoinSet::new();
        outputs.spawn(lines::pass_on(readable(stdout)?, Stream::Stdout, number, tail.clone()));
        outputs.spawn(lines::pass_on(readable(stderr)?, Stream::Stderr, number, tail.clone()));
        Ok(Self { pid, children, exit, outputs })
    }

    /// Waits until it has ended, by itself or not.
    pub(super) async fn ended(&mut self) -> io::Result<Exit> {
        (&mut self.exit).await.map_err(io::Error::other)
    }

    /// Asks it to end, waits, and kills what is left.
    pub(super) async fn end(&mut self, patience: Duration) {
        self.children.signal(Signal::SIGTERM);
        if timeout(patience, &mut self.exit).await.is_ok() {
            return;
        }
        tracing::warn!(waited_seconds = patience.as_secs(), "the gateway did not end in time and is killed");
        self.children.kill_group();
        if timeout(KILL_PATIENCE, &mut self.exit).await.is_err() {
            tracing::error!("the gateway is still there after SIGKILL");
        }
    }

    /// Ends whatever it left behind, and returns when its last line was passed on.
    pub(super) async fn clear_away(mut self) {
        self.children.end_orphans().await;
        // Whoever could write is gone, so the rest arrives at once; a time limit in case a process was handed the pipe and got away.
        drop(timeout(Duration::from_secs(1), async { while self.outputs.join_next().await.is_some() {} }).await);
    }
}

/// The gateway's program with these arguments and variables, as its own user.
pub(super) fn command(settings: &Settings, arguments: Vec<String>, environment: Vec<(String, String)>) -> Command {
    let (program, first) = settings.program.split_first().expect("the settings refuse an empty program");
    let mut command = Command::new(program);
    // What the gateway inherits its agent can read: nothing that is the supervisor's.
    let inherited = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("ROCKPOOL_"));
    command.args(first).args(arguments).env_clear().envs(inherited).envs(environment).current_dir(&settings.launch.workspace);
    if settings.drop_privileges {
        // As root, the standard library also clears the supplementary groups before it changes the user.
        command.uid(GATEWAY_USER).gid(GATEWAY_USER);
    }
    command
}

fn readable(pipe: impl Into<OwnedFd>) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(pipe.into())
}
