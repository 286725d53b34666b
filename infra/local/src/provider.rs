//! Fly.io on this machine: its API, its edge, and machines that are processes.

use std::path::Path;
use std::sync::Arc;

use fly_sim::processes::{self, Processes};
use fly_sim::proxy::{Proxy, SimulatorRoutes};
use fly_sim::{Faults, Options, Simulator};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{StartError, starting};
use crate::gateways::Gateways;

/// The slug of the one organisation that there is.
pub const ORGANISATION: &str = "personal";

/// The provider, running.
pub struct Provider {
    /// Its state.
    pub simulator: Simulator,
    /// The root of its API.
    pub api: String,
}

impl Provider {
    /// Opens the provider's state, boots the machines that should run, and serves its API on a port of the system's choosing and its
    /// edge on the listener.
    ///
    /// # Errors
    /// If the folder cannot be used, or no port is to be had.
    pub async fn start(
        folder: &Path,
        token: &str,
        gateways: Gateways,
        faults: Option<Faults>,
        edge: TcpListener,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Self, StartError> {
        let images = Arc::new(move |image: &str| gateways.program(image));
        let processes =
            Processes::open(processes::Options { root: folder.to_owned(), images }).map_err(starting("the provider's machines"))?;
        let options = Options {
            data: Some(folder.to_owned()),
            token: Some(token.to_owned()),
            organisation: ORGANISATION.to_owned(),
            rate_limits: true,
            faults,
            ..Options::new(Arc::new(processes.clone()))
        };
        let simulator = Simulator::open(options).await.map_err(starting("the simulated provider"))?;

        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(starting("the provider's API"))?;
        let api = format!("http://{}", listener.local_addr().map_err(starting("the provider's API"))?);
        let (router, stopped) = (simulator.router(), stop.clone());
        tasks.spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the provider's API ended");
            }
        });
        let routes = Arc::new(SimulatorRoutes::new(simulator.clone(), processes));
        tasks.spawn(Proxy::serve(edge, routes, stop.clone()));
        Ok(Self { simulator, api })
    }
}
