//! The one HTTP client of a process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// No HTTP client could be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The cryptography offers none of the protocol versions.
    #[error("the TLS client could not be configured")]
    Tls(#[from] rustls::Error),
    /// The file that `AWS_CA_BUNDLE` names.
    #[error("the certificates in {path} (AWS_CA_BUNDLE) cannot be used: {why}")]
    Bundle {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The client itself.
    #[error("the HTTP client could not be built")]
    Build(#[from] reqwest::Error),
}

/// A client that trusts Mozilla's root certificates, compiled in: reading the system's costs 4.5 ms at each start of a function. Where
/// `AWS_CA_BUNDLE` names a file, it trusts the certificates in it too, as AWS's own tools do
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>): for a proxy that opens connections, and for tests.
///
/// It follows no redirects: none of our peers sends any, and a bearer token must not travel to where one points.
///
/// # Errors
/// If the TLS library cannot be configured.
pub fn client() -> Result<reqwest::Client, HttpClientError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(bundle) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        trust(&mut roots, Path::new(&bundle))?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(30))
        .dns_resolver(LoopbackNames)
        .build()?)
}

fn trust(roots: &mut RootCertStore, bundle: &Path) -> Result<(), HttpClientError> {
    let unusable = |why: String| HttpClientError::Bundle { path: bundle.display().to_string(), why };
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(|error| unusable(error.to_string()))? {
        roots.add(certificate.map_err(|error| unusable(error.to_string()))?).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(())
}

/// The addresses of a host. Names under `localhost` are this machine (RFC 6761, section 6.3): browsers and curl know it, `getaddrinfo`
/// does not. All other names are the system's to resolve.
///
/// # Errors
/// If the system cannot resolve the name.
pub async fn resolve(host: &str) -> std::io::Result<std::vec::IntoIter<SocketAddr>> {
    if is_loopback(host) {
        return Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)].into_iter());
    }
    Ok(tokio::net::lookup_host((host, 0)).await?.collect::<Vec<_>>().into_iter())
}

fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name == "localhost" || name.ends_with(".localhost")
}

#[derive(Debug, Clone, Copy)]
struct LoopbackNames;

impl Resolve for LoopbackNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(resolve(name.as_str()).await?) as Addrs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_cannot_be_used_is_named() {
        let mut roots = RootCertStore::empty();
        let error = trust(&mut roots, Path::new("/nowhere/bundle.pem")).expect_err("there is no such file");
        assert!(error.to_string().contains("/nowhere/bundle.pem (AWS_CA_BUNDLE)"), "{error}");
    }

    #[test]
    fn a_name_that_only_looks_like_localhost_is_not_this_machine() {
        for name in ["localhost", "localhost.", "a.localhost", "a.b.localhost."] {
            assert!(is_loopback(name), "{name}");
        }
        for name in ["xlocalhost", "localhost.example", "a.localhost.example", "localhost..", ""] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
