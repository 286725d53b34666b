//! The workers, as AWS Lambda runs them: each invocation has its time-out, and any may be ended in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::Notice;
use durable::{Clock, Driven, Engine, Timing};
use dynamo::Store;
use flow_runner::FlowRunner;
use flows::Flows;
use flows::health::ShardCheck;
use health_checker::{Ask, HealthChecker, Seen};
use jiff::Timestamp;
use notifier::{Notifier, Sink, SinkError};
use sweep::{Minute, Sweep};

use crate::chance::{Chance, even, hash};
use crate::clock::VirtualClock;
use crate::code::{Code, Dated};
use crate::post::Post;
use crate::provider::{Provider, app_at};
use crate::tally::Tally;

/// A queue with the function behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Flow,
    Health,
    Notice,
}

impl Line {
    /// The function's time-out.
    const fn timeout(self) -> Duration {
        match self {
            Self::Flow => Timing::DEFAULT.invocation,
            Self::Health | Self::Notice => Duration::from_secs(30),
        }
    }

    /// How long a message that was delivered is hidden.
    pub(crate) const fn visibility(self) -> Duration {
        match self {
            Self::Flow => Timing::DEFAULT.visibility,
            Self::Health | Self::Notice => Duration::from_secs(180),
        }
    }

    /// How often a message is delivered before it is a dead letter.
    pub(crate) const fn receives(self) -> u32 {
        match self {
            Self::Flow => 5,
            Self::Health => 2,
            Self::Notice => 10,
        }
    }
}

/// What the checker sees by.
#[derive(Clone)]
pub(crate) struct Sight {
    pub(crate) provider: Provider,
    pub(crate) clock: VirtualClock,
    pub(crate) seed: u64,
    /// How often a single check misses by chance.
    pub(crate) chance_miss: f64,
    /// Who misses by chance in a minute.
    pub(crate) by_chance: Arc<Mutex<BTreeMap<String, i64>>>,
    /// We ourselves see nothing until then.
    pub(crate) blind_until: Arc<Mutex<Option<Timestamp>>>,
    pub(crate) tally: Arc<Tally>,
}

impl Sight {
    pub(crate) fn is_blind(&self) -> bool {
        self.blind_until.lock().expect("no holder panics").is_some_and(|until| until > self.clock.now())
    }

    /// Decides who misses by chance in a minute, of so many.
    pub(crate) fn places_of_chance(&self, minute: i64, fleet: usize) -> impl Iterator<Item = usize> + use<> {
        let drawn = |turn: u32, what: &str| even(&(self.seed, minute, turn, what));
        // Often enough that three within a minute are beyond belief, and few numbers to draw.
        let expected = self.chance_miss * fleet as f64;
        let places = (0..3).filter(move |turn| drawn(*turn, "whether") < expected / 3.0);
        places.map(move |turn| (drawn(turn, "who") * fleet as f64) as usize).collect::<Vec<_>>().into_iter()
    }

    /// Lets a check of this minute miss, unless one of the last minutes did: what misses twice in a row is no chance.
    pub(crate) fn misses_by_chance(&self, app: &str, minute: i64) {
        let mut missed = self.by_chance.lock().expect("no holder panics");
        missed.retain(|_, at| *at > minute - 5);
        missed.entry(app.to_owned()).or_insert(minute);
    }
}

impl Ask for Sight {
    async fn ask(&self, address: &str) -> Seen {
        let minute = self.clock.now().as_second().div_euclid(60);
        tokio::time::sleep(Duration::from_millis(20 + hash(&(address, minute)) % 80)).await;
        self.tally.checks.add(1);
        if self.is_blind() {
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Seen::Missed("no answer in 5s".to_owned());
        }
        let answers = self.provider.answers(address);
        let by_chance = || self.by_chance.lock().expect("no holder panics").get(app_at(address).unwrap_or_default()) == Some(&minute);
        if answers && by_chance() {
            self.tally.chance_misses.add(1);
            return Seen::Missed("the connection broke".to_owned());
        }
        if answers { Seen::Well } else { Seen::Missed("the gateway is starting".to_owned()) }
    }
}

/// Takes notices, and repeats of them, and refuses now and then.
pub(crate) struct Mailbox {
    chance: Chance,
    pub(crate) refuses: Mutex<f64>,
    pub(crate) taken: Mutex<BTreeMap<String, Notice>>,
    tally: Arc<Tally>,
}

#[async_trait]
impl Sink for Mailbox {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        tokio::time::sleep(self.chance.between(Duration::from_millis(5), Duration::from_millis(90))).await;
        if self.chance.happens(*self.refuses.lock().expect("no holder panics")) {
            return Err(SinkError("it answered 503".to_owned()));
        }
        self.tally.notices.add(1);
        self.taken.lock().expect("no holder panics").insert(notice.id.clone(), notice.clone());
        Ok(())
    }
}

/// Everybody who works.
pub(crate) struct Crew {
    clock: VirtualClock,
    chance: Chance,
    kills: Mutex<f64>,
    /// One for each version of the code.
    runners: Vec<FlowRunner>,
    deployments: Arc<Vec<Timestamp>>,
    checker: HealthChecker<Sight>,
    notifier: Notifier,
    pub(crate) mailbox: Arc<Mailbox>,
    sweep: Sweep,
    /// Which shards have something new to see in a minute; the checks of the others are passed over.
    pub(crate) shards: Mutex<BTreeMap<i64, BTreeSet<u32>>>,
    pub(crate) tally: Arc<Tally>,
}

/// What a crew is made of.
pub(crate) struct Tools {
    pub(crate) seed: u64,
    pub(crate) clock: VirtualClock,
    pub(crate) store: Store,
    pub(crate) provider: Provider,
    pub(crate) post: Post,
    pub(crate) sight: Sight,
    pub(crate) deployments: Arc<Vec<Timestamp>>,
    pub(crate) kills: f64,
    pub(crate) sink_refuses: f64,
    pub(crate) tally: Arc<Tally>,
}

/// For how long old code runs beside new code.
const SIDE_BY_SIDE: Duration = Duration::from_secs(20 * 60);

impl Crew {
    pub(crate) fn assemble(tools: Tools) -> Arc<Self> {
        let Tools { seed, clock, store, provider, post, sight, deployments, kills, sink_refuses, tally } = tools;
        let time: Arc<dyn Clock> = Arc::new(clock);
        let flows = Arc::new(Flows::new(provider.world()));
        let journal = Arc::new(Dated { store: store.clone(), deployments: deployments.clone() });
        let (began_old, counted) = (!deployments.is_empty(), tally.clone());
        let engine = |knows: u32| {
            let catalogue = Arc::new(Code { flows: flows.clone(), knows, began_old, tally: counted.clone() });
            Engine::new(journal.clone(), post.line(Line::Flow), time.clone(), catalogue)
        };
        let versions = u32::try_from(deployments.len()).expect("a few deployments") + 1;
        let runners = (1..=versions).map(|knows| FlowRunner { engine: engine(knows), notices: post.line(Line::Notice) }).collect();
        let mailbox = Arc::new(Mailbox {
            chance: Chance::of(seed, "mailbox"),
            refuses: Mutex::new(sink_refuses),
            taken: Mutex::default(),
            tally: tally.clone(),
        });
        let crew = Arc::new(Self {
            clock,
            chance: Chance::of(seed, "crew"),
            kills: Mutex::new(kills),
            runners,
            deployments,
            checker: HealthChecker { store: store.clone(), probe: sight, clock: time.clone() },
            notifier: Notifier { store: store.clone(), sink: mailbox.clone() },
            mailbox,
            sweep: Sweep { store, engine: engine(0), health: post.line(Line::Health), notices: post.line(Line::Notice) },
            shards: Mutex::default(),
            tally,
        });
        post.employ(&crew);
        crew
    }

    /// Nobody is ended in the middle of anything any more, and whoever takes notices takes them.
    pub(crate) fn calm_down(&self) {
        *self.kills.lock().expect("no holder panics") = 0.0;
        *self.mailbox.refuses.lock().expect("no holder panics") = 0.0;
    }

    /// Handles a message within the function's time-out, unless the worker is ended before. Whether it was handled.
    pub(crate) async fn invoke(&self, line: Line, body: &str) -> bool {
        let killed = self.chance.happens(*self.kills.lock().expect("no holder panics"));
        let patience = if killed { self.chance.after(Duration::from_secs(5)).min(line.timeout()) } else { line.timeout() };
        let handled = match line {
            Line::Flow => tokio::time::timeout(patience, self.run(body)).await,
            Line::Health => tokio::time::timeout(patience, self.check(body)).await,
            Line::Notice => tokio::time::timeout(patience, self.notify(body)).await,
        };
        self.tally.kills.add(u64::from(killed && handled.is_err()));
        handled.unwrap_or(false)
    }

    async fn run(&self, body: &str) -> bool {
        let now = self.clock.now();
        let begun = self.deployments.iter().filter(|began| **began <= now).count();
        let is_new = self.deployments.iter().any(|began| *began <= now && now < *began + SIDE_BY_SIDE);
        let runner = if is_new && self.chance.happens(0.5) { begun - 1 } else { begun };
        match self.runners[runner].handle(body, now + Timing::DEFAULT.invocation).await {
            Ok(driven) => {
                self.tally.left_for_newer_code.add(u64::from(driven == Driven::UnknownVersion));
                true
            }
            Err(_) => false,
        }
    }

    async fn check(&self, body: &str) -> bool {
        let ShardCheck { shard, minute } = serde_json::from_str(body).expect("the sweep sends shards");
        let is_quiet = self.shards.lock().expect("no holder panics").get(&minute).is_some_and(|shards| !shards.contains(&shard));
        is_quiet || self.checker.handle(body).await.is_ok()
    }

    async fn notify(&self, body: &str) -> bool {
        self.notifier.handle(body).await.is_ok()
    }

    /// One sweep for this minute.
    pub(crate) async fn sweep(&self, scheduled: Timestamp) -> Option<Minute> {
        self.tally.sweeps.add(1);
        let killed = self.chance.happens(*self.kills.lock().expect("no holder panics"));
        let patience = if killed { self.chance.after(Duration::from_secs(1)) } else { Duration::from_secs(60) };
        let swept = tokio::time::timeout(patience, self.sweep.minute(scheduled)).await;
        self.tally.kills.add(u64::from(killed && swept.is_err()));
        swept.ok()?.ok()
    }

    /// What a sweep does that finds nothing else: the checks of these shards.
    pub(crate) async fn send_checks(&self, minute: i64, shards: BTreeSet<u32>) {
        for shard in shards {
            let check = serde_json::to_string(&ShardCheck { shard, minute }).expect("two numbers");
            if self.sweep.health.send(&check).await.is_err() {
                // As the sweep does: the next minute makes up for it.
                continue;
            }
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.sweep.engine
    }

    pub(crate) fn store(&self) -> &Store {
        &self.sweep.store
    }

    /// Checks everybody, in shards of which nothing is expected too. What was written.
    pub(crate) async fn check_all(&self, minute: i64) -> usize {
        let mut written = 0;
        for shard in 0..Store::FLEET_SHARDS {
            let check = serde_json::to_string(&ShardCheck { shard, minute }).expect("two numbers");
            written += self.checker.handle(&check).await.map_or(1, |checked| checked.written);
        }
        written
    }
}
