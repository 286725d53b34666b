//! Who is let in to the gateway, how, and for how long.

use crate::support::call::{Answer, bearer, call, get, hear, say, websocket};
use crate::support::{INSTANCE, Machine, ORIGIN, Plan, audience};
use gateway::Family;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};

/// A machine with the gateway in this test behind it, ready.
async fn machine(family: Family) -> (Machine, crate::support::mirror::Mirror) {
    let plan = Plan::idle(family);
    let mirror = crate::support::mirror::serve(plan.gateway_port).await;
    let machine = plan.boot();
    if family == Family::Openclaw {
        machine.ready().await;
    } else {
        machine.health_when("its process runs", |health| health["gateway"]["phase"] == "starting").await;
    }
    (machine, mirror)
}

/// The cookie that a one-time link gives, as a browser sends it back.
async fn cookie(machine: &Machine) -> String {
    let entered = get(machine.address, &format!("/_rockpool/enter?token={}", machine.link().as_str()), &[]).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text());
    entered.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorised".to_owned()));
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn a_header_a_subprotocol_and_a_cookie_each_open_a_websocket() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let (token, cookie) = (machine.token(60), cookie(&machine).await);
    let (authorization, protocol) = (bearer(&token), format!("rockpool.token.{}", token.as_str()));
    let both = format!("rockpool, {protocol}, gateway.v4");
    for (headers, chosen) in [
        (vec![("authorization", authorization.as_str())], None),
        (vec![("sec-websocket-protocol", protocol.as_str())], Some(protocol.as_str())),
        (vec![("sec-websocket-protocol", both.as_str())], Some("gateway.v4")),
        (vec![("cookie", cookie.as_str()), ("origin", ORIGIN)], None),
    ] {
        let (mut socket, response) = websocket(machine.address, &headers).await.expect("the WebSocket opens");
        assert_eq!(response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap()), chosen);
        let arrived = hear(&mut socket).await.unwrap();
        assert!(!arrived.contains(token.as_str()) && !arrived.contains("__Host-rockpool"), "the gateway was given what is ours: {arrived}");
        say(&mut socket, "ping").await;
        assert_eq!(hear(&mut socket).await.as_deref(), Some("ping"));
    }
    let alone = format!("{protocol}, rockpool");
    let (_, response) = websocket(machine.address, &[("sec-websocket-protocol", &alone)]).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "rockpool", "the answer does not repeat the token if it need not");
}

#[tokio::test]
async fn what_is_no_access_token_for_this_instance_opens_nothing() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    let other = access::Audience { instance: "ins_another", ..audience() };
    let stranger = access::Signer::new(access::SigningKey::generate().unwrap());
    let refused = [
        ("for another instance", machine.access.access(&other, hour, now).unwrap()),
        ("expired", machine.access.access(&audience(), SignedDuration::from_secs(60), now - SignedDuration::from_mins(2)).unwrap()),
        ("not valid yet", machine.access.access(&audience(), hour, now + SignedDuration::from_mins(2)).unwrap()),
        ("signed by a stranger", stranger.access(&audience(), hour, now).unwrap()),
        ("signed with the control key", machine.control.access(&audience(), hour, now).unwrap()),
        ("a link", machine.link()),
        ("an order", machine.order("GET", "/", b"")),
    ];
    for (what, token) in refused {
        let by_header = get(machine.address, "/", &[("authorization", &bearer(&token))]).await;
        assert_refused(&by_header);
        let protocol = format!("rockpool.token.{}", token.as_str());
        let socket = websocket(machine.address, &[("sec-websocket-protocol", &protocol)]).await;
        assert_eq!(socket.err(), Some(StatusCode::UNAUTHORIZED), "a token {what} opened a WebSocket");
    }
    assert_refused(&get(machine.address, "/", &[]).await);
    assert_refused(&get(machine.address, "/", &[("cookie", "__Host-rockpool=abc.def")]).await);
    let good = bearer(&machine.token(60));
    assert_refused(&get(machine.address, "/", &[("authorization", &good), ("authorization", &good)]).await);
}

#[tokio::test]
async fn a_link_works_once_and_only_an_access_key_makes_one() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let link = format!("/_rockpool/enter?token={}", machine.link().as_str());
    assert_eq!(call(machine.address, Method::HEAD, &link, &[], "").await.status, StatusCode::NO_CONTENT, "a preview uses nothing up");
    let entered = get(machine.address, &link, &[]).await;
    assert_eq!((entered.status, entered.header("location")), (StatusCode::SEE_OTHER, "/"));
    let set = entered.header("set-cookie");
    assert!(set.starts_with("__Host-rockpool=") && set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{set}");
    let again = get(machine.address, &link, &[("accept", "text/html")]).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.text().contains("used before"));

    for (what, token) in [
        ("an access token", machine.token(60)),
        ("a link by the control key", machine.control.link(&audience(), Timestamp::now()).unwrap()),
    ] {
        let refused = get(machine.address, &format!("/_rockpool/enter?token={}", token.as_str()), &[]).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::UNAUTHORIZED, "link-refused"), "{what} was accepted");
    }
}

#[tokio::test]
async fn with_a_cookie_changes_and_websockets_must_come_from_the_instance_s_own_pages() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let cookie = cookie(&machine).await;
    let with = |origin: &'static str| [("cookie", cookie.clone()), ("origin", origin.to_owned())];
    assert_eq!(get(machine.address, "/page", &[("cookie", &cookie)]).await.status, StatusCode::OK);
    for foreign in ["https://evil.example", "null", "https://rp-test.fly.dev.evil.example", "http://rp-test.fly.dev", ""] {
        let headers = with(foreign);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = call(machine.address, method, "/api", &headers, "").await;
            assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "foreign-origin"), "from `{foreign}`");
        }
        assert_eq!(websocket(machine.address, &headers).await.err(), Some(StatusCode::FORBIDDEN), "from `{foreign}`");
    }
    assert_eq!(websocket(machine.address, &[("cookie", &cookie)]).await.err(), Some(StatusCode::FORBIDDEN), "without an origin");
    let own = call(machine.address, Method::POST, "/api", &[("cookie", &cookie), ("origin", ORIGIN)], "x").await;
    assert_eq!(own.status, StatusCode::OK);
    let by_token = [("authorization", bearer(&machine.token(60)))];
    let by_token = call(machine.address, Method::POST, "/api", &[(by_token[0].0, &by_token[0].1)], "x").await;
    assert_eq!(by_token.status, StatusCode::OK, "no browser sends a token along by itself");
}

#[tokio::test]
async fn the_gateway_learns_the_caller_from_the_supervisor_and_from_nobody_else() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let token = bearer(&machine.token(60));
    let spoofed = [
        ("authorization", token.as_str()),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-user", "root"),
        ("x_forwarded_user", "root"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-groups", "admins"),
        ("x-real-ip", "127.0.0.1"),
        ("fly-client-ip", "198.51.100.7"),
        ("connection", "keep-alive, x-forwarded-user, x-secret-hop"),
        ("x-secret-hop", "1"),
        ("te", "trailers"),
        ("cookie", "theme=dark; __Host-rockpool=abc.def"),
        ("origin", "https://anywhere.example"),
    ];
    let answer = call(machine.address, Method::POST, "/api?q=1", &spoofed, "hello").await;
    let shown = answer.json();
    let headers = &shown["headers"];
    assert_eq!((&shown["target"], &shown["body"], &shown["method"]), (&"/api?q=1".into(), &"hello".into(), &"POST".into()));
    for (name, value) in [
        ("x-forwarded-user", "user-1"),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "rp-test.fly.dev"),
        ("host", "rp-test.fly.dev"),
        ("cookie", "theme=dark"),
        ("origin", "https://anywhere.example"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    for name in ["authorization", "forwarded", "x_forwarded_user", "x-forwarded-groups", "x-real-ip", "fly-client-ip", "x-secret-hop", "te"]
    {
        assert!(headers.get(name).is_none(), "{name} reached the gateway");
    }
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["theme=dark"], "the gateway cannot set a session of ours");

    let local = get(machine.address, "/", &[("authorization", &token)]).await.json();
    assert_eq!(local["headers"]["x-forwarded-for"], "192.0.2.1", "a client on this host is not passed off as loopback");
}

#[tokio::test]
async fn a_clawdbot_sees_a_local_client() {
    let (machine, _mirror) = machine(Family::Clawdbot).await;
    let token = bearer(&machine.token(60));
    let shown = get(machine.address, "/", &[("authorization", &token), ("x-forwarded-for", "1.2.3.4"), ("origin", ORIGIN)]).await.json();
    let headers = shown["headers"].as_object().unwrap();
    assert_eq!(headers["host"], "127.0.0.1");
    assert_eq!(headers["origin"], ORIGIN);
    assert!(!headers.keys().any(|name| name.contains("forwarded") || name == "via" || name == "authorization"), "{headers:?}");
}

#[tokio::test]
async fn a_websocket_is_closed_when_its_token_ends() {
    let (machine, _mirror) = machine(Family::Openclaw).await;
    let (short, long) = (bearer(&machine.token(3)), bearer(&machine.token(300)));
    let opened = std::time::Instant::now();
    let (mut ends, _) = websocket(machine.address, &[("authorization", &short)]).await.unwrap();
    let (mut stays, _) = websocket(machine.address, &[("authorization", &long)]).await.unwrap();
    assert!(hear(&mut ends).await.is_some() && hear(&mut stays).await.is_some());
    assert_eq!(hear(&mut ends).await, None);
    assert!(opened.elapsed() < std::time::Duration::from_secs(20), "it was closed by something else than its token's end");
    say(&mut stays, "still here").await;
    assert_eq!(hear(&mut stays).await.as_deref(), Some("still here"));
    let metrics = get(machine.metrics, "/metrics", &[]).await.text();
    assert!(metrics.contains("\nrockpool_websockets_expired_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn another_instance_s_session_is_none_here() {
    let (first, _mirror) = machine(Family::Openclaw).await;
    let cookie = cookie(&first).await;
    let plan = Plan { environment: vec![("ROCKPOOL_INSTANCE".into(), "ins_another".into())], ..Plan::idle(Family::Openclaw) };
    let second = plan.boot();
    assert_ne!(INSTANCE, "ins_another");
    assert_refused(&get(second.address, "/", &[("cookie", &cookie)]).await);
}
