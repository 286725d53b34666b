//! The client of supervisors, against servers that answer as supervisors, as the provider's proxy, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod orders;
mod reports;

use std::sync::{Arc, Once};

use access::{KeySet, Signer, SigningKey, Verifier};
use control::Supervisors;
use domain::InstanceId;
use durable::testing::ManualClock;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// A control plane with its own key, and what the supervisor of its one instance verifies with.
struct Plane {
    supervisors: Supervisors,
    instance: InstanceId,
    verifier: Verifier,
    clock: ManualClock,
}

fn plane() -> Plane {
    // The provider can be installed once per process, and every test of this binary is in one.
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap());
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let (key, clock, instance) = (SigningKey::generate().unwrap(), ManualClock::default(), InstanceId::generate());
    let verifier = Verifier::new(KeySet::of([key.public()]), instance.to_string());
    Plane { supervisors: Supervisors::new(http, Arc::new(Signer::new(key)), Arc::new(clock.clone())), instance, verifier, clock }
}

/// An address at which nobody listens.
async fn deserted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// An address that sends these bytes to everybody who connects, and hangs up.
async fn saying(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A client that has seen enough hangs up first.
            if stream.write_all(bytes).await.is_ok() {
                stream.shutdown().await.ok();
            }
        }
    });
    address
}

/// An address that takes connections and never says a word.
async fn black_hole() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}
