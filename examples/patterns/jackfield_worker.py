"""Makes a Python function a worker of `process.pool`.

    from jackfield_worker import serve
    serve(lambda request: {"length": len(request["text"])})

A frame is a length in four bytes, most significant first, and JSON of that length. The conversation is the standard input,
a socket that is read from and written to. It is moved away before anything else runs, so that the function may print, read
its input (which is empty) and start programs as it likes. An empty frame asks whether the worker is well.
"""

import json
import os
import socket
import struct
import traceback


def serve(answer):
    """Answers requests with `answer(request)` until there are no more. An exception becomes the error of the step."""
    conversation = socket.socket(fileno=os.dup(0))
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    read, length = bytearray(), struct.Struct(">I")
    while True:
        more = conversation.recv(1 << 16)
        if not more:
            return
        read += more
        at = 0
        while len(read) - at >= 4:
            end = at + 4 + length.unpack_from(read, at)[0]
            if len(read) < end:
                break
            text = _answer(answer, bytes(read[at + 4 : end]))
            # one by one: if a later request ends this process, those before it have been answered
            conversation.sendall(length.pack(len(text)) + text)
            at = end
        del read[:at]


def _answer(answer, request):
    if not request:
        return b""
    try:
        return b'{"ok":' + json.dumps(answer(json.loads(request)), separators=(",", ":")).encode() + b"}"
    except Exception as error:  # whatever the function raises belongs to the step, not to the worker
        told = {
            "message": f"{type(error).__name__}: {error}",
            "retryable": bool(getattr(error, "retryable", False)),
            "details": {"traceback": traceback.format_exc()},
        }
        return json.dumps({"error": told}).encode()
