//! A function that does what its events say, over the Runtime API's four calls written out by hand: what the emulator is tested with
//! shares no code with the runtime that real functions use.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const API: &str = "/2018-06-01/runtime";

fn main() {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("the emulator says where it is");
    match std::env::var("SUBJECT").unwrap_or_default().as_str() {
        "refuses" => {
            call(&address, "POST", &format!("{API}/init/error"), r#"{"errorType":"NoSettings","errorMessage":"there are none"}"#);
            std::process::exit(1);
        }
        "exits" => std::process::exit(7),
        _ => {}
    }
    loop {
        let (headers, event) = call(&address, "GET", &format!("{API}/invocation/next"), "");
        let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        let id = header("lambda-runtime-aws-request-id:");
        let respond = |answer: &str| call(&address, "POST", &format!("{API}/invocation/{id}/response"), answer).0[0].clone();
        match event.trim_matches('"') {
            "report" => {
                let report = r#"{"errorType":"Trouble","errorMessage":"it is a test","stackTrace":[]}"#;
                call(&address, "POST", &format!("{API}/invocation/{id}/error"), report);
            }
            "exit" => std::process::exit(3),
            "hang" => std::thread::sleep(Duration::from_secs(3600)),
            "work" => {
                let began = std::time::Instant::now();
                while began.elapsed() < Duration::from_millis(200) {}
                respond("done");
            }
            "environment" => {
                let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
                names.sort();
                respond(&names.join(" "));
            }
            "headers" => {
                let names = ["deadline-ms", "invoked-function-arn", "trace-id"];
                respond(&names.map(|name| header(&format!("lambda-runtime-{name}:"))).join(" "));
            }
            "process" => {
                println!("a line of its log");
                respond(&std::process::id().to_string());
            }
            "answers another" => {
                let wrong = call(&address, "POST", &format!("{API}/invocation/00000000-0000-0000-0000-000000000000/response"), "\"no\"").0;
                respond(&wrong[0]);
            }
            "asks twice" => {
                let refused = call(&address, "GET", &format!("{API}/invocation/next"), "").0;
                respond(&refused[0]);
            }
            _ if event.contains("rawPath") => {
                let body = event.replace('\\', "\\\\").replace('"', "\\\"");
                respond(&format!(
                    r#"{{"statusCode":201,"headers":{{"x-one":"1"}},"cookies":["a=b"],"body":"{body}","isBase64Encoded":false}}"#
                ));
            }
            _ => {
                respond(&event);
            }
        }
    }
}

/// The status line and the headers in lower case, and the body.
fn call(address: &str, method: &str, path: &str, body: &str) -> (Vec<String>, String) {
    let mut stream = TcpStream::connect(address).expect("the runtime API listens");
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    for line in reader.by_ref().lines() {
        let line = line.expect("it answers");
        if line.is_empty() {
            break;
        }
        headers.push(line.to_lowercase());
    }
    let mut answer = String::new();
    reader.read_to_string(&mut answer).expect("its answer is a text");
    (headers, answer)
}
