//! Detached calls. Each is a run of its own, of a workflow whose one step is the call: its document is made here, so that it
//! is kept, retried and shown like any other run.

use super::steps::Lowering;
use super::{Options, compile};
use crate::catalog::Catalog;
use crate::diagnostic::{Code, Severity};
use crate::model::{self, CallFields, Defaults, Dialect, Json, Workflow};
use crate::plan::{Action, ChildRun, OnParentClose, OwnRun};
use std::sync::Arc;

/// Ids have at most so many bytes.
const ID_LEN_MAX: usize = 128;
/// What stands before the parameters in the input of the run.
const BEFORE_PARAMETERS: &str = r#"{"parameters":"#;

impl<'w> Lowering<'_, '_, 'w, '_> {
    /// A detached call whose parameters have been checked.
    pub(super) fn detached(&mut self, step: &'w model::Step, fields: &'w CallFields) -> Option<Action> {
        let workflow = self.context.workflow;
        let session = fields.session.as_ref().or(workflow.defaults.session.as_ref());
        let input =
            self.template(&input(fields, session, step.rate_limit.as_ref().map(|limit| &limit.value.key)))?;
        let priority = self.context.layout.priority_of(self.next, super::priority_of(workflow));
        let own = Own { has_session: session.is_some(), priority };
        match own_run(workflow, step, fields, own, self.calls.catalog()) {
            Ok(own) => Some(Action::Workflow(Box::new(ChildRun {
                workflow: (*own.plan.id).into(),
                own: Some(Arc::new(own)),
                version: None,
                run_id: None,
                input: Some(input),
                is_detached: true,
                close: OnParentClose::Abandon,
            }))),
            Err((code, message)) => {
                let message = format!("this call cannot be detached: {message}");
                self.context.report(code, step.at, message, "");
                None
            }
        }
    }
}

/// What the run is started with: everything that its call is made from.
fn input(fields: &CallFields, session: Option<&Json>, rate_key: Option<&Json>) -> Json {
    let parameters = fields.parameters.as_ref();
    let (text, at) = parameters.map_or(("{}", fields.method.at), |json| (&*json.text, json.at));
    let session = session.map_or("null", |json| &*json.text);
    let rate_key = rate_key.map(|json| format!(r#","rate_key":{}"#, json.text)).unwrap_or_default();
    let text = format!(r#"{BEFORE_PARAMETERS}{text},"session":{session}{rate_key}}}"#);
    // faults in the parameters point at where they stand
    let at = at.saturating_sub(u32::try_from(BEFORE_PARAMETERS.len()).unwrap_or(0));
    Json { text: text.into(), at }
}

/// What the run has besides the call.
struct Own {
    has_session: bool,
    priority: u8,
}

fn own_run(
    workflow: &Workflow,
    step: &model::Step,
    fields: &CallFields,
    Own { has_session, priority }: Own,
    catalog: &Catalog,
) -> Result<OwnRun, (Code, String)> {
    let json = |text: &str| Some(Json { text: text.into(), at: 0 });
    let call = CallFields {
        parameters: json(r#""${input.parameters}""#),
        session: json(r#""${input.session}""#).filter(|_| has_session),
        detached: None,
        ..fields.clone()
    };
    let step = model::Step {
        dependencies: Vec::new(),
        trigger_rule: None,
        when: None,
        critical: None,
        catch: Vec::new(),
        compensate: None,
        output: None,
        status: None,
        priority: None,
        action: model::Action::Call(call.into()),
        ..step.clone()
    };
    let mut step = step;
    if let (Some(limit), Some(key)) = (&mut step.rate_limit, json(r#""${input.rate_key}""#)) {
        limit.value.key = key;
    }
    let mut id = format!("{}_{}", workflow.id.value, step.id.value);
    id.truncate(ID_LEN_MAX);
    let frame = format!(r#"{{"id":"{id}","steps":[{{"id":"s","type":"return"}}]}}"#);
    let Some(mut own) = model::parse(frame.as_bytes(), Dialect::Json).workflow else {
        return Err((Code::BadValue, format!("its run cannot be named `{id}`")));
    };
    own.version = workflow.version.clone();
    own.requires = workflow.requires.clone();
    own.requires.retain(|plugin, _| *plugin == fields.plugin.value);
    own.retry_policies = workflow.retry_policies.clone();
    own.priority = (priority != super::PRIORITY_DEFAULT).then_some(model::At { value: priority, at: 0 });
    own.defaults = Defaults { session: None, ..workflow.defaults.clone() };
    own.body.steps = vec![step];
    let document = model::to_json(&own);
    let parsed = model::parse(document.as_bytes(), Dialect::Json);
    let compiled = parsed.workflow.map(|own| compile(&own, catalog, &Options::default()));
    let findings = compiled.as_ref().map_or(parsed.findings, |compiled| compiled.findings.clone());
    match compiled.and_then(|compiled| compiled.plan) {
        Some(plan) => Ok(OwnRun { plan, document: document.into() }),
        None => {
            let fault = findings.into_iter().find(|finding| finding.code.severity() == Severity::Error);
            let said = fault.map(|finding| (finding.code, finding.message.to_string()));
            Err(said.unwrap_or((Code::BadValue, "its run makes no plan".to_owned())))
        }
    }
}
