//! The problems of an operation as OpenAPI responses: one response for each status, whose schema
//! says which codes it may carry. Tests read the codes back from there.

use super::CONTENT_TYPE;
use super::codes::Code;
use std::collections::BTreeMap;
use utoipa::PartialSchema;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Documents these problems.
pub(crate) fn responses(groups: &[&[&'static Code]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&'static Code>> = BTreeMap::new();
    for code in groups.iter().flat_map(|group| group.iter()) {
        let codes = by_status.entry(code.status).or_default();
        if !codes.contains(code) {
            codes.push(code);
        }
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), response(status, &codes).into()))
        .collect()
}

fn response(status: u16, codes: &[&'static Code]) -> Response {
    let lines = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.code, code.title));
    let code = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(codes.iter().map(|code| code.code)));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("code", code));
    let mut response = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("; "))
        .content(
            CONTENT_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        );
    if matches!(status, 429 | 503) {
        let seconds = HeaderBuilder::new()
            .schema(Some(u32::schema()))
            .description(Some("Seconds after which to repeat."))
            .build();
        response = response.header("Retry-After", seconds);
    }
    response.build()
}

/// Declares the problems of the operation beside it: `problems!(GUARDED, [REQUEST_CURSOR])` makes
/// the type `Problems` for its `responses(..)`.
macro_rules! problems {
    ($($group:ident),* $(; $($code:ident),* $(,)?)?) => {
        /// What can go wrong here.
        pub(crate) struct Problems;
        impl utoipa::IntoResponses for Problems {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::response::Response>,
            > {
                $crate::problem::document::responses(&[
                    $($crate::problem::codes::groups::$group,)*
                    $(&[$(&$crate::problem::codes::$code),*])?
                ])
            }
        }
    };
}
pub(crate) use problems;
