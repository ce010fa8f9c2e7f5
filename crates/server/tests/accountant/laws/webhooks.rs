//! Every event of the log reaches the living endpoint of its App, at least once, always under one id and with a signature that
//! fits; each notification is told to be completed exactly once; and neither an endpoint that takes nothing nor one that is
//! gone holds up the others; and one that is gone is left alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::books::Books;
use crate::books::webhooks::{HookCall, Temper};

/// Most calls that an endpoint may get which answers each with 410: those of one turn, and of a few more whose end a crash
/// kept from being written down. One that is not left alone gets thousands.
const MOST_CALLS_OF_GONE: usize = 24;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    calls(books, &mut found);
    completions(books, &mut found);
    endpoints(books, &mut found);
    found
}

fn calls(books: &Books, found: &mut Vec<String>) {
    let mut ids: HashMap<(u32, Temper, i64), &str> = HashMap::new();
    let mut owners: HashMap<&str, (u32, Temper, i64)> = HashMap::new();
    let mut taken: HashSet<(u32, i64)> = HashSet::new();
    for call in &books.hooks.calls {
        let place = (call.app, call.temper, call.no);
        let app = &books.apps[call.app as usize].id;
        if !call.is_signed {
            found.push(format!(
                "event {} of App {app} was told without a signature that fits",
                call.no
            ));
        }
        let first = ids.entry(place).or_insert(&call.id);
        if *first != call.id {
            found.push(format!(
                "event {} of App {app} was told as {first} and as {}",
                call.no, call.id
            ));
        }
        let owner = owners.entry(&call.id).or_insert(place);
        if *owner != place {
            found.push(format!("{} stands for two events or endpoints", call.id));
        }
        if call.temper == Temper::Living && call.is_taken {
            taken.insert((call.app, call.no));
        }
    }
    for event in &books.hooks.log {
        if !taken.contains(&(event.app, event.no)) {
            let app = &books.apps[event.app as usize].id;
            found.push(format!("event {} of App {app} was never told", event.no));
        }
    }
}

fn completions(books: &Books, found: &mut Vec<String>) {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for event in &books.hooks.log {
        for id in &event.completed {
            *times.entry(id).or_default() += 1;
        }
    }
    let apps: HashSet<u32> = books
        .hooks
        .endpoints
        .iter()
        .map(|endpoint| endpoint.app)
        .collect();
    for (_, asked, kept) in books.notifications() {
        let Some((id, _)) = &asked.accepted else {
            continue;
        };
        if kept.open > 0 || !apps.contains(&asked.app) {
            continue;
        }
        let times = times.get(id.as_str()).copied().unwrap_or(0);
        if times != 1 {
            found.push(format!(
                "{id} is completed, and that is logged {times} times"
            ));
        }
    }
}

fn endpoints(books: &Books, found: &mut Vec<String>) {
    for endpoint in &books.hooks.endpoints {
        let app = &books.apps[endpoint.app as usize].id;
        let name = endpoint.temper.name();
        let of_it = |call: &&HookCall| call.app == endpoint.app && call.temper == endpoint.temper;
        let calls = || books.hooks.calls.iter().filter(of_it);
        match endpoint.temper {
            Temper::Living if !endpoint.is_enabled => {
                found.push(format!("the endpoint {name} of App {app} is disabled"));
            }
            Temper::Living if endpoint.queued > 0 => found.push(format!(
                "{} events of App {app} still wait for the endpoint {name}",
                endpoint.queued
            )),
            Temper::Gone if endpoint.is_enabled && calls().next().is_some() => {
                found.push(format!(
                    "the endpoint of App {app} that is gone is not disabled"
                ));
            }
            Temper::Gone if calls().count() > MOST_CALLS_OF_GONE => found.push(format!(
                "the endpoint of App {app} that is gone was called {} times all the same",
                calls().count()
            )),
            Temper::Living | Temper::Dead | Temper::Gone => {}
        }
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::webhooks::{Endpoint, HookCall, Temper};
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn an_event_that_is_never_told_is_found() {
        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books
            .0
            .hooks
            .calls
            .retain(|call| call.temper != Temper::Living);
        books.breaks(&[Law::Webhooks], "event 1 of App app was never told");

        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books.0.hooks.calls[0].is_taken = false;
        books.breaks(&[Law::Webhooks], "event 1 of App app was never told");
    }

    #[test]
    fn another_id_at_the_second_attempt_is_found() {
        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        let mut again = books.0.hooks.calls[0].clone();
        again.id = "evt_other".into();
        books.0.hooks.calls.push(again);
        books.breaks(&[Law::Webhooks], "event 1 of App app was told as");
    }

    #[test]
    fn an_id_that_is_shared_and_a_bad_signature_are_found() {
        let mut books = true_books();
        books.log(&["ntf_0"]);
        books.log(&["ntf_1"]);
        let first = books.0.hooks.calls[0].id.clone();
        for call in &mut books.0.hooks.calls {
            call.id = first.clone();
        }
        books.breaks(&[Law::Webhooks], "stands for two");

        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books.0.hooks.calls[0].is_signed = false;
        books.breaks(&[Law::Webhooks], "without a signature that fits");
    }

    #[test]
    fn a_completion_that_is_logged_twice_or_never_is_found() {
        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books.log(&["ntf_1"]);
        books.breaks(
            &[Law::Webhooks],
            "ntf_1 is completed, and that is logged 2 times",
        );

        let mut books = true_books();
        books.log(&["ntf_0"]);
        books.breaks(
            &[Law::Webhooks],
            "ntf_1 is completed, and that is logged 0 times",
        );
    }

    #[test]
    fn a_living_endpoint_that_waits_or_is_disabled_is_found() {
        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books.0.hooks.endpoints[0].queued = 3;
        books.breaks(&[Law::Webhooks], "3 events of App app still wait");

        let mut books = true_books();
        books.log(&["ntf_0", "ntf_1"]);
        books.0.hooks.endpoints[0].is_enabled = false;
        books.breaks(&[Law::Webhooks], "is disabled");
    }

    #[test]
    fn an_endpoint_that_is_gone_and_called_on_and_on_is_found() {
        let called = |times: usize| {
            let mut books = true_books();
            books.log(&["ntf_0", "ntf_1"]);
            let hooks = &mut books.0.hooks;
            let (app, no) = (hooks.calls[0].app, hooks.calls[0].no);
            hooks.endpoints.push(Endpoint {
                app,
                temper: Temper::Gone,
                is_enabled: false,
                queued: 0,
            });
            let call = HookCall {
                app,
                temper: Temper::Gone,
                id: "evt_gone".into(),
                no,
                is_signed: true,
                is_taken: false,
            };
            hooks.calls.extend(std::iter::repeat_n(call, times));
            books
        };
        called(24).holds();
        called(25).breaks(&[Law::Webhooks], "gone was called 25 times all the same");
    }

    #[test]
    fn every_event_told_is_fine() {
        let mut books = true_books();
        books.log(&["ntf_0"]);
        books.log(&["ntf_1"]);
        books.0.hooks.endpoints[1].queued = 9;
        books.holds();
    }
}
