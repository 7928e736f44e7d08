//! What few calls have: an affinity key, a limit of silence, attempts that are not made again.

use super::super::context::Context;
use super::super::expressions::{Field, Site, optional};
use super::Lowering;
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::model::{CallFields, Delivery, Json, session_fault};
use crate::plan::CallOptions;
use std::sync::Arc;

/// The session of the document's `defaults`; `None` if it is faulty.
pub(super) fn default_session(context: &mut Context<'_, '_>) -> Option<Option<Arc<Template>>> {
    let json = context.workflow.defaults.session.as_ref();
    optional(json, |json| session(context, json, Site::before_run())).map(Option::flatten)
}

/// The key that `json` makes; `Some(None)` if it asks for none.
fn session(context: &mut Context<'_, '_>, json: &Json, site: Site<'_>) -> Option<Option<Arc<Template>>> {
    let template = context.template(json, site)?;
    let Some(constant) = template.constant() else { return Some(Some(Arc::new(template))) };
    if let Some(fault) = session_fault(constant.value()) {
        let hint = "A session is a text, such as \"orders\" or \"${input.customer}\".";
        context.report(Code::WrongType, json.at, fault, hint);
        return None;
    }
    let is_none = constant.is_null() || constant.as_str() == "\"\"";
    Some((!is_none).then(|| Arc::new(template)))
}

impl Lowering<'_, '_, '_, '_> {
    /// What few calls have; `field` is that of the call's parameters.
    pub(super) fn options(
        &mut self,
        fields: &CallFields,
        field: Field<'_>,
    ) -> Option<Option<Box<CallOptions>>> {
        let site = match field {
            // an undo may read the step that it undoes, but secrets are for parameters only
            Field::Compensate => self.site().field(Field::Aftermath),
            _ => self.site(),
        };
        let session = match &fields.session {
            Some(own) => session(self.context, own, site)?,
            None => self.default_session.clone()?,
        };
        let heartbeat_timeout = fields.heartbeat_timeout.as_ref().map(|limit| limit.value);
        let delivery = fields.delivery.as_ref().map(|delivery| delivery.value);
        let is_at_most_once = delivery == Some(Delivery::AtMostOnce);
        let is_usual = session.is_none() && heartbeat_timeout.is_none() && !is_at_most_once;
        let options = CallOptions { session, heartbeat_timeout, is_at_most_once };
        Some((!is_usual).then(|| Box::new(options)))
    }
}
