//! Every key is read, and faults name theirs.

use super::*;

#[test]
fn every_key_is_read() {
    let config = Config::parse(
        r#"
        plugin_paths = ["plugins"]
        data_dir = "d"
        secrets_dir = "s"
        [engine]
        threads = 3
        blocking_threads_max = 4
        async_calls_max = 5
        foreach_concurrency = 6
        cancel_grace = "7s"
        shutdown_grace = "8s"
        finished_runs_max = 9
        open_runs_max = 10
        unread_max = 11
        runs_under_way_max = 13
        nesting_max = 12
        history = "none"
        [loader]
        file_bytes_max = 11
        result_bytes_max = 12
        instances_max = 13
        call_depth_max = 16
        sessions = { max = 14, idle = "15s" }
        watch = true
        [trust]
        lock = "l"
        keys = ["RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        require_signature = true
        allow = ["a", "b-*@^2"]
        [plugins.csv]
        config = { root = "/data" }
        [pools.gpu]
        limit = 2
        [config]
        region = "eu"
        since = 2026-01-01
        [secrets]
        a = { env = "A" }
        b = { file = "b" }
        [log]
        format = "json"
        filter = "debug"
        "#,
    )
    .unwrap();
    let mut limits = engine::Config::default();
    config.engine.apply(&mut limits);
    assert_eq!((limits.threads, limits.blocking_threads_max, limits.async_calls_max), (3, 4, 5));
    assert_eq!((limits.foreach_concurrency, limits.finished_runs_max, limits.open_runs_max), (6, 9, 10));
    assert_eq!((limits.unread_max, limits.nesting_max, limits.runs_under_way_max), (11, 12, 13));
    assert_eq!(limits.history, History::None);
    assert_eq!((limits.cancel_grace.as_secs(), limits.shutdown_grace.as_secs()), (7, 8));
    assert_eq!(config.pools["gpu"].limit, 2);
    let mut limits = RegistryConfig::new("d");
    config.loader.apply(&mut limits);
    assert_eq!((limits.file_bytes_max, limits.result_bytes_max, limits.instances_max), (11, 12, 13));
    assert_eq!(limits.sessions, SessionLimits { max: 14, idle: Duration::from_secs(15) });
    assert!(config.loader.watch && config.trust.require_signature);
    assert_eq!(config.trust.lock, Some("l".into()));
    assert_eq!((config.trust.keys.len(), config.trust.allow.as_ref().map(Vec::len)), (1, Some(2)));
    assert_eq!(to_json(&config.plugins["csv"].config), serde_json::json!({ "root": "/data" }));
    assert_eq!(to_json(&config.config), serde_json::json!({ "region": "eu", "since": "2026-01-01" }));
    assert_eq!(config.secrets["a"], SecretSource::Env("A".into()));
    assert_eq!(config.log, LogConfig { format: Some(LogFormat::Json), filter: Some("debug".into()) });
}

#[test]
fn every_key_of_isolation_is_read() {
    let config = Config::parse(
        r#"
        [engine]
        cancel_grace = "7s"
        [isolation]
        default = "worker"
        sandbox = "best_effort"
        workers = { min = 14, max = 15, idle = "16s", recycle_after = 17, threads_max = 18, start_timeout = "19s", crash_budget = 20, crash_window = "21s" }
        [plugins.csv]
        config = { root = "/data" }
        isolation = "in_process"
        sessions = { max = 23 }
        [plugins.render]
        workers = { max = 22 }
        transport = "shared_memory"
        [plugins.convert]
        grant = { fs = { read = ["in"] }, net = true }
        limits = { open_files_max = 32 }
        sandbox = "off"
        "#,
    )
    .unwrap();
    let mut limits = RegistryConfig::new("d");
    config.apply_isolation(&mut limits).unwrap();
    let seconds = Duration::from_secs;
    let expected = WorkerLimits {
        min: 14,
        max: 15,
        idle: seconds(16),
        recycle_after: 17,
        threads_max: 18,
        start_timeout: seconds(19),
        grace: seconds(7),
        crash_budget: 20,
        crash_window: seconds(21),
    };
    assert_eq!(limits.workers, expected);
    assert_eq!(limits.plugin_workers["render"], WorkerLimits { max: 22, ..expected });
    let sessions = SessionLimits::default();
    assert_eq!(limits.plugin_sessions["csv"], SessionLimits { max: 23, ..sessions });
    assert_eq!(limits.isolation.default, Some(Isolation::Worker));
    assert_eq!(limits.isolation.plugins["csv"], Isolation::InProcess);
    assert_eq!(limits.isolation.plugins["render"], Isolation::Worker, "it has workers");
    assert_eq!(limits.plugin_transports["render"], Transport::SharedMemory);
    assert!(!limits.plugin_transports.contains_key("csv"));
    assert_eq!(limits.plugin_sandboxes["csv"].policy, Policy::BestEffort);
    assert_eq!(limits.isolation.plugins["convert"], Isolation::Worker, "it has a sandbox to keep to");
    let sandbox = &limits.plugin_sandboxes["convert"];
    assert_eq!((sandbox.policy, sandbox.limits.open_files_max, sandbox.grant.net), (Policy::Off, 32, true));
    assert_eq!(sandbox.grant.fs.read, [PathBuf::from("in")]);
}

#[test]
fn faults_name_the_key_and_its_line() {
    for (text, expected) in [
        ("thread = 1", "unknown field `thread`"),
        ("[engine]\nthread = 1", "unknown field `thread`"),
        ("[engine]\ncancel_grace = \"soon\"", "duration `soon`"),
        ("[secrets]\na = { vault = \"x\" }", "unknown variant `vault`"),
        ("[log]\nformat = \"xml\"", "unknown variant `xml`"),
        ("[plugins.csv]\ntrust = true", "unknown field `trust`"),
        ("[plugins.csv]\ngrant = { network = true }", "unknown field `network`"),
        ("[plugins.csv]\ngrant = [true]", "a table such as"),
        ("[plugins.csv]\nlimits = { memory = 1 }", "unknown field `memory`"),
        ("[plugins.csv]\nsandbox = 'on'", "unknown variant `on`"),
        ("[plugins.csv]\ntransport = 'shm'", "unknown variant `shm`, expected `socket` or `shared_memory`"),
        ("[pools.gpu]\nlimits = 2", "unknown field `limits`"),
        ("[pools.gpu]", "missing field `limit`"),
        ("[pools.gpu]\nlimit = -1", "-1"),
        ("[isolation]\nsandbox = 'on'", "unknown variant `on`"),
        ("[trust]\nkeys = ['no key']", "`no key` is no public key"),
        ("[trust]\nallow = ['csv@one']", "`csv@one` has no range"),
        ("[trust]\nlocked = true", "unknown field `locked`"),
        ("a = ", "line 1"),
    ] {
        let error = Config::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(error.contains("line "), "{text}: {error}");
    }
}

#[test]
fn relative_paths_are_taken_from_the_directory_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jackfield.toml");
    fs::write(
        &path,
        "plugin_paths = ['p', '/abs']\n[secrets]\nk = { file = 'k' }\n\
        [plugins.x]\ngrant = { fs = { read = ['in', '/abs'], write = ['out'] } }",
    )
    .unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.plugin_paths, [dir.path().join("p"), PathBuf::from("/abs")]);
    assert_eq!(config.secrets["k"], SecretSource::File(dir.path().join("k")));
    let fs = &config.plugins["x"].grant.as_ref().unwrap().fs;
    assert_eq!(fs.read, [dir.path().join("in"), PathBuf::from("/abs")]);
    assert_eq!(fs.write, [dir.path().join("out")]);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/jackfield.toml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read `/nowhere/jackfield.toml`"), "{error}");
}

#[test]
fn the_server_section_is_read_strictly_and_its_paths_are_those_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jackfield.toml");
    fs::write(&path, "[server]\nlisten = [\"127.0.0.1:0\"]\ntls_cert = \"a.pem\"\n[server.limits]\nbody_timeout = \"2s\"\n")
        .unwrap();
    let server = Config::load(&path).unwrap().server;
    assert_eq!(server.tls_cert, Some(dir.path().join("a.pem")));
    assert_eq!(server.limits.body_timeout, Some(Duration::from_secs(2)));
    for wrong in ["[server]\nport = 1", "[server.limits]\nstream_max = 1", "[server]\nlisten = \"x\""] {
        assert!(Config::parse(wrong).is_err(), "{wrong}");
    }
}
