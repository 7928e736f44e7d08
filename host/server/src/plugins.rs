//! `/plugins`

use crate::answer::{answer, blocking};
use crate::problem::{Problem, ProblemKind};
use crate::wire::{PluginLine, PluginLines, PluginVersionInfo, PluginVersions, Released};
use axum::Json;
use axum::extract::{Path, State};
use jackfield::{Host, Plugin, PluginProblem, PluginStanding};

pub(crate) async fn list(State(host): State<Host>) -> Result<Json<PluginLines>, Problem> {
    answer(move || Ok(lines(&host))).await
}

fn lines(host: &Host) -> PluginLines {
    let standings = standings(host);
    let (usable, mut plugins) = (host.plugins(), Vec::new());
    for plugin in &usable {
        let of = standings.iter().find(|standing| !standing.is_draining && is_it(standing, plugin));
        plugins.push(PluginLine::new(plugin, of));
    }
    let draining = standings.iter().filter(|standing| standing.is_draining);
    plugins.extend(draining.map(PluginLine::draining));
    PluginLines { plugins, problems: host.plugin_problems() }
}

/// How all plugins stand. One that was quarantined since the last look at the files counts as that from now on.
fn standings(host: &Host) -> Vec<PluginStanding> {
    let standings = host.plugin_standings();
    if !standings.iter().any(|standing| standing.is_quarantined && !standing.is_draining) {
        return standings;
    }
    host.rescan();
    host.plugin_standings()
}

fn is_it(standing: &PluginStanding, plugin: &Plugin) -> bool {
    standing.plugin.name == *plugin.name && standing.plugin.version == plugin.version
}

pub(crate) async fn show(
    State(host): State<Host>,
    Path(name): Path<String>,
) -> Result<Json<PluginVersions>, Problem> {
    let shown = blocking(move || {
        let standings = standings(&host);
        let problems: Vec<PluginProblem> =
            host.plugin_problems().into_iter().filter(|it| it.plugin.as_deref() == Some(&name)).collect();
        // one of several versions that cannot be asked does not hide the others
        let (versions, error) = match host.plugin(&name) {
            Ok(versions) => (versions, None),
            Err(error) => {
                (host.plugins().into_iter().filter(|it| *it.name == *name).collect(), Some(error.to_string()))
            }
        };
        let of = |plugin: &Plugin| {
            let mut of_it = standings.iter().filter(|standing| is_it(standing, plugin));
            PluginVersionInfo::new(plugin, of_it.find(|standing| !standing.is_draining))
        };
        let versions: Vec<_> = versions.iter().map(|plugin| of(plugin)).collect();
        Ok((name, PluginVersions { versions, problems, error }))
    });
    let (name, shown) = shown.await?;
    if shown.versions.is_empty() && shown.problems.is_empty() {
        return Err(Problem::new(ProblemKind::NotFound, format!("there is no plugin `{name}`")));
    }
    Ok(Json(shown))
}

pub(crate) async fn release(
    State(host): State<Host>,
    Path(name): Path<String>,
) -> Result<Json<Released>, Problem> {
    let (name, released) = blocking(move || {
        let released = host.release_plugin(&name)?;
        Ok((name, released.iter().map(ToString::to_string).collect::<Vec<_>>()))
    })
    .await?;
    if released.is_empty() {
        let detail = format!("plugin `{name}` is not quarantined");
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    Ok(Json(Released { released }))
}
