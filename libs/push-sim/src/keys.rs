//! Registering a team's signing key, or making a fresh one for a demonstration.

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

use crate::apns::auth::TeamKey;
use crate::host::Environment;
use crate::world::World;

/// A key to register: with its public half, or to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewKey {
    /// Ten characters: `iss` of the provider tokens.
    pub team_id: String,
    /// Ten characters: `kid` of the provider tokens.
    pub key_id: String,
    /// PEM block `PUBLIC KEY`; absent: a fresh pair is made and its private half answered.
    pub public_key_pem: Option<String>,
    /// Bundle IDs a topic-specific key is limited to.
    pub topics: Option<Vec<String>>,
    /// The only environment of the key.
    pub environment: Option<Environment>,
    /// The key it may share a connection with.
    pub related_key_id: Option<String>,
}

/// A registered key; `signing_key_pem` (what Apple calls the `.p8` file) only if it was made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedKey {
    /// Team ID.
    pub team_id: String,
    /// Key ID.
    pub key_id: String,
    /// Public half in PEM.
    pub public_key_pem: String,
    /// Private half, PKCS#8 in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key_pem: Option<String>,
}

/// Registers a key.
pub(crate) fn add(world: &World, new: NewKey) -> Result<AddedKey, String> {
    for (name, value) in [("team_id", &new.team_id), ("key_id", &new.key_id)] {
        if value.is_empty() {
            return Err(format!("{name}: missing"));
        }
    }
    let (public_key_pem, signing_key_pem) = match new.public_key_pem {
        Some(pem) => (pem, None),
        None => {
            let pair = KeyPair::generate().map_err(|error| error.to_string())?;
            (pair.public_key_pem(), Some(pair.serialize_pem()))
        }
    };
    world
        .add_key(TeamKey {
            team_id: new.team_id.clone(),
            key_id: new.key_id.clone(),
            public_key_pem: public_key_pem.clone(),
            topics: new.topics,
            environment: new.environment,
            related_key_id: new.related_key_id,
        })
        .map_err(|error| format!("public_key_pem: {error}"))?;
    Ok(AddedKey {
        team_id: new.team_id,
        key_id: new.key_id,
        public_key_pem,
        signing_key_pem,
    })
}
