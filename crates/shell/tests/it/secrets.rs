use aws_sim::{AwsSim, Options, Verdict};
use secrecy::ExposeSecret;
use serde_json::json;
use shell::{KeySettings, Keys, PlatformSecrets, SecretError};

async fn secrets(held: &[(&str, &str)]) -> (AwsSim, PlatformSecrets) {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    for (name, text) in held {
        aws.secrets_manager().create_secret().name(*name).secret_string(*text).send().await.unwrap();
    }
    let secrets = PlatformSecrets::new(aws.secrets_manager());
    (aws, secrets)
}

#[tokio::test]
async fn a_secret_of_the_platform_is_its_text() {
    let (_, secrets) = secrets(&[("token", "hush-hush")]).await;
    let text = secrets.text("token").await.unwrap();
    assert_eq!(text.expose_secret(), "hush-hush");
    assert!(!format!("{text:?} {secrets:?}").contains("hush-hush"));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named_and_not_shown() {
    let (aws, secrets) = secrets(&[]).await;
    let Err(error) = secrets.text("absent").await else { panic!("there is none") };
    assert!(error.to_string().contains("absent") && error.to_string().contains("ResourceNotFoundException"), "{error}");
    let unreadable =
        [json!({ "SecretString": "hush-hush", "CreatedDate": "yesterday" }), json!({ "SecretBinary": "aHVzaC1odXNo", "Name": "bytes" })];
    for answer in unreadable {
        aws.set_fault(move |_| Verdict::Answer(answer.clone()));
        let Err(error) = secrets.text("odd").await else { panic!("it has no text") };
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hush-hush") && !said.contains("aHVzaC1odXNo"), "{said}");
    }
}

#[tokio::test]
async fn what_is_no_key_signs_nothing_and_is_not_shown() {
    let key = access::SigningKey::generate().unwrap().expose_text();
    let (_, secrets) = secrets(&[("good", &key), ("bad", "hush-hush")]).await;
    let settings = |access: &str| KeySettings { access_secret: access.to_owned(), control_secret: "good".to_owned() };
    let keys = Keys::read(&secrets, &settings("good")).await.unwrap();
    assert!(keys.public().access.contains("Ed25519") && !keys.public().access.contains(&key), "machines get the public halves");
    let Err(error) = Keys::read(&secrets, &settings("bad")).await else { panic!("it is no key") };
    assert!(matches!(&error, SecretError::Malformed { name, .. } if name == "bad"), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hush-hush"));
}
