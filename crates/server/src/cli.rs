//! The command line: names and arguments of every command. What they do is in [`crate::commands`].

use crate::commands::{
    activity, activity_source, app, backup, bench, callout, campaign, channel, completions, config,
    credential, demo, device, doctor, event, explain, health, identity_key, import, incident, keys,
    ladder, list, migrate, monitor, notification, openapi, restore, resume, rotation, schedule,
    segment, send, serve, simulate, store, template, trigger, user, webhook,
};
use clap::{Parser, Subcommand};

/// Carillon: a push-notification server. Ask once, and know what became of every single push.
#[derive(Debug, Parser)]
#[command(name = "carillon", version, about, max_term_width = 100)]
#[command(
    after_help = "Start with `carillon demo`: everything simulated, no Apple account needed.\nExit codes: docs/guide/exit-codes.md"
)]
pub(crate) struct Cli {
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Run server, simulator, phones and browsers on this machine, let things happen, and compare their books
    Demo(demo::Args),
    /// Run a simulator of the gateways: APNs, FCM and browsers' push services
    Simulate(simulate::Args),
    /// Send a notification
    Send(Box<send::Args>),
    /// Make, change and look at Apps
    App(app::Args),
    /// Set, look at and probe what lets an App speak to its gateway
    Credential(credential::Args),
    /// Register, import, export and look at devices
    Device(device::Args),
    /// Bring over what another push system has: an INI file's apps, a users table, OneSignal's export, rpush
    Import(import::Args),
    /// What users want to get, and their badge counters
    User(user::Args),
    /// Store, preview and try templates: what notifications say, in each reader's language
    Template(template::Args),
    /// Store, estimate and count segments: whom to send to
    Segment(segment::Args),
    /// Upload lists of devices, by name: whom to send to
    List(list::Args),
    /// Store and try triggers: what is sent when something happens
    Trigger(trigger::Args),
    /// Store, preview, pause and run schedules: what is sent again and again, by the calendar
    Schedule(schedule::Args),
    /// Set, test and look at call-outs: your own code, asked what a schedule says
    Callout(callout::Args),
    /// Start, follow, pause and end campaigns: one notification to a large audience, over time
    Campaign(campaign::Args),
    /// Declare, change, end and look at Live Activities
    Activity(activity::Args),
    /// List, make and delete broadcast channels of Live Activities
    Channel(channel::Args),
    /// Tables of yours that Live Activities follow: what came of reading them, and a try
    ActivitySource(activity_source::Args),
    /// Watch services: how they are, how they did, and a try
    Monitor(monitor::Args),
    /// Look at, take in hand, put off and close incidents
    Incident(incident::Args),
    /// Store rotations, and say who is on call
    Rotation(rotation::Args),
    /// Store ladders: who is paged how and when, until somebody answers
    Ladder(ladder::Args),
    /// Report that something has happened
    Event(event::Args),
    /// Set what the user ids that apps send are signed with
    IdentityKey(identity_key::Args),
    /// Look at, change and cancel notifications
    Notification(notification::Args),
    /// Set, test and look at webhook endpoints; check a signature
    Webhook(webhook::Args),
    /// Make and revoke API keys; rotate the master key
    Keys(keys::Args),
    /// Ask a server whether it takes requests: exit code 0 if so, 1 if not
    Health(health::Args),
    /// Check everything, and say what to mend
    Doctor(doctor::Args),
    /// Tell the whole story of one delivery
    Explain(explain::Args),
    /// Print the commented default configuration, or check one
    Config(config::Args),
    /// Measure on this machine
    Bench(bench::Args),
    /// Write a consistent copy of the store while the server runs
    Backup(backup::Args),
    /// Put a backup in place of the store; the server must be stopped
    Restore(restore::Args),
    /// Bring the database to the newest schema, before a new version is started
    Migrate(migrate::Args),
    /// Move the store to a database on a server
    Store(store::Args),
    /// Let timers fire again after a restore
    Resume(resume::Args),
    /// Print the API's OpenAPI document
    Openapi(openapi::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::error::ErrorKind;
    use clap::{CommandFactory as _, Parser as _};
    use std::path::Path;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Commands as a page shows them: in code spans, and at the beginning of a block's line.
    fn commands_of(page: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (at, block) in page.split("\n```").enumerate() {
            if at % 2 == 1 {
                // A line may go on in the next one.
                let block = block.replace("\\\n", " ");
                let lines = block.lines().filter(|line| line.starts_with("carillon "));
                found.extend(lines.map(str::to_owned));
            } else {
                let spans = block.split('`').skip(1).step_by(2);
                found.extend(
                    spans
                        .filter(|s| s.starts_with("carillon "))
                        .map(str::to_owned),
                );
            }
        }
        found
    }

    /// The words that a shell would pass, up to a redirection, a pipe or a comment.
    fn words(command: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for char in command.chars() {
            match char {
                '"' | '(' | ')' => quoted = !quoted,
                ' ' | '\n' if !quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words.retain(|word| !word.is_empty());
        let end = |word: &String| {
            ["#", "|", "||", "&", "&&"].contains(&&**word)
                || word.contains('>') && !word.contains('<')
        };
        let end = words.iter().position(end).unwrap_or(words.len());
        words.truncate(end);
        words
    }

    #[test]
    fn the_documents_name_commands_and_options_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut pages = vec![root.join("README.md"), root.join("docs/configuration.md")];
        for entry in std::fs::read_dir(root.join("docs/guide")).unwrap() {
            pages.push(entry.unwrap().path());
        }
        let mut tried = 0;
        for page in pages {
            for command in commands_of(&std::fs::read_to_string(&page).unwrap()) {
                tried += 1;
                let Err(error) = Cli::try_parse_from(words(&command)) else {
                    continue;
                };
                // Prose may name a command without saying what it is used on.
                let is_short = matches!(
                    error.kind(),
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::DisplayHelp
                        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                        | ErrorKind::MissingSubcommand
                );
                assert!(is_short, "{}: `{command}`: {error}", page.display());
            }
        }
        assert!(tried > 40, "the pages show commands: {tried}");
    }
}
