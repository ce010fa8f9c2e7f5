//! The page of error codes, `docs/errors.md`, also served at `/docs/errors`: each problem's `type`
//! points into it.

use super::codes::ALL;
use super::fields;
use std::fmt::Write as _;

/// The page as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Error codes\n\n\
         <!-- Written from crates/api/src/problem/codes.rs. To change it, change the table and run\n     \
         CARILLON_UPDATE=1 cargo test -p carillon-api -->\n\n\
         Every error answer is a problem document (RFC 9457, `application/problem+json`). `code` never\n\
         changes its meaning; `title` and `detail` are for people and may. `errors` names each bad field\n\
         by a JSON pointer, `request_id` is what the log has, `gateway` has the gateway's own words.\n\n",
    );
    for code in ALL {
        let _ = write!(
            out,
            "<a id=\"{0}\"></a>\n### `{0}` ({1})\n\n{2}. {3}\n\n",
            code.code, code.status, code.title, code.mend
        );
    }
    out.push_str(
        "## Codes of single fields\n\n\
         In `errors[].code`, beside `request.invalid` and `request.parameter`. Codes that begin with the\n\
         name of a gateway (`apns.…`) are that gateway's own rules.\n\n\
         | code | rule |\n| --- | --- |\n",
    );
    for (code, rule) in fields::all() {
        let _ = writeln!(out, "| `{code}` | {rule} |");
    }
    out
}
