use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Initialisation, InvokeError, Output, Sandbox};

/// What a function is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The program.
    pub bootstrap: PathBuf,
    /// What it is told of its memory, in MB. It is not held to it.
    pub memory_mb: u32,
    /// What an invocation may take.
    pub timeout: Duration,
    /// Invocations at the same time, each in an environment of its own.
    pub concurrency: usize,
    /// Its settings, region and credentials.
    pub environment: BTreeMap<String, String>,
}

/// A function that is deployed. Clones are the same one.
#[derive(Clone)]
pub struct Function {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Mutex<(u64, Settings)>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(u64, Sandbox)>>,
    busy: Mutex<BTreeMap<u64, Busy>>,
    numbers: AtomicU64,
    initialisations: Mutex<Vec<Initialisation>>,
    lost: AtomicU64,
    output: Output,
}

struct Busy {
    event: Bytes,
    kill: CancellationToken,
}

impl Function {
    /// A function without any execution environment yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.concurrency));
        let output = Arc::new(Mutex::new(VecDeque::new()));
        Self {
            shared: Arc::new(Shared {
                settings: Mutex::new((0, settings)),
                permits,
                idle: Mutex::default(),
                busy: Mutex::default(),
                numbers: AtomicU64::new(0),
                initialisations: Mutex::default(),
                lost: AtomicU64::new(0),
                output,
            }),
        }
    }

    /// Invokes the function, if need be in an environment that is started for it. It goes on even if nobody waits for its answer any
    /// more.
    ///
    /// # Errors
    /// [`InvokeError`]: unless it was [reported](InvokeError::Reported), nobody knows how much of its work the function did.
    pub async fn invoke(&self, event: impl Into<Bytes>) -> Result<Bytes, InvokeError> {
        let permit = self.shared.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (sender, answer) = oneshot::channel();
        tokio::spawn(self.clone().work(event.into(), sender, permit));
        answer.await.unwrap_or(Err(InvokeError::Killed))
    }

    /// Changes the settings. Environments that were started with others get no event any more.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = lock(&self.shared.settings);
        settings.0 += 1;
        change(&mut settings.1);
        lock(&self.shared.idle).clear();
    }

    /// The events that are worked on at this moment.
    #[must_use]
    pub fn under_way(&self) -> Vec<Bytes> {
        lock(&self.shared.busy).values().map(|busy| busy.event.clone()).collect()
    }

    /// Kills one of the processes that have an event, by its place among them: the event, if there was any.
    #[must_use]
    pub fn kill(&self, place: usize) -> Option<Bytes> {
        let busy = lock(&self.shared.busy);
        let busy = busy.values().nth(place.checked_rem(busy.len())?)?;
        busy.kill.cancel();
        Some(busy.event.clone())
    }

    /// Ends every environment, at once and whatever it does.
    pub fn end(&self) {
        lock(&self.shared.busy).values().for_each(|busy| busy.kill.cancel());
        lock(&self.shared.idle).clear();
    }

    /// What each start of an environment took, in their order.
    #[must_use]
    pub fn initialisations(&self) -> Vec<Initialisation> {
        lock(&self.shared.initialisations).clone()
    }

    /// How many environments were lost: could not start, ended by themselves, or ran out of time. Those killed on request are not counted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// What the function has logged, a line each.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        lock(&self.shared.output).iter().cloned().collect()
    }

    async fn work(self, event: Bytes, answer: oneshot::Sender<Result<Bytes, InvokeError>>, permit: OwnedSemaphorePermit) {
        let (generation, settings) = lock(&self.shared.settings).clone();
        let idle = self.idle(generation);
        let kill = idle.as_ref().map_or_else(CancellationToken::new, Sandbox::kill_switch);
        let seat = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.busy).insert(seat, Busy { event: event.clone(), kill: kill.clone() });
        let sandbox = match idle {
            Some(sandbox) => Ok(sandbox),
            None => self.start(&settings, kill).await,
        };
        let (outcome, loss) = match sandbox {
            Ok(sandbox) => self.serve(generation, &settings, sandbox, event).await,
            Err(error) => (Err(error.clone()), Some(error)),
        };
        if loss.is_some_and(|error| error != InvokeError::Killed) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        lock(&self.shared.busy).remove(&seat);
        drop(permit);
        // Last, so that whoever sends one event after the other meets the same environment. Whoever asked may have gone.
        drop(answer.send(outcome));
    }

    /// The answer, and what the environment was lost to.
    async fn serve(
        &self,
        generation: u64,
        settings: &Settings,
        mut sandbox: Sandbox,
        event: Bytes,
    ) -> (Result<Bytes, InvokeError>, Option<InvokeError>) {
        let deadline = Instant::now() + settings.timeout;
        let outcome = sandbox.invoke(settings, event, deadline).await;
        let rested = match &outcome {
            Ok(_) | Err(InvokeError::Reported(_)) => sandbox.rest(deadline).await,
            Err(error) => Err(error.clone()),
        };
        match rested {
            Ok(()) => {
                lock(&self.shared.idle).push((generation, sandbox));
                (outcome, None)
            }
            Err(error) => {
                sandbox.end().await;
                (outcome, Some(error))
            }
        }
    }

    /// The environment that rested last, as Lambda prefers it, if it is of these settings and alive.
    fn idle(&self, generation: u64) -> Option<Sandbox> {
        let mut idle = lock(&self.shared.idle);
        while let Some((of, mut sandbox)) = idle.pop() {
            if of == generation && sandbox.is_alive() {
                return Some(sandbox);
            }
        }
        None
    }

    async fn start(&self, settings: &Settings, kill: CancellationToken) -> Result<Sandbox, InvokeError> {
        let (sandbox, initialisation) = Sandbox::start(settings, &self.shared.output, kill).await?;
        lock(&self.shared.initialisations).push(initialisation);
        Ok(sandbox)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
