//! A provider with regions, hosts and a memory, behind the ports of `flows`.
//!
//! It keeps what it is told to make: volumes may share a name, machines may not, a machine takes time to boot and to drain and stands
//! where its volume is, a gateway answers a while after its machine. A request that was sent has its effect whether or not the one who
//! sent it still lives. Answers are lost, come late, or are a refusal that passes; whatever nobody may ever do is a complaint.

mod calamity;
mod machine;
mod machines;
mod services;
mod sky;
mod volumes;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::Region;
use durable::{Attempt, Setback};
use flows::ports::Placed;
use flows::{TenantKeys, World};
use jiff::Timestamp;

use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::tally::Tally;
pub(crate) use calamity::Calamity;
pub(crate) use machine::{Machine, Sickness};
pub(crate) use sky::Sky;

/// The longest that a call waits for something to become true, and that it hangs on a host that is down.
const LONG_POLL: Duration = Duration::from_secs(20);

/// For how long nobody looks after an ambiguous answer, by the rules of the engine. What has its effect later than that may come when
/// nobody looks any more.
const NOBODY_LOOKS: Duration = Duration::from_secs(2);

/// How often calls go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProviderWeather {
    /// A refusal that passes: nothing happened.
    pub(crate) refused: f64,
    /// A refusal that does not: whoever asks again is another.
    pub(crate) refused_for_good: f64,
    /// Too many requests.
    pub(crate) limited: f64,
    /// It is done, but the answer is lost.
    pub(crate) lost: f64,
    /// It is answered with an error and done later.
    pub(crate) late: f64,
    /// How much later, at most.
    pub(crate) late_by: Duration,
    /// How long a new volume is missing from lists, whatever the weather is later.
    pub(crate) lists_lag: Duration,
    /// A region has no room.
    pub(crate) full: f64,
    /// A boot that comes to nothing.
    pub(crate) broken_boot: f64,
}

impl ProviderWeather {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self {
        refused: 0.0,
        refused_for_good: 0.0,
        limited: 0.0,
        lost: 0.0,
        late: 0.0,
        late_by: Duration::ZERO,
        lists_lag: Duration::ZERO,
        full: 0.0,
        broken_boot: 0.0,
    };
}

/// The provider. Clones are handles of the same one.
#[derive(Clone)]
pub(crate) struct Provider {
    inner: Arc<Inner>,
}

struct Inner {
    clock: VirtualClock,
    chance: Chance,
    weather: Mutex<ProviderWeather>,
    tally: Arc<Tally>,
    sky: Mutex<Sky>,
}

impl Provider {
    pub(crate) fn new(seed: u64, clock: VirtualClock, weather: ProviderWeather, hosts: Vec<Region>, tally: Arc<Tally>) -> Self {
        let hosts = hosts.into_iter().map(|region| sky::Host { region, down_until: None }).collect();
        let sky = Mutex::new(Sky { hosts, lists_lag: weather.lists_lag, ..Sky::default() });
        Self { inner: Arc::new(Inner { clock, chance: Chance::of(seed, "provider"), weather: Mutex::new(weather), tally, sky }) }
    }

    /// The world as flows see it.
    pub(crate) fn world(&self) -> World {
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

    /// Everything that exists.
    pub(crate) fn sky(&self) -> MutexGuard<'_, Sky> {
        self.inner.sky.lock().expect("no holder panics")
    }

    /// From now on it is like this.
    pub(crate) fn set_weather(&self, weather: ProviderWeather) {
        *self.inner.weather.lock().expect("no holder panics") = weather;
    }

    /// Whether the gateway at an address answers now.
    pub(crate) fn answers(&self, address: &str) -> bool {
        app_at(address).is_some_and(|app| self.sky().answers(app, self.inner.clock.now()))
    }

    /// How long a long poll for something that becomes true at this moment takes.
    fn until(&self, at: Option<Timestamp>) -> Duration {
        let left = at.map_or(LONG_POLL, |at| Duration::try_from(at.duration_since(self.inner.clock.now())).unwrap_or_default());
        left.min(LONG_POLL)
    }

    /// One call: it travels, waits, and has its effect, whoever still waits for its answer.
    async fn call<T, F>(&self, app: &str, wait: Duration, apply: F) -> Attempt<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Sky, Timestamp) -> Attempt<T> + Send + 'static,
    {
        let Inner { chance, tally, .. } = &*self.inner;
        let weather = *self.inner.weather.lock().expect("no holder panics");
        tally.provider_calls.add(1);
        let travel = chance.between(Duration::from_millis(40), Duration::from_millis(400));
        if chance.happens(weather.limited) {
            tally.faults.add(1);
            tokio::time::sleep(travel).await;
            return Err(Setback::not_yet(1 + chance.below(4) as u64, "too many requests"));
        }
        if chance.happens(weather.refused) {
            tally.faults.add(1);
            tokio::time::sleep(travel).await;
            return Err(Setback::retry("503 from the provider"));
        }
        if chance.happens(weather.refused_for_good) {
            tally.faults.add(1);
            tokio::time::sleep(travel).await;
            return Err(Setback::fatal("422 from the provider"));
        }
        let late = chance.happens(weather.late).then(|| chance.between(Duration::from_millis(100), weather.late_by));
        let caller = Caller { left_at: Arc::default(), clock: self.inner.clock };
        let left_at = caller.left_at.clone();
        let effect = tokio::spawn(self.clone().effect(app.to_owned(), travel + wait + late.unwrap_or_default(), left_at, apply));
        if late.is_some() {
            tally.faults.add(1);
            tokio::time::sleep(travel + wait).await;
            return Err(Setback::retry("504 from the provider"));
        }
        let answer = effect.await.unwrap_or_else(|_| Err(Setback::retry("the provider ended")));
        if chance.happens(weather.lost) {
            tally.faults.add(1);
            return Err(Setback::retry("the connection broke"));
        }
        answer
    }

    async fn effect<T>(
        self,
        app: String,
        after: Duration,
        left_at: Arc<Mutex<Option<Timestamp>>>,
        apply: impl FnOnce(&mut Sky, Timestamp) -> Attempt<T> + Send,
    ) -> Attempt<T> {
        tokio::time::sleep(after).await;
        let now = self.inner.clock.now();
        let left_at = *left_at.lock().expect("no holder panics");
        let is_unseen = left_at.is_some_and(|left_at| now > left_at + NOBODY_LOOKS);
        let mut sky = self.sky();
        sky.pass(&app, now);
        sky.is_unseen = is_unseen;
        apply(&mut sky, now)
    }

    /// Whether a boot that is asked for now comes to nothing.
    fn boots_in_vain(&self) -> bool {
        let broken = self.inner.weather.lock().expect("no holder panics").broken_boot;
        self.inner.chance.happens(broken)
    }

    /// Where something new can stand in a region, if there is room.
    fn room(&self, region: Region) -> Placed<usize> {
        let Inner { chance, clock, .. } = &*self.inner;
        let weather = *self.inner.weather.lock().expect("no holder panics");
        let sky = self.sky();
        let up: Vec<usize> =
            (0..sky.hosts.len()).filter(|host| sky.hosts[*host].region == region && sky.is_up(*host, clock.now())).collect();
        if up.is_empty() || chance.happens(weather.full) { Placed::Full } else { Placed::At(*chance.pick(&up)) }
    }
}

/// The app behind an address.
pub(crate) fn app_at(address: &str) -> Option<&str> {
    address.strip_prefix("https://")?.split('.').next()
}

/// Whoever waits for an answer, until he has it, gives up, or dies.
struct Caller {
    left_at: Arc<Mutex<Option<Timestamp>>>,
    clock: VirtualClock,
}

impl Drop for Caller {
    fn drop(&mut self) {
        *self.left_at.lock().expect("no holder panics") = Some(self.clock.now());
    }
}
