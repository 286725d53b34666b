use http::Method;
use serde_json::{Value, json};

use crate::harness::Fly;

#[tokio::test]
async fn addresses_are_assigned_once_each_listed_and_released() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let path = "/v1/apps/a/ip_assignments";
    let assign =
        async |kind: &str| fly.post(path, json!({ "type": kind, "region": "", "org_slug": "", "network": "", "service_name": "" })).await;
    let (status, shared) = assign("shared_v4").await;
    assert_eq!((status, &shared["shared"]), (200, &json!(true)));
    let (_, six) = assign("v6").await;
    for kind in ["shared_v4", "v6"] {
        assert_eq!(assign(kind).await.0, 422, "{kind}");
    }
    assert_eq!(assign("v5").await.0, 400);
    let flycast = async |network: &str| {
        let (status, answer) = fly.post(path, json!({ "type": "private_v6", "network": network })).await;
        assert_eq!(status, 200);
        answer["ip"].as_str().unwrap().to_owned()
    };
    let (ours, theirs) = (flycast("a").await, flycast("").await);
    let prefix = |ip: &str| ip.split(':').take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_ne!(prefix(&ours), prefix(&theirs), "without a network it is reached from the organisation's, not from the app's own");
    assert_eq!(prefix(&ours), prefix(&flycast("a").await));
    for ip in fly.simulator.inventory().ips.iter().filter_map(|ip| ip.strip_prefix("a/fdaa")) {
        assert_eq!(fly.delete(&format!("{path}/fdaa{ip}")).await.0, 204);
    }
    assert_eq!(fly.get(path).await.1["ips"].as_array().unwrap().len(), 2);
    let six = six["ip"].as_str().unwrap();
    assert_eq!(fly.delete(&format!("{path}/{six}")).await, (204, Value::Null));
    assert_eq!(fly.delete(&format!("{path}/{six}")).await.0, 404);
    assert_eq!(fly.simulator.inventory().ips, ["a/203.0.113.1"]);
    assert_eq!(fly.get("/v1/apps/b/ip_assignments").await, (404, json!({ "message": "Could not find App" })));
}

#[tokio::test]
async fn a_certificate_stays_pending_and_says_what_dns_it_needs() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (status, added) = fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "*.Example.com" })).await;
    assert_eq!((status, &added["status"]), (201, &json!("pending_validation")));
    assert_eq!(added["dns_requirements"]["acme_challenge"]["name"], "_acme-challenge.example.com");
    assert_eq!(fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "*.example.com" })).await.0, 422);
    assert_eq!(fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "nodots" })).await.0, 422);
    assert_eq!(fly.get("/v1/apps/a/certificates/%2A.example.com").await.1["configured"], false);
    let (status, checked) = fly.post("/v1/apps/a/certificates/%2A.example.com/check", Value::Null).await;
    assert_eq!((status, checked["dns_records"].is_object()), (200, true));
    assert_eq!(fly.get("/v1/apps/a/certificates").await.1["total_count"], 1);
    assert_eq!(fly.call(Method::DELETE, "/v1/apps/a/certificates/%2A.example.com", Value::Null).await, (204, Value::Null));
    assert_eq!(fly.get("/v1/apps/a/certificates/%2A.example.com").await.0, 404);
}
