use super::*;

async fn names(app: &App, path: &str) -> (Vec<String>, Option<String>) {
    let page = app.get(path).await.json();
    let names = page["instances"].as_array().unwrap().iter().map(|instance| instance["name"].as_str().unwrap().to_owned()).collect();
    (names, page["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let app = App::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        app.create(name).await;
    }
    assert_eq!(names(&app, "/v1/instances").await, (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), None));
    let (first, cursor) = names(&app, "/v1/instances?limit=2").await;
    let (second, cursor) = names(&app, &format!("/v1/instances?limit=2&cursor={}", cursor.unwrap())).await;
    let (third, end) = names(&app, &format!("/v1/instances?limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!([first, second, third].concat(), ["a", "b", "c", "d", "e"]);
    assert_eq!(end, None);
}

#[tokio::test]
async fn only_cursors_that_were_given_out_are_taken() {
    let app = App::start().await;
    let (id, _) = app.create("a").await;
    app.create("b").await;
    let (_, cursor) = names(&app, "/v1/instances?limit=1").await;
    let cursor = cursor.unwrap();
    let refused = async |person: &str, path: String| app.call(person, "GET", &path, None).await.problem();
    let invalid = pair(400, "invalid-cursor");
    // Not what it ends with already, and with no bit set that its last byte has no room for.
    let other = if cursor.ends_with('A') { 'Q' } else { 'A' };
    let changed = format!("{}{other}", &cursor[..cursor.len() - 1]);
    for text in ["", "x", "AAAA", &*changed, &*id] {
        assert_eq!(refused("alice", format!("/v1/instances?cursor={text}")).await, invalid, "{text}");
    }
    assert_eq!(refused("bob", format!("/v1/instances?cursor={cursor}")).await, invalid);
    assert_eq!(refused("alice", format!("/v1/instances/{id}/operations?cursor={cursor}")).await, invalid);
}

#[tokio::test]
async fn a_wrong_query_is_refused() {
    let app = App::start().await;
    let (id, _) = app.create("a").await;
    for query in ["limit=0", "limit=101", "limit=-1", "limit=many", "limit=", "page=2", "limit=1&limit=2"] {
        for path in ["/v1/instances".to_owned(), format!("/v1/instances/{id}/operations")] {
            assert_eq!(app.get(&format!("{path}?{query}")).await.problem(), pair(400, "invalid-query"), "{path}?{query}");
        }
    }
}

#[tokio::test]
async fn the_operations_of_an_instance_are_listed_newest_first() {
    let app = App::start().await;
    let id = app.running("a").await;
    app.post(&format!("/v1/instances/{id}/stop")).await;
    app.settle(&id, State::Stopped).await;
    app.post(&format!("/v1/instances/{id}/start")).await;
    let path = format!("/v1/instances/{id}/operations");
    let kinds = |page: &Value| {
        page["operations"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&app.get(&path).await.json()), ["start", "stop", "provision"]);
    let first = app.get(&format!("{path}?limit=2")).await.json();
    let second = app.get(&format!("{path}?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((kinds(&first), kinds(&second)), (vec!["start".to_owned(), "stop".to_owned()], vec!["provision".to_owned()]));
    assert_eq!(second["next_cursor"], json!(null));
}

#[tokio::test]
async fn what_is_on_sale_is_told_to_everybody() {
    let app = App::start().await;
    for (path, list) in [("/v1/plans", "plans"), ("/v1/regions", "regions")] {
        let answer = app.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "public, max-age=300"));
        let first = answer.json()[list][0].clone();
        match list {
            "plans" => insta::assert_json_snapshot!(first, @r#"
            {
              "disk_gb": 1,
              "gateways": [
                {
                  "family": "clawdbot",
                  "version": "2026.1.24-3"
                }
              ],
              "id": "starter",
              "instances": 1,
              "machine": {
                "cpu_kind": "shared",
                "cpus": 1,
                "memory_mb": 1024
              },
              "name": "Starter",
              "price": {
                "currency": "USD",
                "minor_units": 900
              }
            }
            "#),
            _ => assert_eq!(first, json!({ "code": "ams", "city": "Amsterdam, Netherlands" })),
        }
    }
}
