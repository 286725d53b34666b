//! Headers that claim to come from the supervisor, or that carry a token past it.

use std::cell::Cell;
use std::collections::HashMap;

use http::HeaderMap;
use proptest::prelude::*;

use crate::raw::{all, status};
use crate::support::{ORIGIN, call};
use crate::{batches, check_log, machine};

/// What only the supervisor may say, each in its one right form.
fn is_ours(headers: &HeaderMap) -> Result<(), String> {
    let only = |name: &str, expected: Option<&str>| {
        let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        if values.iter().map(String::as_str).eq(expected) { Ok(()) } else { Err(format!("{name} is {values:?}")) }
    };
    let authority = ORIGIN.strip_prefix("https://").unwrap();
    only("host", Some(authority))?;
    only("x-forwarded-user", Some("user-1"))?;
    only("x-forwarded-preferred-username", Some("Ada"))?;
    only("x-forwarded-proto", Some("https"))?;
    only("x-forwarded-host", Some(authority))?;
    only("via", Some("1.1 rockpool"))?;
    for gone in
        ["connection", "te", "trailer", "transfer-encoding", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade", "expect"]
    {
        only(gone, None)?;
    }
    let allowed = ["x-forwarded-user", "x-forwarded-preferred-username", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"];
    let mut claims = headers.keys().map(|name| name.as_str().replace('_', "-")).filter(|name| {
        let claims = ["forwarded", "x-forwarded", "x-real-ip", "x-original-", "fly-", "via"].iter().any(|prefix| name.starts_with(prefix));
        claims && !allowed.contains(&name.as_str())
    });
    if let Some(name) = claims.next() {
        return Err(format!("{name} is passed on"));
    }
    // The same name with an underscore is another name here and the same one elsewhere.
    let doubled = headers.keys().find(|name| name.as_str().contains('_') && allowed.contains(&name.as_str().replace('_', "-").as_str()));
    doubled.map_or(Ok(()), |name| Err(format!("{name} is passed on")))
}

fn value() -> impl Strategy<Value = String> {
    let values = [
        "root",
        "127.0.0.1",
        "for=127.0.0.1;host=evil",
        "evil.example",
        "https",
        "close",
        "keep-alive, x-forwarded-user, host, via",
        "Upgrade",
        "websocket",
        "h2c",
        "trailers",
        "",
        ",",
        "x-forwarded-for",
        "transfer-encoding",
        "content-length",
        "authorization",
        "TOKEN",
        "Bearer TOKEN",
        "bearer\tTOKEN",
        "Basic TOKEN",
        "Bearer TOKEN, Bearer TOKEN",
        "rockpool.token.TOKEN",
        "a, Rockpool.Token.TOKEN",
        "gateway.v4, rockpool.token.TOKEN",
        "__Host-rockpool=TOKEN; a=b",
        "a=b; x=TOKEN",
        "\"__Host-rockpool\"=TOKEN",
        "100-continue",
        "\u{e9}TOKEN",
        "Bearer TOKEN\u{e9}",
    ];
    prop_oneof![4 => prop::sample::select(values.map(str::to_owned).to_vec()), 1 => "[ -~\u{e0}-\u{ff}]{0,30}"]
}

fn header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "X-Forwarded-User",
        "x_forwarded_user",
        "X-Forwarded_User",
        "X-FORWARDED-FOR",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Groups",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Original-URL",
        "X-Original-Host",
        "Fly-Client-IP",
        "Fly-Forwarded-Port",
        "Via",
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "Authorization",
        "Authorization",
        "Cookie",
        "Sec-WebSocket-Protocol",
        "X-Anything",
        "Origin",
    ];
    (prop::sample::select(names.map(str::to_owned).to_vec()), value())
}

#[test]
fn the_gateway_hears_from_the_supervisor_alone_who_calls_and_never_learns_a_token() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (machine, gateway) = runtime.block_on(machine());
    let token = machine.token(600).as_str().to_owned();
    // Somebody with a session too, so that a request gets in whatever stands in `Authorization`.
    let entered = runtime.block_on(call::get(machine.address, &format!("/_rockpool/enter?token={}", machine.link().as_str()), &[]));
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let requests = prop::collection::vec((prop::collection::vec(header(), 0..6), any::<bool>()), 50);
    let reached = Cell::new(0);
    proptest!(batches(10), |(batch in requests)| {
        let sent: Vec<String> = batch.iter().enumerate().map(|(number, (headers, by_cookie))| {
            let credential = if *by_cookie { format!("Cookie: {cookie}") } else { format!("Authorization: Bearer {token}") };
            let line = |(name, value): &(String, String)| {
                // Somebody who shows their token in a header of their own invention means it.
                let bears = ["Authorization", "Proxy-Authorization", "Cookie", "Sec-WebSocket-Protocol"].contains(&name.as_str());
                format!("{name}: {}\r\n", value.replace("TOKEN", if bears { &token } else { "text" }))
            };
            let lines: String = headers.iter().map(line).collect();
            format!("GET /request-{number} HTTP/1.1\r\nHost: x\r\n{credential}\r\n{lines}\r\n")
        }).collect();
        let answers = runtime.block_on(all(machine.address, &sent));
        let mut seen: HashMap<String, _> = gateway.take().into_iter().map(|seen| (seen.target.clone(), seen)).collect();
        reached.set(reached.get() + seen.len());
        for (number, (headers, answer)) in batch.iter().zip(answers).enumerate() {
            prop_assert!(status(&answer).is_some_and(|status| status < 500), "{:?}: {}", headers, answer);
            prop_assert!(!answer.contains(&token) && !answer.contains(&session), "{:?}: a secret in {}", headers, answer);
            let Some(seen) = seen.remove(&format!("/request-{number}")) else { continue };
            if let Err(why) = is_ours(&seen.headers) {
                prop_assert!(false, "{:?}: {}", headers, why);
            }
            let text: String = seen.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))).collect();
            prop_assert!(!text.contains(&token) && !text.contains(&session), "{:?}: the gateway learned a secret: {}", headers, text);
        }
        prop_assert!(seen.is_empty(), "the gateway was asked more than was sent: {:?}", seen);
    });
    assert!(reached.get() > 100, "only {} requests got through: nothing was tested", reached.get());
    check_log(&machine, &[&token, &session]);
}
