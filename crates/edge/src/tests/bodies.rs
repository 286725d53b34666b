use super::*;
use crate::BODY_LIMIT;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post_wish(body: &str) -> Answer {
    ask("POST", "/wish", &[JSON], body.to_owned()).await
}

#[tokio::test]
async fn a_good_body_reaches_the_handler() {
    let answer = post_wish(r#" {"name":"a","size":7,"tags":[{"key":"x"}]} "#).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["size"], 7);
    let same = post_wish(r#" {"name":"a","size":7,"tags":[{"key":"x"}]} "#).await;
    let other = post_wish(r#"{"name":"a","size":7,"tags":[{"key":"x"}]}"#).await;
    assert_eq!(answer.json()["digest"], same.json()["digest"]);
    assert_ne!(answer.json()["digest"], other.json()["digest"]);
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_place() {
    for body in [
        "",
        "{",
        "nul",
        "{\"name\":\"a\"} x",
        "{'name':'a'}",
        "{\"name\":\"a\",}",
        "\u{feff}{}",
        &format!("{{\"name\":{}", "[".repeat(1000)),
        "\0",
        "[1,",
        r#"{"name":7,"#,
        r#"{"siez":7,}"#,
    ] {
        let answer = post_wish(body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "not-json"), "{body}: {}", answer.text);
    }
    let answer = ask("POST", "/wish", &[JSON], vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}']).await;
    assert_eq!(answer.problem(), "not-json");
    assert!(post_wish("{\"name\": x}").await.json()["detail"].as_str().unwrap().contains("line 1 column 10"));
}

#[tokio::test]
async fn json_of_another_form_is_refused_and_names_the_field() {
    for (body, kind, field, word) in [
        ("[]", "wrong-type", json!(null), "expected a JSON object"),
        (r#" ["a",7,[]]"#, "wrong-type", json!(null), "expected a JSON object"),
        ("7", "wrong-type", json!(null), "expected struct"),
        ("null", "wrong-type", json!(null), "expected struct"),
        ("{}", "invalid-body", json!(null), "missing field `name`"),
        (r#"{"name":7}"#, "wrong-type", json!("name"), "expected a string"),
        (r#"{"name":null}"#, "wrong-type", json!("name"), "expected a string"),
        (r#"{"name":"a","size":-1}"#, "wrong-type", json!("size"), "expected u32"),
        (r#"{"name":"a","size":1e99}"#, "wrong-type", json!("size"), "expected u32"),
        (r#"{"name":"a","size":"1"}"#, "wrong-type", json!("size"), "expected u32"),
        (r#"{"name":"a","tags":[{"key":"x"},{"key":7}]}"#, "wrong-type", json!("tags[1].key"), "expected a string"),
        (r#"{"name":"a","tags":[{}]}"#, "invalid-body", json!("tags[0]"), "missing field `key`"),
        (r#"{"name":"a","name":"b"}"#, "invalid-body", json!(null), "duplicate field `name`"),
    ] {
        let answer = post_wish(body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, kind), "{body}: {}", answer.text);
        assert_eq!(answer.json()["field"], field, "{body}: {}", answer.text);
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_field_is_named_with_those_that_exist() {
    let answer = post_wish(r#"{"name":"a","siez":7}"#).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "unknown-field"));
    assert_eq!(answer.json()["field"], "siez");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, "There is no field `siez` here: expected one of `name`, `size`, `tags`. Remove it or correct its spelling.");
    assert_eq!(post_wish(r#"{"name":"a","tags":[{"key":"x","kye":"y"}]}"#).await.json()["field"], "tags[0].kye");
}

#[tokio::test]
async fn the_meaning_of_a_body_is_checked_too() {
    let answer = post_wish(r#"{"name":"Not A Label"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "name-invalid"));
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let body = |length: usize| r#"{"name":"a"}"#.to_owned() + &" ".repeat(length - 12);
    assert_eq!(post_wish(&body(BODY_LIMIT)).await.status, 200);
    let answer = post_wish(&body(BODY_LIMIT + 1)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "body-too-large"));
    assert_eq!(answer.json()["limit_bytes"], BODY_LIMIT);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_our_fault() {
    let pieces = [Ok("{\"name\":"), Err(std::io::Error::other("connection reset"))];
    let body = Body::from_stream(futures::stream::iter(pieces));
    let answer = ask("POST", "/wish", &[JSON], body).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "not-json"));
    assert!(!answer.text.contains("connection reset"));
}

#[tokio::test]
async fn only_json_in_utf_8_is_read() {
    let good = r#"{"name":"a"}"#;
    for media in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/merge-patch+json",
    ] {
        assert_eq!(ask("POST", "/wish", &[("content-type", media)], good).await.status, 200, "{media}");
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "text/json",
        "application/json; charset=utf-16",
        "",
        "json",
    ] {
        let answer = ask("POST", "/wish", &[("content-type", media)], good).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (415, "unsupported-media-type"), "{media}");
    }
    assert_eq!(ask("POST", "/wish", &[], good).await.problem(), "unsupported-media-type");
}

#[tokio::test]
async fn an_optional_body_may_be_missing_but_not_bad() {
    assert_eq!(ask("POST", "/maybe", &[], "").await.json(), json!(null));
    assert_eq!(ask("POST", "/maybe", &[JSON], "").await.json(), json!(null));
    assert_eq!(ask("POST", "/maybe", &[JSON], r#"{"name":"a"}"#).await.json(), json!("a"));
    assert_eq!(ask("POST", "/maybe", &[JSON], "{").await.problem(), "not-json");
    assert_eq!(ask("POST", "/maybe", &[], "{}").await.problem(), "unsupported-media-type");
}

#[tokio::test]
async fn a_long_value_is_not_sent_back_whole() {
    let answer = post_wish(&format!(r#"{{"name":"a","size":"{}"}}"#, "x".repeat(60_000))).await;
    assert_eq!(answer.problem(), "wrong-type");
    assert!(answer.json()["detail"].as_str().unwrap().contains("Correct it"), "what to do was cut off: {}", answer.text);
    assert!(answer.text.len() < 1000, "{} bytes", answer.text.len());
}
