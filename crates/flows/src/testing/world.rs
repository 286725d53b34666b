use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable::testing::Stage;
use durable::{Attempt, Clock, Setback};
use jiff::Timestamp;

use crate::testing::{Conditions, Provider};
use crate::world::{TenantKeys, World};

/// What happens elsewhere while a flow is at work.
pub type Hook = Box<dyn FnOnce() + Send>;

/// A world in memory, behind every port of this crate. Clones are handles of the same world.
#[derive(Clone)]
pub struct FakeWorld {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    stage: Option<Arc<Stage>>,
    provider: Mutex<Provider>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    names: Vec<String>,
    hook: Option<(usize, Hook)>,
}

impl FakeWorld {
    /// An empty world in which every call is a point of the stage.
    #[must_use]
    pub fn on(stage: &Arc<Stage>, conditions: Conditions) -> Self {
        Self::found(stage, Provider { conditions, ..Provider::default() })
    }

    /// A world in which this exists already, and every call is a point of the stage.
    #[must_use]
    pub fn found(stage: &Arc<Stage>, provider: Provider) -> Self {
        Self::with(Arc::new(stage.clock().clone()), Some(stage.clone()), provider)
    }

    /// A world in which nothing goes wrong from here on, beyond its own conditions.
    #[must_use]
    pub fn calm(clock: Arc<dyn Clock>, provider: Provider) -> Self {
        Self::with(clock, None, provider)
    }

    fn with(clock: Arc<dyn Clock>, stage: Option<Arc<Stage>>, provider: Provider) -> Self {
        Self { inner: Arc::new(Inner { clock, stage, provider: Mutex::new(provider), calls: Mutex::default() }) }
    }

    /// The world as flows see it.
    #[must_use]
    pub fn world(&self) -> World {
        let here = Arc::new(self.clone());
        World {
            apps: here.clone(),
            volumes: here.clone(),
            machines: here.clone(),
            gateways: here.clone(),
            vault: here.clone(),
            alarms: here,
            keys: TenantKeys { access: r#"{"keys":[]}"#.to_owned(), control: r#"{"keys":[]}"#.to_owned() },
        }
    }

    /// Everything that exists, to look at or to change behind the flows' back.
    ///
    /// # Panics
    /// If another holder panicked.
    pub fn provider(&self) -> MutexGuard<'_, Provider> {
        self.inner.provider.lock().expect("no holder panics")
    }

    /// The names of all calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.inner.calls.lock().expect("no holder panics").names.clone()
    }

    /// Lets something happen just before the call of this place, counted from nought.
    pub fn at_call(&self, place: usize, hook: impl FnOnce() + Send + 'static) {
        self.inner.calls.lock().expect("no holder panics").hook = Some((place, Box::new(hook)));
    }

    /// The present moment there.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// One call: it arrives, takes its time, and has its effect if the stage lets it.
    pub(super) async fn call<T, F>(&self, name: String, wait: Duration, apply: F) -> Attempt<T>
    where
        T: Send,
        F: FnOnce(&mut Provider, Timestamp) -> Attempt<T> + Send + 'static,
    {
        self.arrive(&name)?;
        let latency = self.provider().conditions.latency;
        self.inner.clock.sleep(latency + wait).await;
        let here = self.clone();
        let apply = move || {
            let now = here.now();
            let mut provider = here.provider();
            provider.pass(now);
            apply(&mut provider, now)
        };
        match &self.inner.stage {
            Some(stage) => stage.effect(&name, apply).await,
            None => apply(),
        }
    }

    fn arrive(&self, name: &str) -> Attempt<()> {
        let mut calls = self.inner.calls.lock().expect("no holder panics");
        let place = calls.names.len();
        let hook = calls.hook.take_if(|(at, _)| *at == place);
        calls.names.push(name.to_owned());
        drop(calls);
        if let Some((_, hook)) = hook {
            hook();
        }
        match self.provider().conditions.not_yet.get_mut(name) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Setback::not_yet(1, format!("{name} is not yet possible")))
            }
            _ => Ok(()),
        }
    }
}
