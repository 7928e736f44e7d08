//! Dependencies between plugins: a plugin can be called only while everything that it requires can be, and while it
//! does not require itself by way of others. Optional requirements hold nothing back.

use crate::error::{LoadError, MissingDependency};
use crate::fault::Fault;
use crate::plugin::PluginEntry;
use jackfield_plugin_api::manifest::Requirement;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::sync::Arc;

/// Takes the plugins out whose requirements cannot be met, and says why. Every plugin is told what it lacks itself: `a`
/// that needs `b` that needs a missing `c` lacks `b`.
pub(crate) fn resolve(plugins: &mut Vec<Arc<PluginEntry>>) -> Vec<Fault> {
    let all = plugins.clone();
    let mut faults = Vec::new();
    loop {
        let mut out: Vec<Option<Fault>> = plugins.iter().map(|plugin| lack(plugin, plugins, &all)).collect();
        if out.iter().all(Option::is_none) {
            out = cyclic(plugins);
        }
        if out.iter().all(Option::is_none) {
            return faults;
        }
        let mut out = out.into_iter();
        plugins.retain(|_| match out.next().flatten() {
            None => true,
            Some(fault) => {
                faults.push(fault);
                false
            }
        });
    }
}

/// The newest of the `plugins` that meets the requirement.
pub(crate) fn newest<'a>(
    requirement: &'a Requirement,
    plugins: &'a [Arc<PluginEntry>],
) -> Option<&'a Arc<PluginEntry>> {
    fitting(requirement, plugins).max_by(|a, b| a.manifest.version.cmp(&b.manifest.version))
}

/// What `plugin` requires and is not among the `usable` ones; `all` are those of whom some have been taken out.
fn lack(plugin: &PluginEntry, usable: &[Arc<PluginEntry>], all: &[Arc<PluginEntry>]) -> Option<Fault> {
    let (name, version) = (&plugin.manifest.name, &plugin.manifest.version);
    let mut required = plugin.manifest.requires.iter().filter(|requirement| !requirement.optional);
    let lacking = required.find(|requirement| fitting(requirement, usable).next().is_none())?;
    let lack = MissingDependency {
        plugin: name.clone(),
        version: version.clone(),
        needs: lacking.name.clone(),
        range: lacking.version.clone(),
        found: found_instead(lacking, all),
    };
    Some(Fault::of(name, version, LoadError::MissingDependency(Box::new(lack))))
}

/// For each plugin the fault that it requires itself, if it does. Each requirement leads to the newest that meets it.
fn cyclic(plugins: &[Arc<PluginEntry>]) -> Vec<Option<Fault>> {
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..plugins.len()).map(|ix| graph.add_node(ix)).collect();
    for (from, plugin) in plugins.iter().enumerate() {
        for requirement in plugin.manifest.requires.iter().filter(|requirement| !requirement.optional) {
            let Some(to) = newest(requirement, plugins) else { continue };
            let to = plugins.iter().position(|other| Arc::ptr_eq(other, to)).unwrap_or(from);
            graph.add_edge(nodes[from], nodes[to], ());
        }
    }
    let mut faults: Vec<Option<Fault>> = plugins.iter().map(|_| None).collect();
    for component in tarjan_scc(&graph) {
        let is_cycle = component.len() > 1 || graph.contains_edge(component[0], component[0]);
        for node in component.iter().filter(|_| is_cycle) {
            let (name, version) = identity(&plugins[graph[*node]]);
            let path = way_round(&graph, *node, &component, plugins);
            let error = LoadError::CyclicDependency { plugin: name.clone(), version: version.clone(), path };
            faults[graph[*node]] = Some(Fault::of(name, version, error));
        }
    }
    faults
}

/// The shortest way from a plugin back to itself within its component.
fn way_round(
    graph: &DiGraph<usize, ()>,
    start: NodeIndex,
    component: &[NodeIndex],
    plugins: &[Arc<PluginEntry>],
) -> String {
    let mut came_from = vec![None; graph.node_count()];
    let mut queue = std::collections::VecDeque::from([start]);
    'search: while let Some(node) = queue.pop_front() {
        for next in graph.neighbors(node).filter(|next| component.contains(next)) {
            if came_from[next.index()].is_none() {
                came_from[next.index()] = Some(node);
                queue.push_back(next);
            }
            if next == start {
                break 'search;
            }
        }
    }
    let mut way = vec![start];
    while let Some(before) = came_from[way[way.len() - 1].index()] {
        way.push(before);
        if before == start {
            break;
        }
    }
    let shown = way.iter().rev().map(|node| {
        let (name, version) = identity(&plugins[graph[*node]]);
        format!("`{name} {version}`")
    });
    shown.collect::<Vec<_>>().join(" -> ")
}

fn identity(plugin: &PluginEntry) -> (&String, &semver::Version) {
    (&plugin.manifest.name, &plugin.manifest.version)
}

fn fitting<'a>(
    requirement: &'a Requirement,
    plugins: &'a [Arc<PluginEntry>],
) -> impl Iterator<Item = &'a Arc<PluginEntry>> {
    let fits = |plugin: &&Arc<PluginEntry>| {
        plugin.manifest.name == requirement.name && requirement.version.matches(&plugin.manifest.version)
    };
    plugins.iter().filter(fits)
}

fn found_instead(requirement: &Requirement, all: &[Arc<PluginEntry>]) -> String {
    let name = &requirement.name;
    if let Some(plugin) = fitting(requirement, all).next() {
        return format!("and `{name} {}` cannot be used itself", plugin.manifest.version);
    }
    let others = all.iter().filter(|other| other.manifest.name == *name);
    let mut others: Vec<_> = others.map(|other| &other.manifest.version).collect();
    others.sort();
    let listed = others.iter().map(|version| format!("`{name} {version}`")).collect::<Vec<_>>().join(", ");
    match others.len() {
        0 => "which is not there".to_owned(),
        1 => format!("and only {listed} is there"),
        _ => format!("and only {listed} are there"),
    }
}
