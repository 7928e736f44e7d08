//! Configurations: what fits is taken, what does not is refused; instances come and go without a trace.

use super::{CheckError, PLUGIN, Session, shown};
use crate::generate::{Generator, examples};
use crate::job::{End, Seen, Task};
use crate::report::Code;
use jackfield_plugin_api::manifest::Manifest;
use std::time::Duration;

/// Instances that are made and ended one after the other.
const LIVES: u32 = 20;
/// Generated configurations of each sort.
const CONFIGS: usize = 10;

impl Session<'_> {
    /// Chooses the configuration for all that follows. False if no instance can be had.
    pub(super) fn configs(&mut self, full: &Manifest) -> Result<bool, CheckError> {
        let (mut fitting, mut wrong) = (Vec::new(), Vec::new());
        if let Some(config) = self.options.configs.get(&self.manifest.name) {
            fitting.push(config.to_string());
        }
        match full.config.as_ref().map(|schema| schema.as_value()) {
            None => fitting.push("{}".to_owned()),
            Some(schema) => {
                if let Ok(validator) = jsonschema::validator_for(schema) {
                    let mut generator = Generator::new(schema, &validator, self.options.seed, "config");
                    fitting.extend(examples(schema).iter().map(ToString::to_string));
                    if validator.is_valid(&serde_json::json!({})) {
                        fitting.push("{}".to_owned());
                    }
                    if fitting.is_empty() {
                        fitting
                            .extend((0..CONFIGS).filter_map(|_| generator.valid()).map(|it| it.to_string()));
                    }
                    wrong.extend((0..CONFIGS).filter_map(|_| generator.invalid()).map(|it| it.to_string()));
                }
            }
        }
        if fitting.is_empty() {
            self.findings.notes.push(
                "no configuration that fits could be made from its schema; give one under [plugins.NAME] of the configuration"
                    .to_owned(),
            );
            return Ok(false);
        }
        self.create(&fitting, &wrong)
    }

    fn create(&mut self, fitting: &[String], wrong: &[String]) -> Result<bool, CheckError> {
        let configs: Vec<String> = fitting.iter().chain(wrong).cloned().collect();
        let life = self.live(Task::Create { configs: configs.clone() }, PLUGIN, Duration::ZERO)?;
        let mut taken = None;
        for seen in &life.seen {
            let Seen::Created { config, end } = seen else { continue };
            let (text, is_fitting) = (shown(&configs[*config]), *config < fitting.len());
            match end {
                End::Text(_) if is_fitting => taken = taken.or(Some(*config)),
                End::Text(_) => {
                    let message =
                        format!("the configuration {text}, which does not fit its schema, is accepted");
                    self.findings.add(Code::ConfigAccepted, PLUGIN, message);
                }
                End::Panicked(message) => {
                    let message = format!("`create` panicked: {}; configuration: {text}", shown(message));
                    self.findings.add(Code::Panic, PLUGIN, message);
                }
                End::Failed { message, .. } if is_fitting => {
                    let message = format!("the configuration {text} is refused: {}", shown(message));
                    self.findings.add(Code::ConfigRefused, PLUGIN, message);
                }
                End::Failed { .. } => {}
                other => self.findings.add(Code::Status, PLUGIN, format!("`create` answers {other:?}")),
            }
        }
        let Some(taken) = taken else { return Ok(false) };
        self.config = configs[taken].clone();
        self.lives()?;
        Ok(true)
    }

    fn lives(&mut self) -> Result<(), CheckError> {
        let life = self.live(Task::Lives { rounds: LIVES }, PLUGIN, Duration::ZERO)?;
        for seen in &life.seen {
            let Seen::Lived { first, last } = seen else { continue };
            if last.threads > first.threads {
                let left = last.threads.unwrap_or(0) - first.threads.unwrap_or(0);
                let message = format!("{left} threads are left after {LIVES} instances have ended");
                self.findings.add(Code::ThreadsLeft, PLUGIN, message);
            }
            let left = last.descriptors.unwrap_or(0).saturating_sub(first.descriptors.unwrap_or(0));
            if left >= u64::from(LIVES) {
                let message = format!("{left} descriptors are left open after {LIVES} instances have ended");
                self.findings.add(Code::DescriptorsLeft, PLUGIN, message);
            }
        }
        Ok(())
    }
}
