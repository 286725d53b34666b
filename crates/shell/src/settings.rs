use std::cell::RefCell;

use flows::Deployment;
use url::Url;

use crate::export::ExportSettings;

/// Where settings come from: the process environment, or a map that stands for it.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Settings are missing or malformed; every one of them is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings are incomplete: {}", .problems.join("; "))]
pub struct SettingsError {
    /// One sentence for each.
    pub problems: Vec<String>,
}

/// Reads settings and remembers what is wrong with them.
pub struct Reader<'e> {
    environment: Environment<'e>,
    problems: RefCell<Vec<String>>,
}

/// Reads a function's settings.
///
/// # Errors
/// One error that names everything missing or malformed.
pub fn read_settings<T>(environment: Environment<'_>, read: impl FnOnce(&Reader<'_>) -> T) -> Result<T, SettingsError> {
    let reader = Reader { environment, problems: RefCell::default() };
    let settings = read(&reader);
    let problems = reader.problems.into_inner();
    if problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems }) }
}

impl Reader<'_> {
    /// A value that must be there; empty counts as absent.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(format!("{name} is not set"));
            String::new()
        })
    }

    /// A value that may be absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    /// An absolute http or https address.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        self.optional_address(name).unwrap_or_else(|| self.text(name))
    }

    /// An absolute http or https address that may be absent.
    #[must_use]
    pub fn optional_address(&self, name: &str) -> Option<String> {
        let text = self.optional(name)?;
        if !Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            self.problem(format!("{name} is not an http or https address"));
        }
        Some(text)
    }

    /// Values separated by commas; absent means none.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.optional(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Remembers what is wrong with a value. It is logged, and must not quote what may be secret.
    pub(crate) fn problem(&self, sentence: String) {
        self.problems.borrow_mut().push(sentence);
    }
}

/// What distinguishes this deployment.
#[derive(Debug, Clone)]
pub struct DeploymentSettings {
    /// Its name, its addresses, its images.
    pub deployment: Deployment,
}

impl DeploymentSettings {
    /// `ROCKPOOL_DEPLOYMENT`, `ROCKPOOL_INSTANCE_ADDRESS`, `ROCKPOOL_IMAGE_REPOSITORY`. What is wrong with [`ExportSettings`] is said
    /// here too: they take effect with the log, which belongs to every function and cannot refuse an invocation.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        drop(ExportSettings::read(reader));
        let name = reader.text("ROCKPOOL_DEPLOYMENT");
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        // An app is named rp-<deployment>-<32 digits>, in at most 62 characters.
        if name.len() > 20 || !name.bytes().all(label) {
            reader.problem("ROCKPOOL_DEPLOYMENT is not at most 20 lowercase letters and digits".to_owned());
        }
        let address = reader.address("ROCKPOOL_INSTANCE_ADDRESS");
        if !address.is_empty() && !address.contains("{app}") {
            reader.problem("ROCKPOOL_INSTANCE_ADDRESS does not contain {app}".to_owned());
        }
        Self { deployment: Deployment { name, address, image_repository: reader.text("ROCKPOOL_IMAGE_REPOSITORY") } }
    }
}

/// Where state is kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The DynamoDB table.
    pub table: String,
}

impl StoreSettings {
    /// `ROCKPOOL_TABLE`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self { table: reader.text("ROCKPOOL_TABLE") }
    }
}

/// A queue of Amazon SQS.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// Its URL.
    pub url: String,
}

impl QueueSettings {
    /// `ROCKPOOL_FLOW_QUEUE_URL`: runs to move on.
    #[must_use]
    pub fn flow(reader: &Reader<'_>) -> Self {
        Self { url: reader.address("ROCKPOOL_FLOW_QUEUE_URL") }
    }

    /// `ROCKPOOL_HEALTH_QUEUE_URL`: shards of the fleet to check.
    #[must_use]
    pub fn health(reader: &Reader<'_>) -> Self {
        Self { url: reader.address("ROCKPOOL_HEALTH_QUEUE_URL") }
    }

    /// `ROCKPOOL_NOTICE_QUEUE_URL`: ended runs whose notices are to be delivered.
    #[must_use]
    pub fn notice(reader: &Reader<'_>) -> Self {
        Self { url: reader.address("ROCKPOOL_NOTICE_QUEUE_URL") }
    }
}

/// The provider.
#[derive(Debug, Clone)]
pub struct FlySettings {
    /// The root of the Machines API, without `/v1`.
    pub api: String,
    /// The organisation's slug.
    pub organisation: String,
    /// The secret that holds the organisation's token.
    pub token_secret: String,
}

impl FlySettings {
    /// `ROCKPOOL_FLY_API`, `ROCKPOOL_FLY_ORGANISATION`, `ROCKPOOL_FLY_TOKEN_SECRET`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            api: reader.address("ROCKPOOL_FLY_API"),
            organisation: reader.text("ROCKPOOL_FLY_ORGANISATION"),
            token_secret: reader.text("ROCKPOOL_FLY_TOKEN_SECRET"),
        }
    }
}

/// The keys that tenant machines are given the public halves of: what runs need.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// The secret that holds the Ed25519 key of instance tokens and links.
    pub access_secret: String,
    /// The secret that holds the Ed25519 key of control tokens.
    pub control_secret: String,
}

impl KeySettings {
    /// `ROCKPOOL_ACCESS_KEY_SECRET`, `ROCKPOOL_CONTROL_KEY_SECRET`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self { access_secret: reader.text("ROCKPOOL_ACCESS_KEY_SECRET"), control_secret: reader.text("ROCKPOOL_CONTROL_KEY_SECRET") }
    }
}

/// The keys of what callers of the API are given.
#[derive(Debug, Clone)]
pub struct CallerKeySettings {
    /// The secret that holds the Ed25519 key of instance tokens and links.
    pub access_secret: String,
    /// The secret that holds the key of pagination cursors.
    pub cursor_secret: String,
}

impl CallerKeySettings {
    /// `ROCKPOOL_ACCESS_KEY_SECRET`, `ROCKPOOL_CURSOR_KEY_SECRET`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self { access_secret: reader.text("ROCKPOOL_ACCESS_KEY_SECRET"), cursor_secret: reader.text("ROCKPOOL_CURSOR_KEY_SECRET") }
    }
}

/// Whose tokens the API takes.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// The exact `iss`.
    pub issuer: String,
    /// What `aud` must contain, if the issuer sets one.
    pub audience: Option<String>,
    /// Clients (`azp` or `client_id`) whose tokens are taken; none named means any.
    pub parties: Vec<String>,
}

impl IdentitySettings {
    /// `ROCKPOOL_OIDC_ISSUER`, `ROCKPOOL_OIDC_AUDIENCE`, `ROCKPOOL_OIDC_PARTIES`.
    #[must_use]
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            issuer: reader.address("ROCKPOOL_OIDC_ISSUER"),
            audience: reader.optional("ROCKPOOL_OIDC_AUDIENCE"),
            parties: reader.list("ROCKPOOL_OIDC_PARTIES"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_names_everything_that_is_missing_or_malformed() {
        let environment = |name: &str| match name {
            "ROCKPOOL_DEPLOYMENT" => Some("Prod".to_owned()),
            "ROCKPOOL_INSTANCE_ADDRESS" => Some("https://fly.dev".to_owned()),
            "ROCKPOOL_FLOW_QUEUE_URL" => Some("queue".to_owned()),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("collector:4318".to_owned()),
            _ => None,
        };
        let error = read_settings(&environment, |reader| {
            (DeploymentSettings::read(reader), StoreSettings::read(reader), QueueSettings::flow(reader))
        })
        .expect_err("nothing of this is right");
        assert_eq!(
            error.problems,
            [
                "OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https address",
                "ROCKPOOL_DEPLOYMENT is not at most 20 lowercase letters and digits",
                "ROCKPOOL_INSTANCE_ADDRESS does not contain {app}",
                "ROCKPOOL_IMAGE_REPOSITORY is not set",
                "ROCKPOOL_TABLE is not set",
                "ROCKPOOL_FLOW_QUEUE_URL is not an http or https address",
            ]
        );
    }

    #[test]
    fn lists_are_trimmed_and_absent_ones_are_empty() {
        let environment = |name: &str| (name == "PARTIES").then(|| " a, b,,".to_owned());
        let lists = read_settings(&environment, |reader| (reader.list("PARTIES"), reader.list("OTHERS")));
        assert_eq!(lists, Ok((vec!["a".to_owned(), "b".to_owned()], Vec::new())));
    }
}
