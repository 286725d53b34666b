use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::chain::Chain;
use crate::metrics::measure;
use crate::repeats::lasting;
use crate::settings::SettingsError;

/// Why something could not be put together.
pub type AssemblyError = Box<dyn std::error::Error + Send + Sync>;

/// The work of putting something together.
pub type Assembling<T> = Pin<Box<dyn Future<Output = Result<T, AssemblyError>> + Send>>;

/// Whatever was put together longer ago than this is put together again, so that a secret that was rotated arrives.
const FRESH: Duration = Duration::from_mins(15);

/// Between two attempts: a queue full of messages does not become a storm on the service that has the trouble.
const PAUSE: Duration = Duration::from_secs(1);

/// What a function works with: clients, and the secrets that they need, put together when an invocation first wants them.
///
/// Not before, because a start should cost what the program costs and no more; and not only once, because a function that gave up at its
/// start would be started again by every event and answer none. While a setting is missing or a secret cannot be read, each invocation
/// is refused, the reason is logged once, and the first one after the cause is gone finds all in order. What was put together is kept
/// for 15 minutes, and longer as long as it cannot be renewed.
pub struct Assembly<T> {
    assemble: Box<dyn Fn() -> Assembling<T> + Send + Sync>,
    bench: Mutex<Bench<T>>,
}

struct Bench<T> {
    whole: Option<(Arc<T>, Instant)>,
    trouble: Option<(NotReady, Instant)>,
}

/// The function cannot work at the moment; the reason has been logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the function is not ready: {0}")]
pub struct NotReady(String);

impl<T: Send + 'static> Assembly<T> {
    /// Something to be put together from these settings. If they are incomplete, that is said to every invocation, and logged once.
    pub fn new<S>(settings: Result<S, SettingsError>, assemble: impl Fn(S) -> Assembling<T> + Send + Sync + 'static) -> Self
    where
        S: Clone + Send + Sync + 'static,
    {
        let assemble = move || match &settings {
            Ok(settings) => assemble(settings.clone()),
            Err(error) => {
                let error = error.clone();
                Box::pin(std::future::ready(Err(error.into())))
            }
        };
        Self { assemble: Box::new(assemble), bench: Mutex::new(Bench { whole: None, trouble: None }) }
    }

    /// What was put together, or is now.
    ///
    /// # Errors
    /// [`NotReady`] if it cannot be put together yet.
    pub async fn get(&self) -> Result<Arc<T>, NotReady> {
        let whole = self.renewed().await;
        if whole.is_err() {
            measure(&[("InvocationsRefused", 1)]);
        }
        whole
    }

    async fn renewed(&self) -> Result<Arc<T>, NotReady> {
        let mut bench = self.bench.lock().await;
        if let Some((whole, since)) = &bench.whole
            && (since.elapsed() < FRESH || bench.trouble.as_ref().is_some_and(|(_, at)| at.elapsed() < PAUSE))
        {
            return Ok(whole.clone());
        }
        if let (None, Some((trouble, at))) = (&bench.whole, &bench.trouble)
            && at.elapsed() < PAUSE
        {
            return Err(trouble.clone());
        }
        match (self.assemble)().await {
            Ok(whole) => {
                let whole = Arc::new(whole);
                if bench.trouble.take().is_some() {
                    tracing::info!("the function is ready again");
                }
                bench.whole = Some((whole.clone(), Instant::now()));
                Ok(whole)
            }
            Err(error) => {
                let why = Chain(&*error).to_string();
                let known = bench.trouble.as_ref().is_some_and(|(trouble, _)| lasting(&trouble.0) == lasting(&why));
                let trouble = if known { NotReady(why) } else { refused(&*error) };
                bench.trouble = Some((trouble.clone(), Instant::now()));
                // What there is still works: it may only be about to be rotated out.
                bench.whole.as_ref().map_or(Err(trouble), |(whole, _)| Ok(whole.clone()))
            }
        }
    }
}

fn refused(error: &(dyn std::error::Error + 'static)) -> NotReady {
    let why = Chain(error).to_string();
    tracing::error!(error = why, "the function is not ready");
    NotReady(why)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::settings::read_settings;

    struct Made(usize);

    /// Fails while the count of its attempts is among these.
    fn failing_at(failing: &'static [usize]) -> (Assembly<Made>, Arc<AtomicUsize>) {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = attempts.clone();
        let assembly = Assembly::new(Ok(()), move |()| {
            let attempt = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let made = if failing.contains(&attempt) { Err("no secret".into()) } else { Ok(Made(attempt)) };
            Box::pin(std::future::ready(made))
        });
        (assembly, attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_put_together_before_it_is_wanted_and_then_once() {
        let (assembly, attempts) = failing_at(&[]);
        assert_eq!(attempts.load(Ordering::SeqCst), 0);
        for _ in 0..3 {
            assert_eq!(assembly.get().await.unwrap().0, 1);
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_recovers_when_the_cause_is_gone_and_asks_at_most_once_a_second() {
        let (assembly, attempts) = failing_at(&[1, 2]);
        for _ in 0..5 {
            assert_eq!(assembly.get().await.err(), Some(NotReady("no secret".to_owned())));
        }
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
        tokio::time::advance(PAUSE).await;
        assert!(assembly.get().await.is_err());
        tokio::time::advance(PAUSE).await;
        assert_eq!(assembly.get().await.unwrap().0, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_is_renewed_and_serves_on_where_it_cannot_be() {
        let (assembly, attempts) = failing_at(&[2]);
        assert_eq!(assembly.get().await.unwrap().0, 1);
        tokio::time::advance(FRESH).await;
        assert_eq!(assembly.get().await.unwrap().0, 1, "its renewal fails");
        assert_eq!(assembly.get().await.unwrap().0, 1);
        assert_eq!(attempts.load(Ordering::SeqCst), 2, "and is not tried again at once");
        tokio::time::advance(PAUSE).await;
        assert_eq!(assembly.get().await.unwrap().0, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn incomplete_settings_are_named_at_every_invocation() {
        let settings = read_settings(&|_| None, |reader| reader.text("ROCKPOOL_TABLE"));
        let assembly = Assembly::<Made>::new(settings, |_| panic!("nothing can be made of these"));
        for _ in 0..2 {
            let error = assembly.get().await.err().unwrap();
            assert!(error.to_string().contains("ROCKPOOL_TABLE is not set"), "{error}");
            tokio::time::advance(PAUSE).await;
        }
    }
}
