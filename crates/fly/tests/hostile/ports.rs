//! What flows are told: nothing is taken for gone, done or full because somebody answered strangely.

use std::collections::BTreeMap;

use durable::Setback;
use flows::ports::{Apps, MachineState, Machines, Placed, SecretValues, VolumeSpec, Volumes};
use fly::Provider;
use futures::future::join_all;

use crate::calls::SECRET;
use crate::scripted::TOKEN;
use crate::server::Server;

const PAGES: [&str; 4] = [
    "<!DOCTYPE html><title>Sign in to the network</title>",
    "\n <HTML><body>Bad gateway</body></HTML>",
    "<!doctype html><p>404 Not Found</p>",
    "<html>insufficient_capacity: no capacity, could not find app</html>",
];

fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_for_people_is_never_news_of_the_provider() {
    let server = Server::start().await;
    let provider = Provider::new(server.client.clone(), "acme");
    let statuses = [200, 202, 302, 400, 401, 403, 404, 405, 409, 410, 412, 422, 451, 500, 502, 503];
    let looks = statuses.iter().flat_map(|status| PAGES.map(|page| (*status, page))).enumerate().map(|(number, (status, page))| {
        let (app, provider) = (format!("rp-case-{number}"), provider.clone());
        server.will_answer(&app, answer(status, page));
        async move {
            let what = format!("{status} `{page}`");
            assert!(provider.observe(&app, "148e").await.is_err(), "{what} says how the machine is");
            assert!(provider.volume_exists(&app, "148e", "vol_1").await.is_err(), "{what} says whether there is a volume");
            assert!(provider.delete_app(&app).await.is_err(), "{what} says that the app is gone");
            assert!(provider.delete_machines(&app, "gateway-1").await.is_err(), "{what} says that there are no machines");
            assert!(provider.delete_volumes(&app, "data_1", None).await.is_err(), "{what} says that there are no volumes");
            let secrets = SecretValues(BTreeMap::from([("KEY".to_owned(), SECRET.to_owned())]));
            assert!(provider.set_secrets(&app, &secrets).await.is_err(), "{what} says that secrets are set");
            assert!(provider.ensure_addresses(&app).await.is_err(), "{what} says that there are addresses");
        }
    });
    join_all(looks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_that_is_none_is_not_recorded() {
    let server = Server::start().await;
    let provider = Provider::new(server.client.clone(), "acme");
    let long = "x".repeat(5000);
    for (number, id) in ["", ".", "..", "a/b", "a b", "a?b", "\u{0}", "İ", &long].into_iter().enumerate() {
        let app = format!("rp-case-{number}");
        let body = serde_json::json!({ "id": id, "name": "data_1", "state": "created", "region": "fra", "size_gb": 5 });
        // The list shows the same odd one, or an earlier try would be taken for it.
        server.will_answer(&app, answer(200, &body.to_string()));
        let volume = VolumeSpec {
            app: app.clone(),
            name: "data_1".to_owned(),
            region: "fra".parse().unwrap(),
            size_gb: 5,
            machine: domain::PlanId::Pro.plan().machine,
        };
        let placed = provider.ensure_volume(&volume).await;
        assert!(placed.is_err(), "{id:?} became {placed:?}");
        let created = crate::calls::Call::CreateVolume.make(&server.client, &app).await;
        assert!(created.is_err(), "{id:?} became {created:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_flow_is_told_shows_no_secret_and_names_no_year_9999() {
    let server = Server::start().await;
    let provider = Provider::new(server.client.clone(), "acme");
    let error = serde_json::json!({ "error": format!("bad value {SECRET} for {TOKEN}"), "status": SECRET }).to_string();
    let secrets = SecretValues(BTreeMap::from([("KEY".to_owned(), SECRET.to_owned())]));
    for status in [200, 400, 401, 409, 412, 422, 429, 500, 503] {
        let bytes =
            format!("HTTP/1.1 {status} X\r\nretry-after: Thu, 30 Dec 9999 22:00:00 GMT\r\ncontent-length: {}\r\n\r\n{error}", error.len());
        server.will_answer("rp-case-1", bytes.into_bytes());
        let setback = provider.set_secrets("rp-case-1", &secrets).await.expect_err("no secrets were set");
        assert!(!setback.why().contains(SECRET) && !setback.why().contains(TOKEN), "{status}: {}", setback.why());
        if let Setback::NotYet { look_again_in, .. } | Setback::Retry { after: Some(look_again_in), .. } = setback {
            assert!(look_again_in.as_secs() < 24 * 3600, "{status}: again in {look_again_in:?}");
        }
        let state = provider.observe("rp-case-1", "148e").await;
        assert!(!matches!(state, Ok(MachineState::Gone)), "{status}");
        assert!(!matches!(provider.ensure_volume(&volume()).await, Ok(Placed::At(_))), "{status}");
    }
}

fn volume() -> VolumeSpec {
    VolumeSpec {
        app: "rp-case-1".to_owned(),
        name: "data_1".to_owned(),
        region: "fra".parse().unwrap(),
        size_gb: 5,
        machine: domain::PlanId::Pro.plan().machine,
    }
}
