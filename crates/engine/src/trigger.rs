//! A trigger ready to be asked: its definition, read, with its condition.

use crate::event::VOCABULARY;
use carillon_model::definition::Definition;
use carillon_model::expression::Expression;
use carillon_model::facts::EventFacts;
use carillon_model::id::DefinitionNo;
use carillon_model::trigger::TriggerDefinition;

/// See the module's words.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its number.
    pub no: DefinitionNo,
    /// Its name.
    pub name: String,
    /// What it says.
    pub definition: TriggerDefinition,
    condition: Option<Expression>,
}

impl Trigger {
    /// Reads a stored definition; `None` for what only a newer server can have written.
    pub(crate) fn read(stored: &Definition) -> Option<Self> {
        let definition: TriggerDefinition = serde_json::from_str(&stored.body).ok()?;
        let condition = definition.condition.as_ref();
        let condition = condition.map(|text| Expression::parse_in(text, VOCABULARY));
        Some(Self {
            no: stored.no,
            name: stored.name.clone(),
            condition: condition.transpose().ok()?,
            definition,
        })
    }

    /// Whether its condition holds for an event.
    #[must_use]
    pub fn holds(&self, event: &EventFacts<'_>) -> bool {
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.evaluate(event))
    }
}
