use fly_sim::CertificateStatus;
use http::Method;
use serde_json::{Value, json};

use crate::harness::Fly;

const HOST: &str = "/v1/apps/a/certificates/www.example.com";

fn pem() -> Value {
    let chain = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    json!({ "hostname": "www.example.com", "fullchain": chain, "private_key": key })
}

#[tokio::test]
async fn a_certificate_becomes_active_when_its_dns_is_there() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (_, added) = fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "www.example.com" })).await;
    assert_eq!(
        (&added["status"], &added["certificates"], &added["acme_requested"]),
        (&json!("pending_validation"), &json!([]), &json!(true))
    );
    assert!(fly.simulator.set_certificate_status("a", "www.example.com", CertificateStatus::PendingOwnership));
    assert_eq!(fly.get(HOST).await.1["status"], "pending_ownership");
    fly.simulator.set_certificate_status("a", "www.example.com", CertificateStatus::Active);
    let (_, active) = fly.get(HOST).await;
    assert_eq!((&active["status"], &active["configured"]), (&json!("active"), &json!(true)));
    assert_eq!((&active["certificates"][0]["source"], &active["certificates"][0]["status"]), (&json!("fly"), &json!("active")));
    assert!(!fly.simulator.set_certificate_status("a", "other.example.com", CertificateStatus::Active));
    assert!(!fly.simulator.set_certificate_status("b", "www.example.com", CertificateStatus::Active));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_may_fail_and_say_why() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let (_, added) = fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "www.example.com" })).await;
    assert_eq!((&added["validation_errors"], &added["rate_limited_until"]), (&json!([]), &Value::Null));
    let mut told = Vec::new();
    for status in [CertificateStatus::Failed, CertificateStatus::RateLimited, CertificateStatus::Active] {
        assert!(fly.simulator.set_certificate_status("a", "www.example.com", status));
        let (_, detail) = fly.get(HOST).await;
        let code = detail["validation_errors"][0]["code"].as_str().unwrap_or_default().to_owned();
        told.push((detail["status"].as_str().unwrap().to_owned(), code, detail["rate_limited_until"].is_string()));
    }
    let expected =
        [("pending_validation", "validation_failed", false), ("pending_validation", "rate_limited", true), ("active", "", false)];
    assert_eq!(told, expected.map(|(status, code, limited)| (status.to_owned(), code.to_owned(), limited)));
}

#[tokio::test]
async fn a_certificate_that_was_brought_waits_for_the_proof_of_ownership() {
    let fly = Fly::new().await;
    fly.app("a").await;
    let bring = async |body: Value| fly.post("/v1/apps/a/certificates/custom", body).await;
    let (status, brought) = bring(pem()).await;
    assert_eq!((status, &brought["status"], &brought["acme_requested"]), (201, &json!("pending_ownership"), &json!(false)));
    assert_eq!(brought["certificates"][0]["source"], "custom");
    for field in ["fullchain", "private_key"] {
        let mut bad = pem();
        bad[field] = json!("nothing");
        assert_eq!(bring(bad).await.0, 422, "{field}");
    }
    fly.simulator.set_certificate_status("a", "www.example.com", CertificateStatus::Active);
    assert_eq!(fly.post(&format!("{HOST}/check"), Value::Null).await.1["status"], "active");
    assert_eq!(bring(pem()).await.1["status"], "active", "a renewal is served at once");
    let (status, gone) = fly.delete(&format!("{HOST}/custom")).await;
    assert_eq!((status, gone["warning"].is_string()), (200, true), "{gone}");
    assert_eq!(fly.get(HOST).await.0, 404);
}

#[tokio::test]
async fn both_certificates_of_a_hostname_come_and_go_by_themselves() {
    let fly = Fly::new().await;
    fly.app("a").await;
    fly.post("/v1/apps/a/certificates/custom", pem()).await;
    fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": "www.example.com" })).await;
    fly.simulator.set_certificate_status("a", "www.example.com", CertificateStatus::Active);
    assert_eq!(fly.get(HOST).await.1["certificates"].as_array().unwrap().len(), 2);
    let (status, left) = fly.delete(&format!("{HOST}/acme")).await;
    assert_eq!((status, &left["status"], &left["acme_requested"]), (200, &json!("active"), &json!(false)));
    assert_eq!(fly.delete(&format!("{HOST}/acme")).await.0, 404);
    assert_eq!(fly.call(Method::DELETE, HOST, Value::Null).await, (204, Value::Null));
}

#[tokio::test]
async fn certificates_are_listed_in_pages() {
    let fly = Fly::new().await;
    fly.app("a").await;
    for nth in 0..5 {
        fly.post("/v1/apps/a/certificates/acme", json!({ "hostname": format!("h{nth}.example.com") })).await;
    }
    let (_, first) = fly.get("/v1/apps/a/certificates?limit=3").await;
    assert_eq!((&first["total_count"], first["certificates"].as_array().unwrap().len()), (&json!(5), 3));
    let next = first["next_cursor"].as_str().unwrap();
    let (_, second) = fly.get(&format!("/v1/apps/a/certificates?limit=3&cursor={next}")).await;
    assert_eq!((&second["next_cursor"], second["certificates"].as_array().unwrap().len()), (&json!(""), 2));
    assert_eq!(fly.get("/v1/apps/a/certificates?filter=h4").await.1["certificates"][0]["hostname"], "h4.example.com");
}
