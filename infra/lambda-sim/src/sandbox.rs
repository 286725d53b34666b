//! One execution environment: a process and its Runtime API.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::environment::variables;
use crate::runtime_api::{Event, Phase, Reported, RuntimeApi};

/// After this, Lambda ends an initialisation and begins it again with the first event.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
const LONGEST_INITIALISATION: Duration = Duration::from_secs(10);

/// Lines of output that are kept of all environments of a function together.
const LINES: usize = 20_000;

/// What a function did not answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// It said so.
    #[error("the function reported {0}")]
    Reported(Reported),
    /// It could not start, and said so.
    #[error("the function could not start: {0}")]
    Init(Reported),
    /// It did not ask for an event within the time for initialisations.
    #[error("the function did not ask for an event within {} s", LONGEST_INITIALISATION.as_secs())]
    InitTimedOut,
    /// Its process ended.
    #[error("the function's process ended: {0}")]
    Exited(String),
    /// It was killed on request.
    #[error("the function was killed")]
    Killed,
    /// It did not answer, or did not ask for the next event, within its time-out, and was killed.
    #[error("the function ran into its time-out")]
    TimedOut,
    /// There is no process: the program cannot be run.
    #[error("the function's program cannot be run: {0}")]
    NotStarted(String),
}

/// What the start of an execution environment took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initialisation {
    /// From the start of the process to its first request for an event.
    pub took: Duration,
    /// The most memory that the process had resident until then, in KiB.
    pub peak_memory_kib: u64,
    /// How much of that were pages of its own, not of its program file, in KiB.
    pub anonymous_memory_kib: u64,
}

/// What the processes of a function wrote, oldest first.
pub(crate) type Output = Arc<Mutex<VecDeque<String>>>;

pub(crate) struct Sandbox {
    child: Child,
    pid: Pid,
    events: mpsc::Sender<Event>,
    phase: watch::Receiver<Phase>,
    api: AbortHandle,
    kill: CancellationToken,
}

impl Sandbox {
    /// Starts a process and waits for its first request for an event.
    pub(crate) async fn start(
        settings: &Settings,
        output: &Output,
        kill: CancellationToken,
    ) -> Result<(Self, Initialisation), InvokeError> {
        let not_started = |error: std::io::Error| InvokeError::NotStarted(error.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(not_started)?;
        let address = listener.local_addr().map_err(not_started)?.to_string();
        let (api, events, phase) = RuntimeApi::new();
        let router = api.router();
        let api = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a runtime API ended");
            }
        });
        let began = Instant::now();
        let child = Command::new(&settings.bootstrap)
            .env_clear()
            .envs(variables(settings, &address))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: should this process die, the kernel wakes and ends a frozen process whose group has lost its parent.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let api = api.abort_handle();
        let mut child = child.map_err(|error| {
            api.abort();
            not_started(error)
        })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw).expect("it has not been waited for");
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            tokio::spawn(keep_lines(stdout, output.clone()));
            tokio::spawn(keep_lines(stderr, output.clone()));
        }
        let mut sandbox = Self { child, pid, events, phase, api, kill };
        sandbox.until_waiting(began + LONGEST_INITIALISATION).await.map_err(|error| match error {
            InvokeError::TimedOut => InvokeError::InitTimedOut,
            error => error,
        })?;
        let took = began.elapsed();
        sandbox.freeze();
        let initialisation =
            Initialisation { took, peak_memory_kib: sandbox.memory("VmHWM:"), anonymous_memory_kib: sandbox.memory("RssAnon:") };
        Ok((sandbox, initialisation))
    }

    /// Gives the function an event and waits for its answer.
    pub(crate) async fn invoke(&mut self, settings: &Settings, body: Bytes, deadline: Instant) -> Result<Bytes, InvokeError> {
        let (sender, answer) = oneshot::channel();
        let event = Event {
            id: uuid::Uuid::new_v4().to_string(),
            body,
            deadline: Timestamp::now() + (deadline - Instant::now()),
            function_arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{}", settings.name),
            answer: sender,
        };
        self.thaw();
        if self.events.send(event).await.is_err() {
            return Err(InvokeError::Exited("its runtime API is gone".to_owned()));
        }
        tokio::select! {
            // An answer that was posted counts, whatever happened to the process a moment later.
            biased;
            Ok(answer) = answer => answer.map_err(InvokeError::Reported),
            () = self.kill.cancelled() => Err(InvokeError::Killed),
            status = self.child.wait() => Err(exited(status)),
            () = tokio::time::sleep_until(deadline) => Err(InvokeError::TimedOut),
        }
    }

    /// Waits until the process asks for its next event, and freezes it. What it still does after its answer counts as its time.
    pub(crate) async fn rest(&mut self, deadline: Instant) -> Result<(), InvokeError> {
        self.until_waiting(deadline).await?;
        self.freeze();
        Ok(())
    }

    async fn until_waiting(&mut self, deadline: Instant) -> Result<(), InvokeError> {
        let mut phase = self.phase.clone();
        let waiting = phase.wait_for(|phase| matches!(phase, Phase::Waiting | Phase::Refused(_)));
        let phase = tokio::select! {
            biased;
            () = self.kill.cancelled() => return Err(InvokeError::Killed),
            phase = waiting => phase.map(|phase| phase.clone()),
            status = self.child.wait() => return Err(exited(status)),
            () = tokio::time::sleep_until(deadline) => return Err(InvokeError::TimedOut),
        };
        match phase {
            Ok(Phase::Refused(why)) => Err(InvokeError::Init(why)),
            Ok(_) => Ok(()),
            Err(_) => Err(InvokeError::Exited("its runtime API is gone".to_owned())),
        }
    }

    /// Cancelling it kills the process while it works.
    pub(crate) fn kill_switch(&self) -> CancellationToken {
        self.kill.clone()
    }

    /// Whether the process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        !self.kill.is_cancelled() && matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process, and waits until it is gone.
    pub(crate) async fn end(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(%error, "it had ended already");
        }
    }

    fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        // The child is waited for only by this value, so its process id is still its own.
        if self.child.id().is_some()
            && let Err(error) = kill(self.pid, signal)
        {
            tracing::debug!(%error, "it has ended");
        }
    }

    /// What the processor has done for the threads that there are, once the process stands still: a signal takes a moment to arrive.
    /// <https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>
    pub(crate) async fn cpu_when_frozen(&self) -> Duration {
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        while stat().rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" T")) {
            tokio::task::yield_now().await;
        }
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let times = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
        Duration::from_nanos(times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// A line of the process's status, in KiB. <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
    fn memory(&self, label: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(label));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.api.abort();
    }
}

fn exited(status: std::io::Result<ExitStatus>) -> InvokeError {
    InvokeError::Exited(status.map_or_else(|error| error.to_string(), |status| status.to_string()))
}

async fn keep_lines(stream: impl AsyncRead + Unpin, output: Output) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut kept = output.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}
