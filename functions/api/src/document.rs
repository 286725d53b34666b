//! The API's description (OpenAPI 3.1), made from the handlers themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::routes::{actions, catalogue, description, health, instances, operations};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rockpool",
        description = "Hosted OpenClaw and Clawdbot gateways. What takes time is answered with 202 and an operation to follow. Every error is a problem document (RFC 9457) whose `type` never changes its meaning.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "instances", description = "Hosted gateways and what can be asked of them"),
        (name = "operations", description = "What is being done, step by step"),
        (name = "catalogue", description = "What is on sale, for everybody to see"),
        (name = "service", description = "The service itself")
    ),
    components(schemas(edge::ProblemDocument)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        scheme.description = Some("An access token of the OpenID Connect issuer that this service trusts.".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The description of the API, as `/openapi.json` serves it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(instances::create, instances::list))
        .routes(routes!(instances::get, instances::patch, instances::delete))
        .routes(routes!(actions::start))
        .routes(routes!(actions::stop))
        .routes(routes!(actions::restart))
        .routes(routes!(actions::access))
        .routes(routes!(operations::of_instance))
        .routes(routes!(operations::get))
        .routes(routes!(operations::cancel))
        .routes(routes!(catalogue::plans))
        .routes(routes!(catalogue::regions))
        .routes(routes!(health::health))
        .route("/openapi.json", axum::routing::get(description::openapi_json))
}
