//! Every peer runs every shape rightly. Jackfield calls a method of the application here, so that no library is needed.

use super::*;
use crate::graph::{Graph, Shape};
use ::jackfield::{AppMethod, Call, HostBuilder, Value};

/// Small parts of all shapes; the layered ones with more than one layer.
fn trials() -> Vec<&'static Trial> {
    Shape::value_variants().iter().map(|shape| Trial::leak(Graph::new(*shape, 350).unwrap())).collect()
}

fn host(builder: HostBuilder) -> Result<HostBuilder> {
    let noop = |_: &Call, _: Value| Ok::<_, ::jackfield::MethodError>(());
    Ok(builder.app_method("echo", "1.0.0", AppMethod::inline("noop", noop)))
}

#[track_caller]
fn assert_right(name: Name) {
    let mut peer = open(name, 2, &host, None).unwrap();
    assert_eq!(peer.name(), name);
    for trial in trials() {
        for check in [Check::Order, Check::Count, Check::Count] {
            let took =
                peer.run(trial, check).unwrap_or_else(|error| panic!("{:?}: {error:#}", trial.graph.shape));
            assert!(!took.is_zero());
        }
    }
}

#[test]
fn jackfield_runs_all_shapes() {
    assert_right(Name::Jackfield);
}

#[test]
fn the_sequential_loop_runs_all_shapes() {
    assert_right(Name::Sequential);
}

#[test]
fn rayon_runs_all_shapes() {
    assert_right(Name::Rayon);
}

#[test]
fn tokio_runs_all_shapes() {
    assert_right(Name::Tokio);
}

#[test]
fn the_coordinator_runs_all_shapes() {
    assert_right(Name::JoinSet);
}

#[test]
fn dagx_runs_all_shapes() {
    assert_right(Name::Dagx);
}

#[test]
fn dagrs_runs_all_shapes() {
    assert_right(Name::Dagrs);
}

#[test]
fn a_method_that_fails_is_an_error_and_no_figure() {
    let fails = |builder: HostBuilder| {
        let noop = |_: &Call, _: Value| Err::<(), _>(::jackfield::MethodError::new("app.no", "not today"));
        Ok(builder.app_method("echo", "1.0.0", AppMethod::inline("noop", noop)))
    };
    let mut peer = open(Name::Jackfield, 1, &fails, None).unwrap();
    let error = peer.run(trials()[0], Check::Count).err().unwrap();
    assert_eq!(error.to_string(), "the run ended as failed");
}
