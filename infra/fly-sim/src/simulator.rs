use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::calls::Call;
use crate::capacity::Capacity;
use crate::conditions::UNREACHABLE;
use crate::error::OpenError;
use crate::inventory::{Inventory, MachineView};
use crate::options::Options;
use crate::records::{App, CertificateStatus, Machine, Volume};
use crate::script::Script;
use crate::tables::Tables;
use crate::world::World;

/// How long a request waits for a machine that is started for it.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);

/// A simulated Fly.io. Clones are the same simulator.
#[derive(Clone)]
pub struct Simulator(Arc<World>);

impl Simulator {
    /// Opens the state, or begins with none, and takes the host into service. Machines that ran when an earlier simulator ended are booted
    /// anew in the background; what was under way is finished.
    ///
    /// # Errors
    ///
    /// When the data folder or the state file cannot be used. Nothing has been started then.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let tables = options.data.as_deref().map(Tables::open).transpose()?.unwrap_or_default();
        let world = World::new(options, tables);
        let (sender, mut events) = mpsc::unbounded_channel();
        world.options.host.attach(sender).await;
        let listener = Arc::downgrade(&world);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(world) = listener.upgrade() else { return };
                world.heard(event);
            }
        });
        world.resume().await?;
        world.follow_the_weather();
        world.take_daily_snapshots();
        Ok(Self(world))
    }

    /// The API: `/v1/…` and the logs endpoint `/api/v1/apps/{app}/logs`.
    pub fn router(&self) -> Router {
        crate::api::router(&self.0)
    }

    /// What is to go wrong.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.0.script
    }

    /// What is there.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.0.read(Inventory::take)
    }

    /// The calls so far, oldest first; of very many, the latest.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.0.calls.all()
    }

    /// Ends the host's programs and leaves every record as it is, so that the next start on the same data boots them anew.
    pub async fn shutdown(&self) {
        self.0.close();
        self.0.options.host.shutdown().await;
    }

    /// Every machine, destroyed ones too.
    #[must_use]
    pub fn machines(&self) -> Vec<MachineView> {
        self.0.read(|tables| tables.machines().map(MachineView::of).collect())
    }

    /// The machine that Fly's proxy would send a request for this app to: one that is started, not cordoned, passes its service checks
    /// and whose host answers.
    #[must_use]
    pub fn routable(&self, app: &str) -> Option<MachineView> {
        let reached = |machine: &&Machine| machine.app == app && self.0.host_status(machine) != UNREACHABLE;
        self.0.read(|tables| tables.machines().filter(reached).map(MachineView::of).find(MachineView::is_routable))
    }

    /// The machine of an app that is not destroyed, whatever its state; the youngest if there are several.
    #[must_use]
    pub fn machine_for_app(&self, app: &str) -> Option<MachineView> {
        let live = |machine: &&Machine| machine.app == app && machine.state != crate::MachineState::Destroyed;
        self.0.read(|tables| tables.machines().filter(live).max_by_key(|machine| machine.created_at).map(MachineView::of))
    }

    /// Starts what Fly's proxy would start for a request to an app none of whose machines takes any: machines that rest and for which
    /// `autostarts` holds, not cordoned, on hosts that answer and have room. Returns whether one takes requests within half a minute; how long the
    /// proxy holds a request is not documented.
    pub async fn autostart(&self, app: &str, autostarts: impl Fn(&MachineView) -> bool) -> bool {
        let comes = |machine: &MachineView| matches!(machine.state, crate::MachineState::Starting | crate::MachineState::Started);
        let woken: Vec<String> = (self.machines().into_iter())
            .filter(|machine| machine.app == app && !machine.cordoned && autostarts(machine))
            // One that is on its way already, perhaps for another request, is waited for as well.
            .filter(|machine| comes(machine) || crate::api::start_for_a_request(&self.0, &machine.id))
            .map(|machine| machine.id)
            .collect();
        let deadline = Instant::now() + REQUEST_PATIENCE;
        let mut changes = self.0.changes();
        while self.routable(app).is_none() {
            let any_comes = self.machines().iter().any(|machine| woken.contains(&machine.id) && comes(machine));
            if !any_comes || !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// Marks a region as having no room for new machines and volumes, or as having some again.
    pub fn set_region_full(&self, region: &str, full: bool) {
        self.0.conditions.set_full(region, full);
    }

    /// Lets every host of a region fall silent, or answer again. The region is full meanwhile, its machines are not routed to, and the
    /// organisation's lists name it in `error_regions`.
    pub fn set_region_out(&self, region: &str, out: bool) {
        self.0.conditions.set_out(region, out);
        self.0.wake();
    }

    /// Says what the host of a machine or of a volume lacks: a machine can then not be started or updated, on a volume none be created.
    pub fn set_host_full(&self, id: &str, want: Option<Capacity>) {
        self.0.conditions.set_want(id, want);
    }

    /// Says whether the host of a machine or of a volume answers: `ok`, `unknown` or `unreachable`. It is one host for a machine and its
    /// volume. While it is not `ok`, the machine is answered without its `config`; while it is `unreachable`, calls that need the host hang.
    pub fn set_host_status(&self, id: &str, status: &str) {
        let outcome = self.0.change(|change| {
            let tables = change.tables();
            let machine = tables.volume(id).and_then(|volume| volume.attached.clone()).unwrap_or_else(|| id.to_owned());
            let on_it = |volume: &&Volume| volume.id == id || volume.attached.as_ref() == Some(&machine);
            let volumes: Vec<String> = tables.volumes().filter(on_it).map(|volume| volume.id.clone()).collect();
            if tables.machine(&machine).is_some()
                && let Some(machine) = change.machine(&machine)
            {
                status.clone_into(&mut machine.host_status);
            }
            for volume in volumes {
                if let Some(volume) = change.volume(&volume) {
                    status.clone_into(&mut volume.host_status);
                }
            }
            Ok::<(), rusqlite::Error>(())
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "the state file refused a host's status");
        }
    }

    /// Moves a machine to another host of its region, as Fly does with machines on crowded or failing hosts, and returns once it is there:
    /// its volume has another identifier then (the old one is `pending_destroy` for a week), the machine another address, and its next
    /// boot says so in a `launch` event. A machine that runs is stopped for that and booted again. Returns false, and does nothing, if the
    /// machine is on the way to another state or its host is silent.
    pub async fn migrate(&self, machine: &str) -> bool {
        self.0.migrate(machine).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the state file refused a migration");
            false
        })
    }

    /// Lets a machine that rests change its host when it is next started, which the answer to the start says. Returns whether it rests.
    pub fn migrate_at_start(&self, machine: &str) -> bool {
        use crate::MachineState::{Failed, Stopped, Suspended};
        let outcome = self.0.change(|change| {
            let rests = change.tables().machine(machine).is_some_and(|machine| matches!(machine.state, Stopped | Suspended | Failed));
            if rests && let Some(machine) = change.machine(machine) {
                machine.moving = true;
            }
            Ok::<_, rusqlite::Error>(rests)
        });
        outcome.unwrap_or_else(|error| {
            tracing::error!(%error, "the state file refused a migration");
            false
        })
    }

    /// Takes the memory of a suspended machine away, as a host does that needs the space: its next start boots it. Returns whether there
    /// was any.
    pub fn drop_suspended(&self, machine: &str) -> bool {
        let outcome = self.0.change(|change| {
            let frozen = change.tables().machine(machine).is_some_and(|machine| machine.frozen);
            if frozen && let Some(machine) = change.machine(machine) {
                machine.frozen = false;
            }
            Ok::<_, rusqlite::Error>(frozen)
        });
        outcome.unwrap_or_else(|error| {
            tracing::error!(%error, "the state file refused that a machine's memory is dropped");
            false
        })
    }

    /// Lets the certificates of a hostname come as far as this, as a change of its DNS would, or fail. Returns whether there are any.
    pub fn set_certificate_status(&self, app: &str, hostname: &str, status: CertificateStatus) -> bool {
        let now = self.0.now();
        let outcome = self.0.change(|change| {
            let certificate = change.app(app).and_then(|app| app.certificates.get_mut(hostname));
            let found = certificate.map(|certificate| {
                certificate.advance(status);
                certificate.updated_at = now;
            });
            Ok::<_, rusqlite::Error>(found.is_some())
        });
        outcome.unwrap_or_else(|error| {
            tracing::error!(%error, "the state file refused a certificate's status");
            false
        })
    }

    /// Gives an app name to another organisation: calls on it are answered 403, and it cannot be created.
    pub fn take_name(&self, app: &str) {
        let world = &self.0;
        let mut taken = App::new(world.ids.app(), world.ids.number(), app.to_owned(), "default".to_owned(), world.now());
        taken.foreign = true;
        let outcome = world.change(|change| {
            change.put_app(taken);
            Ok::<(), rusqlite::Error>(())
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "the state file refused a taken name");
        }
    }
}
