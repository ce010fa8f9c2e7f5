//! Users: people, known only by the ids that devices name.

pub(crate) mod erase;

use crate::auth::Caller;
use crate::problem::Problem;
use carillon_model::app::App;
use carillon_ports::registry::Scope;

/// Longest id of a user, in bytes.
const MAX_USER_ID: usize = 128;

/// The App of the path, when the caller may speak for this user of it: with one of these scopes for
/// anybody. Whoever else may speak for himself alone is let in here, and nowhere else.
pub(crate) fn spoken_for<'d>(
    caller: &'d Caller,
    app: &str,
    user_id: &str,
    any_of: &[Scope],
) -> Result<&'d App, Problem> {
    let app = caller.app(app, any_of)?;
    if user_id.is_empty() || user_id.len() > MAX_USER_ID {
        return Err(Problem::parameter(
            "user_id",
            "device.user_id",
            format!("expected 1 to {MAX_USER_ID} bytes, found {}", user_id.len()),
        ));
    }
    Ok(app)
}
