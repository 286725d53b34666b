use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
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
    settings: Mutex<Settings>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    busy: Mutex<Vec<Busy>>,
    initialisations: Mutex<Vec<Initialisation>>,
    output: Output,
}

struct Idle {
    sandbox: Sandbox,
    /// Of which settings it is; those of others are not used again.
    generation: CancellationToken,
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
        let settings = Mutex::new(settings);
        let (idle, busy, initialisations) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { settings, permits, idle, busy, initialisations, output: Arc::new(Mutex::new(VecDeque::new())) }) }
    }

    /// Invokes the function. It goes on even if nobody waits for its answer any more.
    ///
    /// # Errors
    /// [`InvokeError`]: then nobody knows how much of its work it did.
    pub async fn invoke(&self, event: impl Into<Bytes>) -> Result<Bytes, InvokeError> {
        let permit = self.shared.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (sender, answer) = oneshot::channel();
        tokio::spawn(self.clone().work(event.into(), sender, permit));
        answer.await.unwrap_or(Err(InvokeError::Killed))
    }

    async fn work(self, event: Bytes, answer: oneshot::Sender<Result<Bytes, InvokeError>>, permit: OwnedSemaphorePermit) {
        let settings = self.settings();
        let (sandbox, kill) = self.take(&settings, &event).await.unzip_result();
        let mut sandbox = match sandbox {
            Ok(sandbox) => sandbox,
            Err(error) => {
                self.forget(&kill);
                drop(answer.send(Err(error)));
                return;
            }
        };
        let deadline = Instant::now() + settings.timeout;
        let outcome = sandbox.invoke(&settings, event, deadline).await;
        let ended = matches!(outcome, Err(InvokeError::Killed | InvokeError::Exited(_) | InvokeError::TimedOut));
        // Whoever waits may have gone.
        drop(answer.send(outcome));
        let rested = if ended { Err(InvokeError::Killed) } else { sandbox.rest(deadline).await };
        self.forget(&kill);
        match rested {
            Ok(()) => lock(&self.shared.idle).push(Idle { sandbox, generation: kill }),
            Err(_) => sandbox.end().await,
        }
        drop(permit);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
