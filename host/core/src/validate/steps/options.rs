//! What few calls have: an affinity key, a limit of silence, attempts that are not made again, a pool, a rate limit.

use super::super::context::Context;
use super::super::expressions::{Field, Site, optional};
use super::super::names::did_you_mean;
use super::Lowering;
use crate::diagnostic::{Code, nearest};
use crate::expr::Template;
use crate::model::{self, At, CallFields, Delivery, Json, session_fault};
use crate::plan::{CallOptions, RateLimit};
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
        let pool = self.pool(fields);
        // an undo has to be made, at whatever rate
        let limit = self.context.layout.node(self.next).step.rate_limit.as_ref();
        let rate_limit = match limit.filter(|_| field == Field::Parameters) {
            Some(limit) => Some(self.rate_limit(limit)?),
            None => None,
        };
        let is_usual = session.is_none()
            && heartbeat_timeout.is_none()
            && !is_at_most_once
            && pool.is_none()
            && rate_limit.is_none();
        let options = CallOptions { session, heartbeat_timeout, is_at_most_once, pool, rate_limit };
        Some((!is_usual).then(|| Box::new(options)))
    }

    /// The pool of a call. One that this host does not have is worth a warning: another host may have it.
    fn pool(&mut self, fields: &CallFields) -> Option<Arc<str>> {
        let pool = fields.pool.as_ref().or(self.context.workflow.defaults.pool.as_ref())?;
        let known = self.context.options.pools.as_ref();
        if let Some(known) = known.filter(|known| !known.contains(&pool.value)) {
            let message = format!("this host has no pool `{}`: calls that need it wait", pool.value);
            let guess = nearest(&pool.value, known.iter().map(|name| &**name));
            let hint = match did_you_mean("", guess) {
                hint if !hint.is_empty() => hint,
                _ => format!(
                    "Add [pools.{}] with a `limit` to the configuration of the host that is to run it.",
                    pool.value
                ),
            };
            self.context.report(Code::UnknownPool, pool.at, message, hint);
        }
        Some(self.pools.get(&*pool.value).cloned().unwrap_or_else(|| {
            let name: Arc<str> = (*pool.value).into();
            self.pools.insert(name.clone());
            name
        }))
    }

    fn rate_limit(&mut self, limit: &At<model::RateLimit>) -> Option<Box<RateLimit>> {
        let model::RateLimit { key, per, count } = &limit.value;
        let template = self.context.template(key, self.site())?;
        if let Some(fault) = template.constant().and_then(crate::run::key_fault) {
            let hint = "A key is a text, such as \"mail\" or \"${input.customer}\".";
            self.context.report(Code::WrongType, key.at, format!("`key` is {fault}"), hint);
            return None;
        }
        Some(Box::new(RateLimit { key: Arc::new(template), per: *per, count: *count }))
    }
}
