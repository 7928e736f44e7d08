//! The six patterns. Their examples are those of examples/patterns, which tests run.

/// A way of running programs.
pub(super) struct Pattern {
    pub(super) name: &'static str,
    /// What it is built of.
    pub(super) uses: &'static str,
    pub(super) use_when: &'static [&'static str],
    pub(super) benefits: &'static [&'static str],
    /// How it is added to another one.
    pub(super) beside: &'static str,
    /// A whole workflow.
    pub(super) example: &'static str,
}

/// The pattern of this name.
pub(super) fn find(name: &str) -> Option<&'static Pattern> {
    KNOWN.iter().find(|pattern| pattern.name == name)
}

/// All, in the order in which one goes before another.
pub(super) const KNOWN: &[Pattern] = &[
    Pattern {
        name: "periodic",
        uses: "a `schedule` in the workflow, which is registered on a host",
        use_when: &[
            "the same work is due again and again, or at certain times",
            "missed times matter, or must not be made up for",
        ],
        benefits: &[
            "one start for each time, also over restarts; the next times are known (`jackfield schedule next`)",
            "says what happens when the last run has not ended (`overlap`) and when times were missed (`catch_up`)",
            "can be paused, resumed and triggered by hand",
        ],
        beside: "give the workflow a `schedule`; its steps stay as they are",
        example: include_str!("../../../../../examples/patterns/periodic.json"),
    },
    Pattern {
        name: "long-running",
        uses: "`process.stream`",
        use_when: &[
            "a program takes longer than a minute",
            "its lines or its progress are wanted while it runs",
        ],
        benefits: &[
            "lines can be followed while it runs and read afterwards (`jackfield runs logs ID --follow`)",
            "lines like {\"progress\": 0.4} become the progress of the step",
            "a log file of its own that is put aside when it is full; `heartbeat_timeout` notices a program that hangs",
        ],
        beside: "call `process.stream` in place of `process.run`",
        example: include_str!("../../../../../examples/patterns/long-running.json"),
    },
    Pattern {
        name: "concurrent",
        uses: "a `foreach` with `max_concurrency` around the call",
        use_when: &["the same is to be done for many items", "only so many may be under way at a time"],
        benefits: &[
            "results in the order of the items, whichever ends first",
            "the first failure ends the rest, or with `tolerated_failures` the rest goes on and the failures are listed",
            "each item is a step of its own, with retries, limits and lines of its own",
        ],
        beside: "put the call into a `foreach` with `max_concurrency`",
        example: include_str!("../../../../../examples/patterns/concurrent.json"),
    },
    Pattern {
        name: "fire-and-forget",
        uses: "a call with `\"detached\": true`, on a durable host",
        use_when: &[
            "what starts the work does not need its result",
            "the work may outlive the run that started it",
        ],
        benefits: &[
            "the id of the new run is there at once; its result can be had later (`jackfield runs wait ID`)",
            "the new run survives restarts of the host",
        ],
        beside: "give the call `\"detached\": true`",
        example: include_str!("../../../../../examples/patterns/fire-and-forget.json"),
    },
    Pattern {
        name: "pooled",
        uses: "`process.pool`",
        use_when: &["there are many small requests", "starting the program takes longer than answering"],
        benefits: &[
            "no start for each request: tens of thousands a second in place of tens",
            "a worker that dies costs one request and is replaced; workers can be started ahead and renewed",
            "a full queue pushes back in place of growing",
        ],
        beside: "have the program serve requests, and call `process.pool` in place of `process.run`",
        example: include_str!("../../../../../examples/patterns/pooled.json"),
    },
    Pattern {
        name: "simple",
        uses: "`process.run`",
        use_when: &[
            "a program runs for seconds, once, and its result is needed",
            "nothing asks for one of the others",
        ],
        benefits: &[
            "what it printed is a value: text, lines or JSON",
            "a limit that ends everything the program has started; exit codes that fail, retry or skip",
        ],
        beside: "nothing has to be added",
        example: include_str!("../../../../../examples/patterns/simple.json"),
    },
];
