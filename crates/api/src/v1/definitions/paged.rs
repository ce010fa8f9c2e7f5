//! People whom pages are for, and whom none would reach.

use crate::problem::Problem;
use crate::state::Api;
use carillon_model::app::App;
use carillon_model::problem::FieldProblem;

/// A warning for each of these people, written at these places, who has no device for pages: it is told once, and is no
/// refusal, because whoever is new registers later.
pub(crate) async fn unreached(
    api: &Api,
    app: &App,
    people: Vec<(String, &str)>,
) -> Result<Vec<FieldProblem>, Problem> {
    let users = people.iter().map(|(_, user)| (*user).to_owned()).collect();
    let mut without = api.engine.without_phone(app.no, users).await?;
    let told = people.into_iter().filter(|(_, user)| without.remove(*user));
    let warning = |(pointer, user): (String, &str)| {
        FieldProblem::new(
            pointer,
            "on_call.no_device",
            format!(
                "expected a user who has a device with a push token, found {user:?} without one: nobody is reached by their pages; register a device with this `user_id`, or correct the name"
            ),
        )
    };
    Ok(told.map(warning).collect())
}
