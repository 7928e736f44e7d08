/* A Jackfield plugin in plain C: `upper` turns a text into upper case, `count_words` counts its words.
 *
 * Everything that the ABI asks for is here: a static manifest in its own section, the table, two methods, errors that
 * are constants, results that are allocated and given back. */
#include "jackfield.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The static manifest. A host reads it from the file without running any code; a call names a method by its place in
 * `methods`. One macro, because the section and the schemas below are made of the same text. */
#define HEAD                                                                                                           \
    "{\"manifest\":1,\"abi\":{\"min\":1,\"max\":1},\"name\":\"words\",\"version\":\"0.1.0\","                          \
    "\"authors\":[\"The Jackfield developers\"],"                                                                                        \
    "\"description\":\"looks at texts, from C\",\"license\":\"MIT OR Apache-2.0\",\"methods\":["
#define UPPER "{\"name\":\"upper\",\"kind\":\"inline\",\"pure\":true,\"description\":\"ASCII letters in upper case\""
#define COUNT_WORDS                                                                                                    \
    "{\"name\":\"count_words\",\"kind\":\"blocking\",\"pure\":true,\"description\":\"counts what stands between spaces\""
#define TEXT_SCHEMA                                                                                                    \
    "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"],"                    \
    "\"additionalProperties\":false}"
#define COUNT_SCHEMA                                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"words\":{\"type\":\"integer\",\"minimum\":0}},\"required\":[\"words\"]}"

#define MANIFEST HEAD UPPER "}," COUNT_WORDS "}]}"
#define FULL_MANIFEST                                                                                                  \
    HEAD UPPER ",\"params\":" TEXT_SCHEMA ",\"output\":" TEXT_SCHEMA "},"                                              \
    COUNT_WORDS ",\"params\":" TEXT_SCHEMA ",\"output\":" COUNT_SCHEMA "}]}"

enum { METHOD_UPPER, METHOD_COUNT_WORDS };

#if defined(__APPLE__)
#define MANIFEST_SECTION "__DATA,__jfmf"
#else
#define MANIFEST_SECTION ".jfmf"
#endif
/* without the zero at the end of the literal */
__attribute__((section(MANIFEST_SECTION))) static const char manifest[sizeof(MANIFEST) - 1] = MANIFEST;

/* ---- results and errors ------------------------------------------------------------------------------------------ */

#define LITERAL(text) ((JfSlice){(const uint8_t *)(text), sizeof(text) - 1})

/* Constant text needs no `free`. Trying again would not help, so `retryable` stays 0. */
static int32_t fail(JfResult *out, JfSlice kind, JfSlice message) {
    out->error.kind = kind;
    out->error.message = message;
    return JF_FAILED;
}

static int32_t out_of_memory(JfResult *out) {
    return fail(out, LITERAL("words.out_of_memory"), LITERAL("there is not enough memory for the result"));
}

static void free_bytes(JfBuf *buf) { free(buf->owner); }

/* Hands `bytes`, made by `malloc`, over to the host, which calls `free_bytes` when it is done with them. */
static int32_t succeed(JfResult *out, char *bytes, size_t len) {
    out->value = (JfBuf){(const uint8_t *)bytes, len, free_bytes, bytes};
    return JF_OK;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static bool is_space(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

static const char *skip_space(const char *at, const char *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

/* The end of a JSON string that begins after its quote: where the closing quote stands, or null. */
static const char *string_end(const char *at, const char *end) {
    for (; at < end; at++) {
        if (*at == '"') return at;
        if (*at == '\\') at++;
    }
    return NULL;
}

/* Finds the string in `{"text": "..."}`: what stands between its quotes, escapes and all. A host sends valid JSON; a
 * plugin that takes more than this wants a JSON library. */
static bool read_text(JfSlice params, const char **text, size_t *len) {
    static const char key[] = "\"text\"";
    const char *at = (const char *)params.ptr, *end = at + params.len;
    at = skip_space(at, end);
    if (at == end || *at++ != '{') return false;
    at = skip_space(at, end);
    if ((size_t)(end - at) < sizeof key - 1 || memcmp(at, key, sizeof key - 1) != 0) return false;
    at = skip_space(at + sizeof key - 1, end);
    if (at == end || *at++ != ':') return false;
    at = skip_space(at, end);
    if (at == end || *at++ != '"') return false;
    const char *close = string_end(at, end);
    if (close == NULL) return false;
    *text = at;
    *len = (size_t)(close - at);
    at = skip_space(close + 1, end);
    return at < end && *at == '}' && skip_space(at + 1, end) == end;
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

/* An escape such as \n or \u00e4 stays as it is; everything else that is a letter of ASCII is changed. */
static int32_t upper(const char *text, size_t len, JfResult *out) {
    static const char before[] = "{\"text\":\"", after[] = "\"}";
    size_t total = sizeof before - 1 + len + sizeof after - 1;
    char *json = malloc(total);
    if (json == NULL) return out_of_memory(out);
    char *to = json;
    memcpy(to, before, sizeof before - 1);
    to += sizeof before - 1;
    for (size_t i = 0; i < len;) {
        size_t escape = text[i] != '\\' ? 0 : text[i + 1] == 'u' ? 6 : 2;
        if (escape > 0) {
            size_t whole = escape < len - i ? escape : len - i;
            memcpy(to, text + i, whole);
            to += whole;
            i += whole;
        } else {
            *to++ = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 'a' + 'A') : text[i];
            i++;
        }
    }
    memcpy(to, after, sizeof after - 1);
    return succeed(out, json, total);
}

/* Words are what stands between spaces; \n, \r and \t are spaces too, other escapes are letters. */
static int32_t count_words(const JfHost *host, const JfCall *call, const char *text, size_t len, JfResult *out) {
    size_t words = 0;
    bool in_word = false;
    for (size_t i = 0; i < len; i++) {
        bool is_escaped_space = text[i] == '\\' && memchr("nrt", text[i + 1], 3) != NULL;
        if (text[i] == ' ' || is_escaped_space) {
            in_word = false;
        } else if (!in_word) {
            in_word = true;
            words++;
        }
        if (text[i] == '\\') i++;
    }
    host->log(host, call, JF_LOG_DEBUG, LITERAL("counted"), (JfSlice){NULL, 0});
    char *json = malloc(40);
    if (json == NULL) return out_of_memory(out);
    int written = snprintf(json, 40, "{\"words\":%zu}", words);
    return succeed(out, json, (size_t)written);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static int32_t describe(JfResult *out) {
    static const char full[] = FULL_MANIFEST;
    out->value = (JfBuf){(const uint8_t *)full, sizeof full - 1, NULL, NULL};
    return JF_OK;
}

/* This plugin keeps no state: all that its methods need is the way to the host. */
static int32_t create(const JfHost *host, JfSlice config, void **instance, JfResult *out) {
    (void)config;
    (void)out;
    *instance = (void *)host;
    return JF_OK;
}

static int32_t call(void *instance, const JfCall *call, JfResult *out) {
    const JfHost *host = instance;
    const char *text;
    size_t len;
    if (!read_text(call->params, &text, &len)) {
        return fail(out, LITERAL("validation"), LITERAL("the parameters must be {\"text\": \"...\"}"));
    }
    switch (call->method_index) {
    case METHOD_UPPER: return upper(text, len, out);
    case METHOD_COUNT_WORDS: return count_words(host, call, text, len, out);
    default: return JF_UNSUPPORTED;
    }
}

/* No method is asynchronous. */
static int32_t start(void *instance, const JfCall *call, JfCompletion completion) {
    (void)instance;
    (void)call;
    (void)completion;
    return JF_UNSUPPORTED;
}

static void destroy(void *instance) { (void)instance; }

static const void *get_extension(const char *id) {
    (void)id;
    return NULL;
}

JF_EXPORT const JfPlugin jf_plugin_v1 = {
    .struct_size = sizeof(JfPlugin),
    .abi_major = JF_ABI_MAJOR,
    .abi_minor = JF_ABI_MINOR,
    .manifest = {(const uint8_t *)manifest, sizeof manifest},
    .describe = describe,
    .create = create,
    .call = call,
    .start = start,
    .destroy = destroy,
    .get_extension = get_extension,
};
