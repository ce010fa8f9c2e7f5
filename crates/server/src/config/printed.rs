//! The settings as people read them: the commented example, and the table of the documentation.

use super::settings::{SECTIONS, env_name};

/// The commented configuration with every default.
pub(crate) fn example() -> String {
    let mut out = String::from(
        "# Carillon's configuration: every key with its default. What you do not need, leave out.\n\
         #\n\
         # Every key can also be set in the environment: [server] listen is CARILLON_SERVER__LISTEN.\n\
         # Secrets can be read from a file: CARILLON_APNS__PROXY_PASSWORD_FILE names it.\n\
         # Durations are texts such as \"500ms\", \"30s\", \"15m\", \"2h\", \"7d\" or \"1h30m\".\n\
         # Check a file with: carillon config check carillon.toml\n",
    );
    for section in SECTIONS {
        out.push_str(&format!("\n# {}\n[{}]\n", section.about, section.name));
        for setting in section.settings {
            let name = &setting.key[section.name.len() + 1..];
            out.push('\n');
            for line in setting.about.lines() {
                out.push_str(&format!("# {line}\n"));
            }
            if setting.secret {
                out.push_str(&format!(
                    "# A secret: also from the file named by {}_FILE.\n",
                    env_name(setting.key)
                ));
            }
            out.push_str(&format!("{name} = {}\n", setting.default));
        }
    }
    out
}

/// The table of all keys for `docs/configuration.md`.
pub(crate) fn markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         Every setting, written by `carillon config --markdown`. A file `carillon.toml` in the working directory is read,\n\
         or the one that `--config` or `CARILLON_CONFIG` names; the environment wins over it. What is unknown or makes no\n\
         sense is refused before anything is opened, with the key's name, the nearest one that exists, and exit code 64.\n\n\
         Apps, credentials, devices and API keys are not here: they live in the store and change without a restart.\n\
         Durations are texts such as `\"500ms\"`, `\"30s\"`, `\"15m\"`, `\"2h\"`, `\"7d\"` or `\"1h30m\"`.\n",
    );
    for section in SECTIONS {
        out.push_str(&format!(
            "\n## `[{}]`\n\n{}\n\n",
            section.name, section.about
        ));
        out.push_str("| key | default | meaning |\n| --- | --- | --- |\n");
        for setting in section.settings {
            let about = setting.about.replace('\n', " ").replace('|', "\\|");
            let file = if setting.secret {
                format!(
                    " Also from the file named by `{}_FILE`.",
                    env_name(setting.key)
                )
            } else {
                String::new()
            };
            out.push_str(&format!(
                "| `{}`<br>`{}` | `{}` | {about}{file} |\n",
                setting.key,
                env_name(setting.key),
                setting.default
            ));
        }
    }
    out
}
