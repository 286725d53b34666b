//! A world from its first minute to its last.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sim::{AwsSim, Options};
use durable::Engine;
use dynamo::Store;
use dynamo::memory::MemoryTable;
use flows::Deployment;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::chance::{Chance, even, hash};
use crate::clock::VirtualClock;
use crate::code::Code;
use crate::crew::{Crew, Line, Sight, Tools};
use crate::customer::{Customer, EVERYBODY_COMES};
use crate::fate::{Fate, Staff};
use crate::front::{Door, Front};
use crate::ground::Ground;
use crate::item::Item;
use crate::judge::Evidence;
use crate::post::{Post, PostWeather};
use crate::provider::{Provider, ProviderWeather};
use crate::scale::{Conditions, Scale};
use crate::storm::{StoreWeather, Storm};
use crate::tally::{Report, Tally};
use crate::watch::{Watch, Work};

/// Instances that one person may have: the plan's.
const EACH: usize = 10;

/// How long a world may take to come to rest, once nothing goes wrong any more. A message that was hidden shows again five times at most,
/// each time after twelve minutes; an undo has an hour.
const REST: Duration = Duration::from_hours(4);

/// A world in which something was wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub scale: Scale,
    /// What was wrong.
    pub wrong: Vec<String>,
    /// What it came to all the same.
    pub report: Report,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, scale, wrong, .. } = self;
        writeln!(f, "{}", replay_line(*seed, *scale))?;
        for wrong in wrong.iter().take(12) {
            writeln!(f, "  {wrong}")?;
        }
        if wrong.len() > 12 { writeln!(f, "  and {} more", wrong.len() - 12) } else { Ok(()) }
    }
}

/// The line that lets a world live again, alone.
#[must_use]
pub fn replay_line(seed: u64, scale: Scale) -> String {
    format!("replay: cargo run -p simulation -- --seed {seed} {scale}")
}

/// Lets a world live, on this thread and in its own time, and judges it.
///
/// # Errors
/// What was wrong in it.
pub fn live(seed: u64, scale: Scale) -> Result<Report, Box<Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime of one thread");
    // Whatever draws chance by itself (the store between two tries, the AWS SDK) draws it from the seed too.
    fastrand::seed(seed);
    let lived = tokio::task::LocalSet::new().block_on(&runtime, async {
        let world = World::new(seed, scale).await;
        let clock = world.clock;
        let mut count = 0u64;
        domain::testing::identifiers_from(Some(Box::new(move || {
            count += 1;
            identifier(clock.now(), hash(&(seed, count)), count)
        })));
        world.live().await
    });
    domain::testing::identifiers_from(None);
    lived.map_err(|(wrong, report)| Box::new(Failure { seed, scale, wrong, report }))
}

/// A UUID of version 7 (RFC 9562) that sorts after all before it.
fn identifier(now: Timestamp, random: u64, count: u64) -> uuid::Uuid {
    let millis = u64::try_from(now.as_millisecond()).expect("after 1970");
    let counted = u16::try_from(count & 0xfff).expect("twelve bits");
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes(counted, random)).into_uuid()
}

fn bytes(counted: u16, random: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&counted.to_be_bytes());
    bytes[2..].copy_from_slice(&random.to_be_bytes());
    bytes
}

struct World {
    seed: u64,
    conditions: Conditions,
    clock: VirtualClock,
    ends: Timestamp,
    storm: Storm,
    post: Post,
    provider: Provider,
    sight: Sight,
    crew: Arc<Crew>,
    front: Arc<Front>,
    customers: Vec<Arc<Customer>>,
    ground: Ground,
    tally: Arc<Tally>,
}

impl World {
    async fn new(seed: u64, scale: Scale) -> Self {
        let (clock, tally, conditions) = (VirtualClock::start(), Arc::new(Tally::default()), Conditions::of(seed, scale));
        let deployment = Deployment {
            name: "sim".to_owned(),
            address: "https://{app}.fly.test".to_owned(),
            image_repository: "registry.fly.test/rockpool-tenant".to_owned(),
        };
        let storm = Storm::new(seed, clock, StoreWeather::CALM, tally.clone());
        let (ground, store) = if scale.embedded {
            let aws = AwsSim::open(Options::default()).await.expect("memory is always there");
            dynamo::create_table(&aws.dynamodb(), "rockpool").await.expect("a table in memory");
            let weather = storm.clone();
            aws.set_fault(move |call| weather.verdict(call));
            let store = Store::new(aws.dynamodb(), "rockpool", deployment.clone(), Arc::new(clock));
            (Ground::Embedded(aws), store)
        } else {
            let table = MemoryTable::under(Arc::new(storm.clone()), Arc::new(clock));
            (Ground::Memory(table.clone()), Store::in_memory(table, deployment.clone(), Arc::new(clock)))
        };
        storm.set(conditions.store);
        let post = Post::new(seed, conditions.post, tally.clone());
        let hosts = conditions.regions.iter().flat_map(|region| std::iter::repeat_n(*region, conditions.hosts_per_region)).collect();
        let provider = Provider::new(seed, clock, conditions.provider, hosts, tally.clone());
        let sight = Sight {
            provider: provider.clone(),
            clock,
            seed,
            chance_miss: conditions.chance_miss,
            by_chance: Arc::default(),
            blind_until: Arc::default(),
            tally: tally.clone(),
        };
        let ends = clock.epoch() + scale.life();
        let crew = Crew::assemble(Tools {
            seed,
            clock,
            store: store.clone(),
            provider: provider.clone(),
            post: post.clone(),
            sight: sight.clone(),
            deployments: Arc::new(deployments(seed, scale, &conditions, clock)),
            kills: conditions.kills,
            sink_refuses: conditions.sink_refuses,
            tally: tally.clone(),
        });
        let people: Vec<String> = (0..scale.instances.div_ceil(EACH)).map(|person| format!("person-{person}")).collect();
        // It asks for cancels and opens no flow.
        let catalogue =
            Arc::new(Code { flows: Arc::new(flows::Flows::new(provider.world())), knows: 0, began_old: false, tally: tally.clone() });
        let engine = Engine::new(Arc::new(store.clone()), post.line(Line::Flow), Arc::new(clock), catalogue);
        let lost_answers = conditions.lost_answers;
        let front =
            Arc::new(Front::open(Door { seed, clock, store, engine, deployment, people: &people, lost_answers, tally: tally.clone() }));
        let customers = (0..scale.instances).map(|place| {
            let chance = Chance::of(seed, &format!("customer {place}"));
            let preferred = *chance.pick(&conditions.regions);
            let others = conditions.regions.iter().copied().filter(|region| *region != preferred);
            let allowed = chance.below(conditions.regions.len());
            Arc::new(Customer {
                person: people[place / EACH].clone(),
                name: format!("place-{place}"),
                regions: std::iter::once(preferred).chain(others.take(allowed)).collect(),
                front: front.clone(),
                clock,
                chance,
                ends,
                mean: scale.between_wishes(),
                held: Mutex::default(),
                cancelled: Mutex::default(),
                tally: tally.clone(),
            })
        });
        let customers = customers.collect();
        Self { seed, conditions, clock, ends, storm, post, provider, sight, crew, front, customers, ground, tally }
    }

    async fn live(self) -> Result<Report, (Vec<String>, Report)> {
        let fate = Fate {
            clock: self.clock,
            chance: Arc::new(Chance::of(self.seed, "fate")),
            provider: self.provider.clone(),
            storm: self.storm.clone(),
            sight: self.sight.clone(),
            ends: self.ends,
        };
        fate.unleash(&self.conditions);
        let staff = Staff {
            clock: self.clock,
            chance: Chance::of(self.seed, "staff"),
            provider: self.provider.clone(),
            crew: self.crew.clone(),
            ends: self.ends,
        };
        tokio::spawn(staff.serve());
        let mut living: JoinSet<()> = self.customers.iter().cloned().map(|customer| async move { customer.live().await }).collect();
        let mut watch = Watch::new(&self.ground, self.provider.clone(), self.sight.clone(), self.storm.clone(), self.clock);
        let mut wrong = Vec::new();

        while self.clock.now() < self.ends {
            self.minute(&mut watch).await;
        }
        self.calm_down();
        self.come_to_rest(&mut watch, &mut living, &mut wrong).await;
        for customer in &self.customers {
            customer.try_again().await;
        }
        self.come_to_rest(&mut watch, &mut living, &mut wrong).await;
        let held = watch.held.clone();
        wrong.extend(self.judged(&held, false).await);
        wrong.extend(self.healthy_minute().await);

        let mut leaving: JoinSet<()> = self.customers.iter().cloned().map(|customer| async move { customer.leave().await }).collect();
        self.come_to_rest(&mut watch, &mut leaving, &mut wrong).await;
        wrong.extend(self.judged(&held, true).await);
        self.tally.incidents.add(held.len() as u64);
        wrong.extend(watch.complaints);
        wrong.extend(self.front.complaints());
        let report = self.tally.report(watch.longest, watch.longest_operation);
        if wrong.is_empty() { Ok(report) } else { Err((wrong, report)) }
    }

    /// One minute of the schedule: lost, doubled or late now and then, and passed over where it would find nothing.
    async fn minute(&self, watch: &mut Watch) {
        let minute = self.clock.now().as_second().div_euclid(60) + 1;
        let scheduled = Timestamp::from_second(minute * 60).expect("a moment within range");
        self.clock.sleep_until(scheduled).await;
        let mut checks_alone = None;
        match watch.look(minute).await {
            Work::Nothing => {
                self.tally.quiet_minutes.add(1);
                return;
            }
            Work::Checks(shards) => checks_alone = Some(shards),
            Work::Sweep(shards) => {
                let mut expected = self.crew.shards.lock().expect("no holder panics");
                expected.retain(|of, _| *of > minute - 5);
                expected.insert(minute, shards);
            }
        }
        let drawn = hash(&(self.seed, "schedule", minute));
        let even = even(&(self.seed, "schedule", minute));
        let Conditions { lost_minutes, doubled_minutes, .. } = self.conditions;
        let troubled = self.clock.now() < self.ends;
        if troubled && even < lost_minutes {
            return;
        }
        let copies = if troubled && even > 1.0 - doubled_minutes { 2 } else { 1 };
        for copy in 0..copies {
            let (crew, shards) = (self.crew.clone(), checks_alone.clone());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(Duration::from_millis(drawn % 3000) + Duration::from_secs(copy * (drawn % 40))).await;
                match shards {
                    Some(shards) => crew.send_checks(minute, shards).await,
                    None => {
                        crew.sweep(scheduled).await;
                    }
                }
            });
        }
    }

    /// One more sweep with the checks of everybody. It must not write: that is why minutes may be passed over in which nothing is due and
    /// nobody is silent.
    async fn healthy_minute(&self) -> Option<String> {
        let Ground::Memory(table) = &self.ground else { return None };
        let now = self.clock.now();
        let minute = now.as_second().div_euclid(60);
        // Those that the sweep sends are passed over, because they are done here.
        self.crew.shards.lock().expect("no holder panics").insert(minute, BTreeSet::new());
        // Whoever was drawn to miss this minute's check by chance is well all the same.
        self.sight.by_chance.lock().expect("no holder panics").clear();
        let before = table.writes();
        let swept = self.crew.sweep(now).await;
        let checked = self.crew.check_all(minute).await;
        let written = table.writes() - before;
        (written > 0 || checked > 0 || swept.is_none()).then(|| format!("a minute in which all is well wrote {written} items: {swept:?}"))
    }

    /// From now on nothing goes wrong.
    fn calm_down(&self) {
        self.storm.set(StoreWeather::CALM);
        self.post.set(PostWeather::CALM);
        self.provider.set_weather(ProviderWeather::CALM);
        self.crew.calm_down();
        self.front.calm_down();
        *self.sight.blind_until.lock().expect("no holder panics") = None;
    }

    /// Lets minutes pass until everything is done that was begun.
    async fn come_to_rest(&self, watch: &mut Watch, people: &mut JoinSet<()>, wrong: &mut Vec<String>) {
        let latest = self.clock.now() + REST;
        let mut restful = 0;
        while restful < 3 {
            if self.clock.now() > latest {
                wrong.push(format!("it did not come to rest: {} messages are under way; {:?}", self.post.under_way(), self.unrest().await));
                return;
            }
            self.minute(watch).await;
            while people.try_join_next().is_some() {}
            let at_rest = people.is_empty() && self.post.under_way() == 0 && watch.seen.may_be_at_rest() && self.unrest().await.is_empty();
            restful = if at_rest { restful + 1 } else { 0 };
        }
    }

    /// What keeps the world from rest.
    async fn unrest(&self) -> Vec<String> {
        let unrestful = |item: &Item| {
            let sk = crate::item::text(item, "sk").unwrap_or("?");
            let live = item.contains_key("overdue_at") || crate::item::text(item, "phase") == Some("parked");
            let sick = sk.starts_with("INSTANCE#")
                && (crate::item::number(item, "misses") != Some(0) || crate::item::text(item, "state") == Some("degraded"));
            live || sick || sk == "INCIDENT"
        };
        let show = |item: &Item| {
            let shown = ["pk", "sk", "kind", "state", "phase"].map(|name| crate::item::text(item, name).unwrap_or("-"));
            shown.join(" ")
        };
        self.ground.visit(|items| items.iter().filter(|item| unrestful(item)).map(|item| show(item)).collect()).await
    }

    async fn judged(&self, held: &[crate::watch::Held], all_have_left: bool) -> Vec<String> {
        let cancelled: BTreeSet<String> =
            self.customers.iter().flat_map(|customer| customer.cancelled.lock().expect("no holder panics").clone()).collect();
        let now = self.clock.now();
        let judge = |items: &[&Item]| {
            let taken = self.crew.mailbox.taken.lock().expect("no holder panics");
            let sky = self.provider.sky();
            let evidence = Evidence { items, sky: &sky, taken: &taken, cancelled: &cancelled, held, now };
            self.tally.out_of_sight.add(evidence.out_of_sight());
            if !all_have_left {
                return evidence.judge();
            }
            self.tally.operations.add(evidence.operations());
            self.tally.repairs.add(evidence.count_repairs());
            evidence.nothing_is_left()
        };
        self.ground.visit(judge).await
    }
}

/// When new code is deployed: for the first time while most instances are being made.
fn deployments(seed: u64, scale: Scale, conditions: &Conditions, clock: VirtualClock) -> Vec<Timestamp> {
    let chance = Chance::of(seed, "deployments");
    let life = scale.life();
    let within = |place: usize| if place == 0 { life.min(EVERYBODY_COMES) } else { life };
    let moment = |place: usize| clock.epoch() + chance.between(Duration::ZERO, within(place));
    let mut moments: Vec<Timestamp> = (0..conditions.deployments).map(moment).collect();
    moments.sort_unstable();
    moments
}
