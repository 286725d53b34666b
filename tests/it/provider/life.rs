use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Instance, InstanceId, OrganisationId, RestartScope, State, Verb};
use durable::{Attempt, Clock, Driven, Engine, Outcome, Phase, Record, RunId, Setback, Timing, Wake, WakeError};
use dynamo::memory::MemoryTable;
use dynamo::{AskError, Store};
use flow_runner::FlowRunner;
use flows::ports::{Gateways, Queue, QueueError};
use flows::testing::{FakeWorld, Provider};
use flows::{Ask, Flows, World};
use fly::{Client, Settings};
use fly_sim::{HostLatencies, MachineState, Options, Simulator, VirtualHost};
use http::Method;
use jiff::SignedDuration;
use tokio::time::timeout;

use super::door::Door;
use super::mishap::Mishaps;
use crate::support::{Seeding, VirtualClock};

/// Longer than any deadline of a flow.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3);

/// Until whatever is under way at the provider has happened.
const A_WHILE: Duration = Duration::from_secs(60);

/// How long a supervisor is asked before it is said not to be ready.
const LONG_POLL: Duration = Duration::from_secs(20);

/// What is on the volume.
const MEMORY: &str = "what its owner told it";

const TOKEN: &str = "a-token-of-the-provider";

/// What is asked of an instance that was made, one after the other.
const DAY: [Ask; 3] = [Ask { verb: Verb::Restart, scope: RestartScope::Machine }, Ask::new(Verb::Stop), Ask::new(Verb::Start)];

/// An instance's whole life on virtual time: flows and the store are real, the client is, and Fly.io is simulated behind a socket.
pub(super) struct Life {
    clock: VirtualClock,
    store: Store,
    engine: Engine,
    runner: FlowRunner,
    fly: Simulator,
    host: Arc<VirtualHost>,
    door: Arc<Door>,
    supervisors: Supervisors,
    /// The vault and whom an alarm reaches.
    services: FakeWorld,
    organisation: OrganisationId,
    id: InstanceId,
}

impl Life {
    /// Lives it, and returns every call that the provider got.
    ///
    /// # Errors
    /// What was not as it must be.
    pub(super) fn live(mishaps: &Mishaps) -> Result<Vec<(Method, String)>, String> {
        fastrand::seed(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let (life, run) = Self::begin(mishaps.clone(), folder.path()).await;
            life.go_on(run).await?;
            Ok(life.door.calls())
        })
    }

    async fn begin(mishaps: Mishaps, folder: &Path) -> (Self, RunId) {
        let clock = VirtualClock::start();
        let time: Arc<dyn Clock> = Arc::new(clock);
        let seconds = Duration::from_secs;
        let latencies = HostLatencies { boot: seconds(3), stop: seconds(2), destroy: seconds(1), ..HostLatencies::default() };
        let host = Arc::new(VirtualHost::new(latencies));
        let mut options = Options {
            host: host.clone(),
            token: Some(TOKEN.to_owned()),
            organisation: "acme".to_owned(),
            rate_limits: true,
            seed: Some(1),
            ..Options::virtual_machines()
        };
        options.latencies.prepare = seconds(5);
        options.latencies.list_lag = seconds(1);
        options.latencies.destroyed_lag = seconds(1);
        let fly = Simulator::open(options).await.unwrap();
        let socket = folder.join("fly.sock");
        let door = Door::open(fly.clone(), mishaps, &socket);
        let transport = transport(&socket);
        let client = Client::new(Settings::new("http://fly.test".parse().unwrap(), TOKEN.into()), transport).unwrap();
        let provider = Arc::new(fly::Provider::new(client, "acme"));
        let supervisors = Supervisors { fly: fly.clone(), host: host.clone(), well_after: Arc::default() };
        let services = FakeWorld::calm(time.clone(), Provider::default());
        let world = World {
            apps: provider.clone(),
            volumes: provider.clone(),
            machines: provider,
            gateways: Arc::new(supervisors.clone()),
            ..services.world()
        };
        let deployment = flows::testing::sample::deployment();
        let store = Store::in_memory(MemoryTable::new(time.clone()), deployment.clone(), time.clone());
        let engine = Engine::new(Arc::new(store.clone()), Arc::new(Nobody), time, Arc::new(Flows::new(world)));
        let runner = FlowRunner { engine: engine.clone(), notices: Arc::new(Nobody) };
        let seeding = Seeding { store: &store, deployment: &deployment, now: clock.now() };
        let ordered = seeding.ordered(InstanceId::generate(), OrganisationId::generate(), "fra");
        let (instance, run) = seeding.provisioning(ordered).await;
        let (organisation, id) = (instance.organisation, instance.id);
        (Self { clock, store, engine, runner, fly, host, door, supervisors, services, organisation, id }, run)
    }

    async fn go_on(&self, run: RunId) -> Result<(), String> {
        self.work_on("provision", run).await?;
        if let Some(volume) = self.volume() {
            self.host.write(&volume, MEMORY);
        }
        for ask in DAY {
            self.ask(ask).await?;
        }
        self.fall_ill().await?;
        if let Some(volume) = self.volume() {
            let found = self.host.contents(&volume);
            demand(found.as_deref() == Some(MEMORY), || format!("its volume {volume} holds {found:?}"))?;
        }
        self.ask(Ask::new(Verb::Delete)).await?;
        match self.instance().await {
            Some(instance) => Err(format!("it was deleted and is {}", instance.state)),
            None => self.nothing_is_left(),
        }
    }

    /// Asks something and works until it is done. What was cancelled before may leave nothing to do.
    async fn ask(&self, ask: Ask) -> Result<(), String> {
        let asked = match self.store.ask(&self.organisation, &self.id, ask, None).await {
            Ok(asked) => asked,
            Err(AskError::Forbidden { .. }) if self.door.cancels() > 0 => return Ok(()),
            Err(error) => return Err(format!("{:?}: {error:?}", ask.verb)),
        };
        match asked.record.filter(|_| asked.started) {
            Some(record) => self.work_on(ask.verb.as_str(), record.id).await,
            None => Ok(()),
        }
    }

    /// Its gateway does not answer until its machine has booted anew, and it is repaired.
    async fn fall_ill(&self) -> Result<(), String> {
        if self.instance().await.is_none_or(|instance| instance.state != State::Running) {
            return Ok(());
        }
        self.supervisors.well_after.store(self.host.boots().len(), Ordering::Relaxed);
        for shard in 0..Store::FLEET_SHARDS {
            for target in self.store.fleet(shard).await.unwrap() {
                let minute = self.clock.now().as_second() / 60;
                for minute in minute - i64::from(flows::health::SUSPECT_AFTER)..minute {
                    self.store.record_miss(&target, minute, "it does not answer").await.unwrap();
                }
            }
        }
        let repair = self.store.start_repair(&self.organisation, &self.id).await.unwrap().ok_or("nobody repairs it")?;
        self.work_on("repair", repair.id).await
    }

    /// Works on a run and those that follow it, and looks at what is there then.
    async fn work_on(&self, what: &str, run: RunId) -> Result<(), String> {
        let cancels = self.door.cancels();
        let record = self.drive(run).await.map_err(|error| format!("{what}: {error}"))?;
        let cancelled = self.door.cancels() > cancels;
        match &record.phase {
            Phase::Done { outcome: Outcome::Succeeded } if !cancelled => {}
            Phase::Done { outcome: Outcome::Cancelled } if cancelled => {}
            phase => return Err(format!("{what} is {phase:?}, and a cancel was accepted: {cancelled}")),
        }
        tokio::time::sleep(A_WHILE).await;
        let Some(instance) = self.instance().await else { return Ok(()) };
        let looked = match instance.state {
            State::Failed => self.nothing_is_left(),
            State::Running | State::Stopped => self.one_of_everything(&instance),
            state => Err(format!("it rests {state}")),
        };
        looked.map_err(|wrong| format!("after {what}: {wrong}"))
    }

    async fn drive(&self, mut run: RunId) -> Result<Record, String> {
        let begun = self.clock.now();
        loop {
            self.door.under_way(self.engine.clone(), run.clone());
            let deadline = self.clock.now() + Timing::DEFAULT.invocation;
            let driven = tokio::select! {
                biased;
                driven = self.runner.handle(&run.0, deadline) => Some(driven.map_err(|error| error.to_string())?),
                () = self.door.crash.notified() => None,
            };
            match driven {
                Some(Driven::Paused { until }) => {
                    let left = until.duration_since(self.clock.now());
                    tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
                }
                Some(Driven::Ended { follow_up: Some(next), .. }) => run = next,
                Some(Driven::Ended { .. } | Driven::Parked { .. }) => return Ok(self.record(&run).await),
                // Nobody has it until the lease of the worker that ended has run out.
                None | Some(Driven::NotMine) => tokio::time::sleep(Timing::DEFAULT.lease).await,
                Some(other) => return Err(format!("{other:?}")),
            }
            if self.clock.now().duration_since(begun) > PATIENCE {
                return Err(format!("it is stuck: {:?}", self.record(&run).await));
            }
        }
    }

    async fn record(&self, run: &RunId) -> Record {
        let (organisation, operation) = flows::parse_run_id(run).unwrap();
        self.store.operation(&organisation, &operation).await.unwrap().expect("it is there")
    }

    async fn instance(&self) -> Option<Instance> {
        self.store.instance(&self.organisation, &self.id).await.unwrap()
    }

    /// The volume of its machine.
    fn volume(&self) -> Option<String> {
        let machine = self.fly.machine_for_app(&flows::testing::sample::deployment().app(&self.id))?;
        machine.config["mounts"][0]["volume"].as_str().map(str::to_owned)
    }

    fn nothing_is_left(&self) -> Result<(), String> {
        let (there, secrets) = (self.fly.inventory(), self.services.provider().leftovers());
        let runs = self.host.running();
        let empty = there.is_empty() && runs.is_empty() && secrets.is_empty();
        demand(empty, || format!("{there:?} and {secrets:?} are left, and {runs:?} run"))
    }

    fn one_of_everything(&self, instance: &Instance) -> Result<(), String> {
        let (there, secrets) = (self.fly.inventory(), self.services.provider().leftovers());
        let counts = [there.apps.len(), there.machines.len(), there.volumes.len(), there.secrets.len(), secrets.len()];
        let place = instance.placement.as_ref().ok_or("it has no place")?;
        let machine = self.fly.machine_for_app(&place.app).ok_or("it has no machine")?;
        let wanted = if instance.state == State::Running { MachineState::Started } else { MachineState::Stopped };
        let belongs = machine.id == place.machine && (self.volume().as_ref() == Some(&place.volume) || self.door.moves() > 0);
        let runs = self.host.running();
        let one = counts == [1; 5] && there.ips.len() == 2 && belongs;
        demand(one, || format!("at {place:?} there are {there:?} and {secrets:?}"))?;
        demand(machine.state == wanted && runs.len() == usize::from(wanted == MachineState::Started), || {
            format!("it is {}, its machine {:?}, and {runs:?} run", instance.state, machine.state)
        })
    }
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// A client whose every connection goes to this socket.
fn transport(socket: &Path) -> reqwest::Client {
    static PROVIDER: std::sync::Once = std::sync::Once::new();
    PROVIDER.call_once(|| rustls::crypto::aws_lc_rs::default_provider().install_default().expect("nobody else installs one"));
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .unix_socket(socket)
        .build()
        .unwrap()
}

/// What is said is heard by nobody: a run is looked at again when its pause is over, as the sweep does.
struct Nobody;

#[async_trait]
impl Wake for Nobody {
    async fn wake(&self, _: &RunId, _: Duration) -> Result<(), WakeError> {
        Ok(())
    }
}

#[async_trait]
impl Queue for Nobody {
    async fn send(&self, _: &str) -> Result<(), QueueError> {
        Ok(())
    }
}

/// The supervisors in the simulated machines: ready as soon as their machine runs.
#[derive(Clone)]
struct Supervisors {
    fly: Simulator,
    host: Arc<VirtualHost>,
    /// So many boots have not helped.
    well_after: Arc<AtomicUsize>,
}

impl Supervisors {
    fn is_ready(&self, app: &str) -> bool {
        let runs = self.fly.machine_for_app(app).is_some_and(|machine| machine.state == MachineState::Started);
        runs && self.host.boots().len() > self.well_after.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Gateways for Supervisors {
    async fn await_ready(&self, _: &InstanceId, address: &str) -> Attempt<()> {
        let app = address.trim_start_matches("https://").split('.').next().unwrap_or_default();
        let ready = async {
            while !self.is_ready(app) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        timeout(LONG_POLL, ready).await.map_err(|_| Setback::not_yet(1, "the gateway does not answer"))
    }

    async fn restart_process(&self, _: &InstanceId, _: &str, _: &str) -> Attempt<()> {
        Ok(())
    }
}
