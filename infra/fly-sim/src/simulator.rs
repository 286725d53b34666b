use std::sync::Arc;

use axum::Router;
use tokio::sync::mpsc;

use crate::calls::Call;
use crate::error::OpenError;
use crate::inventory::{Inventory, MachineView};
use crate::options::Options;
use crate::records::{App, Machine};
use crate::script::Script;
use crate::tables::Tables;
use crate::world::{World, lock};

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

    /// The machine that Fly's proxy would send a request for this app to: one that is started, not cordoned and passes its service checks.
    #[must_use]
    pub fn routable(&self, app: &str) -> Option<MachineView> {
        self.0.read(|tables| tables.machines().filter(|machine| machine.app == app).map(MachineView::of).find(MachineView::is_routable))
    }

    /// The machine of an app that is not destroyed, whatever its state; the youngest if there are several.
    #[must_use]
    pub fn machine_for_app(&self, app: &str) -> Option<MachineView> {
        let live = |machine: &&Machine| machine.app == app && machine.state != crate::MachineState::Destroyed;
        self.0.read(|tables| tables.machines().filter(live).max_by_key(|machine| machine.created_at).map(MachineView::of))
    }

    /// Marks a region as having no room for new machines and volumes, or as having some again.
    pub fn set_region_full(&self, region: &str, full: bool) {
        let mut regions = lock(&self.0.full);
        if full {
            regions.insert(region.to_owned());
        } else {
            regions.remove(region);
        }
    }

    /// Says whether a machine's host answers: `ok`, `unknown` or `unreachable`. While it is not `ok`, the machine is answered without its `config`.
    pub fn set_host_status(&self, machine: &str, status: &str) {
        let outcome = self.0.change(|change| {
            if change.tables().machine(machine).is_some()
                && let Some(machine) = change.machine(machine)
            {
                status.clone_into(&mut machine.host_status);
            }
            Ok::<(), rusqlite::Error>(())
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "the state file refused a host's status");
        }
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
