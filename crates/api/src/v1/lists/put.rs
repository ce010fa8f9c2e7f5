//! `PUT /v1/apps/{app}/lists/{name}`: a list, uploaded. The file is read as it arrives, and nothing of it is
//! stored before its last row was read.

use super::ListView;
use super::names::{Name, Reader, UploadParams};
use super::tally::Tally;
use crate::answer;
use crate::auth::Caller;
use crate::body::{is_ndjson, media_type, wrong_media_type};
use crate::params::{Params, PathOf, plain_name};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::stream::csv::Csv;
use crate::stream::frames::Frames;
use crate::stream::lines::Lines;
use crate::stream::{Rows, permit};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use carillon_engine::list::ListUpload;
use carillon_model::id::AppNo;
use carillon_ports::list::ListPut;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES;
    REQUEST_SYNTAX, REQUEST_CONTENT_TYPE, REQUEST_INVALID, REQUEST_LATE, REQUEST_TOO_LARGE, LIST_LIMIT);

/// Whether it is an upload: it has a deadline of its own, see [`crate::Limits::list_deadline`].
pub(crate) fn is_upload(request: &Request) -> bool {
    let mut parts = request.uri().path().split('/').skip(2);
    request.method() == Method::PUT && (parts.next(), parts.nth(1)) == (Some("apps"), Some("lists"))
}

/// Upload a list.
///
/// CSV (the first row names the columns) or NDJSON, a device, a user or a push token for each row. A column or
/// field `device`, `user` or `push_token` says who is meant; or `by` and `column` say which one does. Other columns are
/// not looked at. A user means all of his devices, as they are now. The new list takes the place of what had its name
/// when its last row was read and everything is stored; until then, and when the upload breaks off or fails, the old one
/// stays. Rows that name nobody here, and rows that cannot be read, are counted, and the lines of the first ones named; the
/// others go in. A file that names nobody at all is refused. Needs the scope `devices`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/lists/{name}", operation_id = "list_put", tag = "lists",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the list: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
        UploadParams,
    ),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "The list of this name is the uploaded one now.", body = ListView),
        (status = 201, description = "Made.", body = ListView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<UploadParams>,
    request: Request,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices])?;
    plain_name("name", &name, 64)?;
    if !api.engine.list_has_room(app.no, &name) {
        return Err(too_many());
    }
    let is_csv = media_type(request.headers()).eq_ignore_ascii_case("text/csv");
    if !is_csv && !is_ndjson(media_type(request.headers())) {
        return Err(wrong_media_type(
            request.headers(),
            "text/csv or application/x-ndjson",
        ));
    }
    let _permit = permit(&api)?;
    let frames = Frames::new(request.into_body(), &api.limits);
    let gateways = api.engine.gateways();
    let mut tally = Tally::default();
    if is_csv {
        let mut rows = Csv::new(frames, api.limits.line_bytes);
        let first = rows.first().await?;
        let (reader, is_row) = Reader::of_rows(&params, gateways, first.as_ref())?;
        let begun = first.filter(|_| is_row).map(|row| (1, reader.row(&row)));
        let read = |row: &_| reader.row(row);
        read_all(&api, app.no, &reader, rows, begun, read, &mut tally).await?;
    } else {
        let reader = Reader::of_lines(&params, gateways)?;
        let rows = Lines::new(frames, api.limits.line_bytes);
        let read = |line: &_| reader.line(line);
        read_all(&api, app.no, &reader, rows, None, read, &mut tally).await?;
    }
    tally.check()?;
    store(&api, &caller, app.no, name, tally).await
}

/// Reads to the end, group by group. Who sends faster than groups are looked up waits.
async fn read_all<R: Rows>(
    api: &Api,
    app: AppNo,
    reader: &Reader,
    mut rows: R,
    begun: Option<(u64, Result<Name, String>)>,
    read: impl Fn(&R::Row) -> Result<Name, String>,
    tally: &mut Tally,
) -> Result<(), Problem> {
    let most = api.limits.group_lines.clamp(1, 1_000);
    let mut group: Vec<_> = begun.into_iter().collect();
    let mut more = true;
    while more {
        while let Some((line, row)) = rows.ready() {
            group.push((line, read(&row)));
            if group.len() >= most {
                tally
                    .add(api, app, reader.kind(), std::mem::take(&mut group))
                    .await?;
            }
        }
        more = rows.fill().await?;
    }
    while let Some((line, row)) = rows.ready() {
        group.push((line, read(&row)));
    }
    tally.add(api, app, reader.kind(), group).await
}

/// Stores it, also when the client goes away now: its rows were all read.
async fn store(
    api: &Api,
    caller: &Caller,
    app: AppNo,
    name: String,
    tally: Tally,
) -> Result<Response, Problem> {
    let Tally {
        devices,
        counts,
        unknown_lines,
        bad_lines,
    } = tally;
    let upload = ListUpload {
        app,
        name,
        devices,
        counts,
    };
    let (by, shared) = (caller.actor(), Api::clone(api));
    let put = answer::change(
        api,
        async move { Ok(shared.engine.put_list(upload, by).await?) },
    );
    match put.await? {
        ListPut::Stored(stored) => {
            let mut view = ListView::of(&stored)?;
            view.upload.unknown_lines = Some(&unknown_lines);
            view.upload.bad_lines = Some(&bad_lines);
            let status = match stored.version {
                1 => StatusCode::CREATED,
                _ => StatusCode::OK,
            };
            answer::json(status, &view)
        }
        ListPut::TooMany => Err(too_many()),
        ListPut::Gone => Err(Problem::new(
            &codes::APP_UNKNOWN,
            "the App was deleted while its list was stored, or storing took longer than engine.list_grace",
        )),
    }
}

fn too_many() -> Problem {
    Problem::new(
        &codes::LIST_LIMIT,
        "the App has as many lists as it may (engine.lists_per_app)",
    )
}
