/* Jackfield plugin ABI 1. Generated from plugin-api/src/abi/{tables,extensions}.rs: do not edit.
 *
 * A plugin is a shared library that exports one constant:
 *
 *     JF_EXPORT const JfPlugin jf_plugin_v1 = { ... };
 *
 * and whose static manifest (JSON) stands in the section `.jfmf` (`__DATA,__jfmf` on macOS); `manifest` of the table
 * points to the same bytes. Text is UTF-8, values are JSON. Whoever produces a buffer frees it. Nothing may unwind or
 * jump across a function of these tables. */

#ifndef JACKFIELD_H
#define JACKFIELD_H

#include <stddef.h>
#include <stdint.h>

// The ABI that these tables are.
#define JF_ABI_MAJOR 1

// Stays 0 for as long as the tables are frozen.
#define JF_ABI_MINOR 0

// It worked.
#define JF_OK 0

// It failed; the error says why.
#define JF_FAILED 1

// The code panicked and was stopped at the border; the error carries the message.
#define JF_PANICKED 2

// This side does not offer that.
#define JF_UNSUPPORTED 3

// There is nothing of that name.
#define JF_NOT_FOUND 4

// The receiver is full: wait before the next item.
#define JF_FULL 5

// Severities of log lines: of interest to people who debug the method.
#define JF_LOG_TRACE 0

// Of interest to people who debug the workflow.
#define JF_LOG_DEBUG 1

// Normal course of events.
#define JF_LOG_INFO 2

// Worth a look.
#define JF_LOG_WARN 3

// Something failed.
#define JF_LOG_ERROR 4

// The stream of a line that the method's work printed: standard output.
#define JF_STDOUT 1

// Standard error.
#define JF_STDERR 2

// In place of the nanoseconds left, of a call that may take for ever.
#define JF_NO_DEADLINE UINT64_MAX

// Borrowed bytes. Text is UTF-8 and not terminated. `ptr` may be null if `len` is 0.
typedef struct JfSlice {
  // The first byte.
  const uint8_t *ptr;
  // How many bytes.
  size_t len;
} JfSlice;

// Bytes handed over. Whoever receives them calls `free` once, if it is not null, when done with them, from any thread.
typedef struct JfBuf {
  // The first byte; may be null if `len` is 0.
  const uint8_t *ptr;
  // How many bytes.
  size_t len;
  // Gives the bytes back to their producer; null for constants.
  void (*free)(struct JfBuf *buf);
  // The producer's own.
  void *owner;
} JfBuf;

// Why something failed. Whoever receives it calls `free` once, if it is not null, from any thread.
typedef struct JfError {
  // Dotted type, such as `csv.bad_row`; empty stands for `plugin.error`.
  struct JfSlice kind;
  // One sentence for people.
  struct JfSlice message;
  // Anything more, as JSON; empty stands for `null`.
  struct JfSlice details;
  // 1 if trying again may help, 0 if not.
  uint32_t retryable;
  // Gives the text back to its producer; null for constants.
  void (*free)(struct JfError *error);
  // The producer's own.
  void *owner;
} JfError;

// What a call ends with. The caller hands it in as zeroes; the callee fills `value` if it answers `JF_OK`, and
// `error` if it answers anything else.
typedef struct JfResult {
  // The result as JSON; empty stands for `null`.
  struct JfBuf value;
  // Why there is none.
  struct JfError error;
} JfResult;

// One attempt of a call. Everything in it stays valid until the method returns or completes, also after the host
// has given the attempt up.
//
// `deadline_left_ns` is what was left when the call began; the host's function of that name tells what is left now.
typedef struct JfCall {
  // Size of this structure in bytes.
  uint32_t struct_size;
  // Place of the method in the manifest, from 0.
  uint32_t method_index;
  // Name of the method.
  struct JfSlice method;
  // The parameters as JSON.
  struct JfSlice params;
  // Id of the run.
  struct JfSlice run_id;
  // Path of the step in the run, such as `probe[3].fetch`.
  struct JfSlice step;
  // `run_id/step`: the same for all attempts, also after a restart of the host. What a remote service needs to
  // recognise a repeated request.
  struct JfSlice idempotency_key;
  // Affinity key; empty if none.
  struct JfSlice session;
  // W3C trace context; empty if none.
  struct JfSlice traceparent;
  // Nanoseconds until the attempt is given up, counted from its beginning; `JF_NO_DEADLINE` if it may take for ever.
  uint64_t deadline_left_ns;
  // 1 for the first attempt.
  uint32_t attempt;
  // The host's own.
  void *host_data;
} JfCall;

// Called exactly once with the end of an asynchronous call, from any thread, perhaps before `start` has returned.
typedef struct JfCompletion {
  // Handed back to `done` as it is.
  void *user_data;
  // Takes over what `result` holds; the structure itself stays the caller's.
  void (*done)(void *user_data, int32_t status, struct JfResult *result);
} JfCompletion;

// What the host offers to a plugin. The table stays valid until the instance is destroyed. Every function may be
// called from any thread at any time, and none is null: what a host does not offer answers `JF_UNSUPPORTED`.
// `call` is the attempt on whose behalf it is asked; only `log` takes null, for lines that belong to no call.
typedef struct JfHost {
  // Size of this structure in bytes.
  uint32_t struct_size;
  // `JF_ABI_MAJOR`.
  uint16_t abi_major;
  // `JF_ABI_MINOR`.
  uint16_t abi_minor;
  // The host's own.
  void *data;
  // A log line. `fields` is a JSON object or empty.
  int32_t (*log)(const struct JfHost *host,
                 const struct JfCall *call,
                 uint32_t level,
                 struct JfSlice message,
                 struct JfSlice fields);
  // Fraction done, 0 to 1, and what is being done.
  int32_t (*progress)(const struct JfHost *host,
                      const struct JfCall *call,
                      double fraction,
                      struct JfSlice message);
  // A line that the method's work printed, without its end; `stream` is `JF_STDOUT` or `JF_STDERR`.
  int32_t (*output_line)(const struct JfHost *host,
                         const struct JfCall *call,
                         uint32_t stream,
                         struct JfSlice line);
  // 1 if the attempt is to stop, 0 if not.
  int32_t (*is_cancelled)(const struct JfHost *host, const struct JfCall *call);
  // Nanoseconds until the attempt is given up, 0 if it has been; `JF_NO_DEADLINE` if it may take for ever.
  uint64_t (*deadline_left_ns)(const struct JfHost *host, const struct JfCall *call);
  // Says that the attempt is alive, with what it wants to find again after a crash (JSON).
  int32_t (*heartbeat)(const struct JfHost *host, const struct JfCall *call, struct JfSlice details);
  // Sets the custom status of the run (JSON).
  int32_t (*set_status)(const struct JfHost *host, const struct JfCall *call, struct JfSlice status);
  // Reads a value of the session.
  int32_t (*state_get)(const struct JfHost *host,
                       const struct JfCall *call,
                       struct JfSlice key,
                       struct JfBuf *out);
  // Writes a value of the session.
  int32_t (*state_put)(const struct JfHost *host,
                       const struct JfCall *call,
                       struct JfSlice key,
                       struct JfSlice value);
  // Removes a value of the session.
  int32_t (*state_delete)(const struct JfHost *host, const struct JfCall *call, struct JfSlice key);
  // Path of an empty directory that is removed after the run.
  int32_t (*temp_dir)(const struct JfHost *host, const struct JfCall *call, struct JfBuf *out);
  // The secret called `name`.
  int32_t (*secret)(const struct JfHost *host,
                    const struct JfCall *call,
                    struct JfSlice name,
                    struct JfBuf *out);
  // Calls a method of another plugin. `params` is copied before it returns; `completion` is called only if it
  // answers `JF_OK`.
  int32_t (*call_method)(const struct JfHost *host,
                         const struct JfCall *call,
                         struct JfSlice plugin,
                         struct JfSlice method,
                         struct JfSlice params,
                         struct JfCompletion completion);
  // Starts a run of a workflow and writes its id to `run_id`.
  int32_t (*start_run)(const struct JfHost *host,
                       const struct JfCall *call,
                       struct JfSlice workflow,
                       struct JfSlice input,
                       struct JfBuf *run_id);
  // Signals an event to a run.
  int32_t (*signal)(const struct JfHost *host,
                    const struct JfCall *call,
                    struct JfSlice run_id,
                    struct JfSlice event,
                    struct JfSlice data);
  // Puts a message into a queue of a run.
  int32_t (*send)(const struct JfHost *host,
                  const struct JfCall *call,
                  struct JfSlice run_id,
                  struct JfSlice queue,
                  struct JfSlice message);
  // Hands out an item of a stream; `JF_FULL` asks to wait before the next one.
  int32_t (*emit)(const struct JfHost *host, const struct JfCall *call, struct JfSlice item);
  // A table that came later, by its name (such as `jf.stream/1`, terminated by zero); null if there is none.
  const void *(*get_extension)(const struct JfHost *host, const char *id);
} JfHost;

// What a plugin is: the one thing it exports, as the data symbol `jf_plugin_v1`. No function is null.
typedef struct JfPlugin {
  // Size of this structure in bytes.
  uint32_t struct_size;
  // `JF_ABI_MAJOR`.
  uint16_t abi_major;
  // `JF_ABI_MINOR`.
  uint16_t abi_minor;
  // The static manifest: JSON, the same bytes as in the section `.jfmf` (`__DATA,__jfmf` on macOS) of the file.
  struct JfSlice manifest;
  // The full manifest: the static one, and the schemas of configuration, parameters and results.
  int32_t (*describe)(struct JfResult *out);
  // Makes an instance with a configuration (JSON). May be called several times, with different configurations.
  int32_t (*create)(const struct JfHost *host,
                    struct JfSlice config,
                    void **instance,
                    struct JfResult *out);
  // Performs a method (kinds inline and blocking). Called from any thread, several at once unless the manifest
  // says `serial`.
  int32_t (*call)(void *instance, const struct JfCall *call, struct JfResult *out);
  // Begins a method (kind async). The completion is called if, and only if, the answer is `JF_OK`.
  int32_t (*start)(void *instance, const struct JfCall *call, struct JfCompletion completion);
  // Ends an instance, when all its calls have ended.
  void (*destroy)(void *instance);
  // A table that came later, by its name (such as `jf.cancel/1`, terminated by zero); null if there is none.
  const void *(*get_extension)(const char *id);
} JfPlugin;

// Extension `jf.cancel/1` of a plugin: its host tells a call to stop by a function. A plugin that does not have it looks at
// `is_cancelled` of its host.
typedef struct JfCancel {
  // Size of this structure in bytes.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // The call is to stop: `is_cancelled` says so from now on. Called at most once for a call, while it lasts, from any
  // thread, and returns at once: it does not wait for the end of the call, but may complete it. It can come before the method
  // is ready for it: a method that waits for it asks `is_cancelled` once more when it is.
  void (*cancel)(void *instance, const struct JfCall *call);
} JfCancel;

// Extension `jf.state/1` of a plugin: its state goes over to a newer version of itself while the host runs on. Both versions
// must have it.
typedef struct JfState {
  // Size of this structure in bytes.
  uint32_t struct_size;
  // 0.
  uint32_t reserved;
  // Hands the state of an instance over, as JSON, which the instance goes on with: calls that have begun with it end with it.
  int32_t (*save)(void *instance, struct JfResult *out);
  // Takes over the state of another version, before the first call of the instance. One that it cannot use is an error: the
  // host goes on with the other version.
  int32_t (*restore)(void *instance, struct JfSlice state, struct JfResult *out);
} JfState;

#endif  /* JACKFIELD_H */

#if defined(_WIN32)
#define JF_EXPORT __declspec(dllexport)
#else
#define JF_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif
/* What the plugin defines. */
JF_EXPORT extern const JfPlugin jf_plugin_v1;
#ifdef __cplusplus
}
#endif
