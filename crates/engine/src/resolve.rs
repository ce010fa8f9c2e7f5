//! Explicit targets become recipients: devices, users and raw push tokens, asked of the store in bulk
//! for all notifications of a request.
//!
//! The push tokens themselves are not read here: that is done when a batch is sent.

use crate::hub::Hub;
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::AppNo;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::target::Target;
use carillon_ports::store::{Recipient, StoreError};
use std::collections::HashMap;

/// Most users whose devices are read in one go: one by one each would wait its turn among what else is read,
/// and all at once would let the others wait.
const USERS_AT_ONCE: usize = 500;

/// A target to resolve.
pub(crate) struct Question<'a> {
    pub(crate) target: &'a Target,
    pub(crate) reach: Reach,
    /// For raw push tokens.
    pub(crate) declared: TokenEnvironment,
    /// It was accepted before and its time has come: who is not there is left out, and nobody is nobody.
    pub(crate) is_due: bool,
}

/// Whom it is for, or what is wrong with it.
pub(crate) type Answer = Result<Vec<Recipient>, Vec<FieldProblem>>;

/// Answers in the same order. Recipients ascend by device, each once. Targets without a list have no
/// recipients.
pub(crate) async fn resolve(
    hub: &Hub,
    app: AppNo,
    questions: &[Question<'_>],
    now: UnixMs,
) -> Result<Vec<Answer>, StoreError> {
    let mut answers: Vec<Answer> = questions.iter().map(|_| Ok(Vec::new())).collect();
    devices(hub, app, questions, &mut answers).await?;
    users(hub, app, questions, &mut answers).await?;
    push_tokens(hub, app, questions, &mut answers, now).await?;
    for (question, answer) in questions.iter().zip(&mut answers) {
        let Ok(recipients) = answer else {
            continue;
        };
        if !recipients.is_sorted_by(|a, b| a.device < b.device) {
            recipients.sort_by_key(|recipient| recipient.device);
            recipients.dedup_by_key(|recipient| recipient.device);
        }
        let is_list =
            !question.target.is_fanned_out() && !matches!(question.target, Target::Channel(_));
        if is_list && recipients.is_empty() && !question.is_due {
            *answer = Err(vec![FieldProblem::new(
                "/target",
                "target.nobody",
                "expected at least one recipient: none of these users has a device",
            )]);
        }
    }
    Ok(answers)
}

async fn devices(
    hub: &Hub,
    app: AppNo,
    questions: &[Question<'_>],
    answers: &mut [Answer],
) -> Result<(), StoreError> {
    /// Ids, and where each stands: item and entry.
    type Asked = (Vec<String>, Vec<(usize, usize)>);
    let mut asked: HashMap<Reach, Asked> = HashMap::new();
    for (item, question) in questions.iter().enumerate() {
        if let Target::Devices(ids) = question.target {
            let (all, places) = asked.entry(question.reach).or_default();
            all.extend(ids.iter().cloned());
            places.extend((0..ids.len()).map(|at| (item, at)));
        }
    }
    for (reach, (ids, places)) in asked {
        let found = hub.parts.store.resolve_devices(app, ids, reach).await?;
        for ((item, at), recipient) in places.into_iter().zip(found) {
            match recipient {
                Some(recipient) => {
                    if let Ok(recipients) = &mut answers[item] {
                        recipients.push(recipient);
                    }
                }
                None if questions[item].is_due => {}
                None => {
                    let problem = FieldProblem::new(
                        format!("/target/devices/{at}"),
                        "target.unknown_device",
                        "expected the id of a registered device of this App: register it first, or leave it out",
                    );
                    add(&mut answers[item], problem);
                }
            }
        }
    }
    Ok(())
}

async fn users(
    hub: &Hub,
    app: AppNo,
    questions: &[Question<'_>],
    answers: &mut [Answer],
) -> Result<(), StoreError> {
    /// Users, and for which item each is named.
    type Asked = (Vec<String>, Vec<usize>);
    let limit = hub.parts.config.max_devices_per_user;
    let mut asked: HashMap<Reach, Asked> = HashMap::new();
    for (item, question) in questions.iter().enumerate() {
        if let Target::Users(users) = question.target {
            let (all, items) = asked.entry(question.reach).or_default();
            all.extend(users.iter().cloned());
            items.extend(users.iter().map(|_| item));
        }
    }
    for (reach, (users, items)) in asked {
        for (users, items) in users.chunks(USERS_AT_ONCE).zip(items.chunks(USERS_AT_ONCE)) {
            let store = &hub.parts.store;
            let found = store
                .resolve_users(app, users.to_vec(), reach, limit)
                .await?;
            for (item, found) in items.iter().zip(found) {
                if let Ok(recipients) = &mut answers[*item] {
                    recipients.extend(found);
                }
            }
        }
    }
    Ok(())
}

async fn push_tokens(
    hub: &Hub,
    app: AppNo,
    questions: &[Question<'_>],
    answers: &mut [Answer],
    now: UnixMs,
) -> Result<(), StoreError> {
    type Asked = (Vec<PushTokenBytes>, Vec<usize>);
    let mut asked: HashMap<(TokenKind, TokenEnvironment), Asked> = HashMap::new();
    for (item, question) in questions.iter().enumerate() {
        let Target::PushTokens(tokens) = question.target else {
            continue;
        };
        let read = match read_push_tokens(hub, tokens, question.reach) {
            Ok(read) => read,
            Err(problems) => {
                for problem in problems {
                    add(&mut answers[item], problem);
                }
                continue;
            }
        };
        if answers[item].is_ok() {
            let kind = question.reach.first();
            let declared = if kind.gateway().has_environments() {
                question.declared
            } else {
                TokenEnvironment::Production
            };
            let key = (kind, declared);
            let (all, items) = asked.entry(key).or_default();
            items.extend(read.iter().map(|_| item));
            all.extend(read);
        }
    }
    for ((kind, declared), (tokens, items)) in asked {
        let store = &hub.parts.store;
        let found = store
            .resolve_push_tokens(app, tokens, kind, declared, now)
            .await?;
        for (item, recipient) in items.into_iter().zip(found) {
            if let Ok(recipients) = &mut answers[item] {
                recipients.push(recipient);
            }
        }
    }
    Ok(())
}

/// Raw push tokens as their gateway reads them.
pub(crate) fn read_push_tokens(
    hub: &Hub,
    tokens: &[String],
    reach: Reach,
) -> Result<Vec<PushTokenBytes>, Vec<FieldProblem>> {
    let gateway = hub.parts.gateways.get(reach.first().gateway());
    let (mut read, mut problems) = (Vec::with_capacity(tokens.len()), Vec::new());
    for (at, text) in tokens.iter().enumerate() {
        let token = match gateway {
            Some(gateway) => gateway.read_push_token(text),
            None => Err("this server was started without its gateway".to_owned()),
        };
        match token {
            Ok(token) => read.push(token),
            Err(sentence) => {
                let pointer = format!("/target/push_tokens/{at}");
                problems.push(FieldProblem::new(pointer, "target.push_token", sentence));
            }
        }
    }
    if problems.is_empty() {
        Ok(read)
    } else {
        Err(problems)
    }
}

fn add(answer: &mut Answer, problem: FieldProblem) {
    match answer {
        Ok(_) => *answer = Err(vec![problem]),
        Err(problems) => problems.push(problem),
    }
}
