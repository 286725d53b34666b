//! The simulated Fly.io behind a real socket, with virtual machines.

use std::sync::Arc;
use std::time::Duration;

use fly::{Client, Provider};
use fly_sim::{HostLatencies, Options, Simulator, VirtualHost};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::scripted::{TOKEN, client};

pub(crate) struct Fly {
    pub(crate) simulator: Simulator,
    pub(crate) host: Arc<VirtualHost>,
    pub(crate) client: Client,
    pub(crate) provider: Provider,
}

impl Fly {
    /// Everything happens at once.
    pub(crate) async fn new() -> Self {
        Self::with(HostLatencies::default(), Duration::ZERO).await
    }

    /// Hosts that take their time, and lists that lag.
    pub(crate) async fn with(latencies: HostLatencies, list_lag: Duration) -> Self {
        let host = Arc::new(VirtualHost::new(latencies));
        let mut options =
            Options { host: host.clone(), token: Some(TOKEN.to_owned()), organisation: "acme".to_owned(), ..Options::virtual_machines() };
        options.latencies.list_lag = list_lag;
        let simulator = Simulator::open(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let router = simulator.router();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(async move {
                    // A connection that the script breaks ends with an error, as it should.
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        let provider = Provider::new(client.clone(), "acme");
        Self { simulator, host, client, provider }
    }

    /// How often an action was asked for.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.simulator.calls().iter().filter(|call| call.action == action).count()
    }
}
