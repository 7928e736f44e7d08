"""Runs in the interpreter of a session: takes requests, executes code, answers.

The conversation is on the socket that the process got as standard input, moved out of the way before any code of the
user runs. A frame is a length (4 bytes, big endian) and that many bytes of JSON. A request to execute brings two
descriptors along: what the code prints goes there and nowhere else, so that whoever still holds those of an earlier
execution (a child, a C library) cannot write into the output of a later one.

Standard library only. Python 3.9 and newer.
"""

import ast
import builtins
import faulthandler
import gc
import io
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import types
import _thread
from typing import Any, Callable, Dict, List, Optional, Tuple

PROTOCOL = 1
"""Has to be what the host expects."""
TRACEBACK_CHARS_MAX = 64 * 1024
CELLS_KEPT_MAX = 64
"""Sources of cells that tracebacks can still show."""
FILES_MAX = 1000
"""Files that are looked at to tell which ones an execution has made."""
FULL_COLLECTION_AFTER = 64
"""Executions after which all memory is looked through for garbage, however short they were."""

_HEAD = struct.Struct(">I")
_REPR_CHARS_MAX = 4096


class Conversation:
    """Frames to and from the host."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._room = socket.CMSG_SPACE(2 * struct.calcsize("i"))

    def receive(self) -> Tuple[Optional[Dict[str, Any]], List[int]]:
        """The next request and the descriptors that came with it; None when the host has gone."""
        head = b""
        fds: List[int] = []
        while len(head) < _HEAD.size:
            part, ancillary, _, _ = self._sock.recvmsg(_HEAD.size - len(head), self._room)
            if not part:
                return None, fds
            head += part
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    usable = len(data) - len(data) % struct.calcsize("i")
                    fds.extend(struct.unpack("%di" % (usable // struct.calcsize("i")), data[:usable]))
        (length,) = _HEAD.unpack(head)
        body = bytearray()
        while len(body) < length:
            part = self._sock.recv(min(length - len(body), 1 << 20))
            if not part:
                return None, fds
            body += part
        return json.loads(body), fds

    def send(self, text: str) -> None:
        body = text.encode("utf-8")
        self._sock.sendall(_HEAD.pack(len(body)) + body)

    def close(self) -> None:
        self._sock.close()


class Owners:
    """Which execution a thread belongs to. A thread belongs to the execution in which it was started, or in which the
    thread that started it was. What belongs to an earlier one prints to nowhere."""

    def __init__(self) -> None:
        self.current = 0
        self.stray_chars = 0
        self._own = threading.local()
        self._main = threading.get_ident()
        start_thread = _thread.start_new_thread

        def start_new_thread(function: Callable[..., Any], args: Any, kwargs: Any = None) -> int:
            owner = self.of_this_thread()

            def run() -> None:
                self._own.number = owner
                function(*args, **(kwargs or {}))

            return start_thread(run, ())

        def start_joinable(function: Callable[[], None], *args: Any, **kwargs: Any) -> Any:
            owner = self.of_this_thread()

            def run() -> None:
                self._own.number = owner
                function()

            return start_joinable_thread(run, *args, **kwargs)

        # threading has taken these functions when it was imported; which of them it uses depends on its version
        _thread.start_new_thread = start_new_thread
        if hasattr(threading, "_start_new_thread"):
            threading._start_new_thread = start_new_thread  # type: ignore[attr-defined]
        start_joinable_thread = getattr(threading, "_start_joinable_thread", None)
        if start_joinable_thread is not None:
            threading._start_joinable_thread = start_joinable  # type: ignore[attr-defined]

    def of_this_thread(self) -> int:
        if threading.get_ident() == self._main:
            return self.current
        return getattr(self._own, "number", 0)

    def is_stray(self) -> bool:
        return self.current == 0 or self.of_this_thread() != self.current


class Output(io.TextIOWrapper):
    """sys.stdout and sys.stderr: writes to descriptor 1 or 2, unless the execution of the writer is over."""

    def __init__(self, fd: int, owners: Owners) -> None:
        raw = io.FileIO(fd, "wb", closefd=False)
        super().__init__(
            io.BufferedWriter(raw, 64 * 1024),
            encoding="utf-8",
            # halves of surrogate pairs are the host's to replace
            errors="surrogatepass",
            newline="\n",
            line_buffering=True,
        )
        self._owners = owners

    @property
    def name(self) -> str:
        return "<stdout>" if self.buffer.raw.fileno() == 1 else "<stderr>"

    def write(self, text: str) -> int:
        if self._owners.is_stray():
            self._owners.stray_chars += len(text)
            return len(text)
        return super().write(text)

    def close(self) -> None:
        self.flush()


class Session:
    """One namespace, and what is done in it."""

    def __init__(self, talk: Conversation) -> None:
        self.talk = talk
        self.owners = Owners()
        self.module = types.ModuleType("__main__")
        self.module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self.module
        self.null = os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        self.is_running = False
        self.pid = os.getpid()
        os.register_at_fork(after_in_child=talk.close)
        self.cells: List[str] = []
        self.since_full = 0
        self.full_took = 0.0
        sys.stdout = self.out = Output(1, self.owners)
        sys.stderr = self.err = Output(2, self.owners)
        sys.__stdout__ = sys.stdout  # type: ignore[misc]
        sys.__stderr__ = sys.stderr  # type: ignore[misc]
        signal.signal(signal.SIGINT, self.interrupted)
        faulthandler.enable(self.err)

    def interrupted(self, _signal: int, _frame: Any) -> None:
        if self.is_running:
            raise KeyboardInterrupt

    def begin(self, request: Dict[str, Any]) -> None:
        """What makes this interpreter that of one session: directory, environment, limits."""
        os.environ.update(request.get("env") or {})
        for name, (soft, hard) in (request.get("limits") or {}).items():
            import resource

            resource.setrlimit(getattr(resource, name), (soft, hard))
        if request.get("cwd"):
            os.chdir(request["cwd"])
        sys.path.insert(0, "")

    def execute(self, request: Dict[str, Any], fds: List[int]) -> str:
        """Executes code or a file; the answer as JSON."""
        for source, target in zip(fds, (1, 2)):
            os.dup2(source, target)
            os.close(source)
        before = listing() if request.get("files") else None
        answer = Answer(request.get("result_max") or 1 << 24)
        self.owners.current = request["id"]
        self.owners.stray_chars = 0
        signal.signal(signal.SIGINT, self.interrupted)
        self.attempt(request, answer)
        if os.getpid() != self.pid:
            # a child of the code's own making came to the end of the code: the conversation is not with it
            self.flush()
            os._exit(0 if answer.error is None else 1)
        self.settle(request, answer)
        self.owners.current = 0
        if before is not None:
            answer.files = changed(before)
        for fd in (1, 2):
            os.dup2(self.null, fd)
        answer.stray_chars = self.owners.stray_chars
        return answer.text()

    def attempt(self, request: Dict[str, Any], answer: "Answer") -> None:
        """Everything in which code of the user runs, and in which it can be interrupted."""
        try:
            try:
                if "path" in request:
                    self.script(request, answer)
                else:
                    self.cell(request, answer)
                self.flush()
            finally:
                self.is_running = False
        except SystemExit as exit:
            answer.exit_code = exit_code(exit)
            if answer.exit_code != 0:
                answer.failed(exit, request["name"])
        except BaseException as error:  # whatever it is, it is the code's own
            answer.failed(error, request["name"])

    def cell(self, request: Dict[str, Any], answer: "Answer") -> None:
        name, code = request["name"], request["code"]
        space = self.module.__dict__
        space.update(request.get("inputs") or {})
        self.remember(name, code)
        tree = ast.parse(code, name, "exec")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        body = compile(tree, name, "exec") if tree.body else None
        value = compile(ast.Expression(last.value), name, "eval") if last is not None else None
        self.is_running = True
        if body is not None:
            exec(body, space)
        if value is not None:
            answer.result = answer.json("result", eval(value, space))
        for wanted in request.get("outputs") or []:
            if wanted not in space:
                raise NameError("the output variable '%s' is not defined" % wanted)
            answer.outputs.append((wanted, answer.json(wanted, space[wanted])))

    def script(self, request: Dict[str, Any], answer: "Answer") -> None:
        """Runs a file as `python FILE` does, in a namespace of its own."""
        path = request["path"]
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
        module = types.ModuleType("__main__")
        module.__dict__.update({"__file__": path, "__builtins__": builtins})
        argv, old_path, old_cwd = sys.argv, list(sys.path), os.getcwd()
        sys.argv = [path] + list(request.get("argv") or [])
        sys.path[0:1] = [os.path.dirname(os.path.abspath(path))]
        if request.get("package"):
            module.__dict__["__package__"] = request["package"]
            sys.path.insert(0, request["root"])
            __import__(request["package"])
        sys.modules["__main__"] = module
        module.__dict__.update(request.get("inputs") or {})
        if request.get("cwd"):
            os.chdir(request["cwd"])
        try:
            self.is_running = True
            exec(code, module.__dict__)
            for wanted in request.get("outputs") or []:
                if wanted not in module.__dict__:
                    raise NameError("the output variable '%s' is not defined" % wanted)
                answer.outputs.append((wanted, answer.json(wanted, module.__dict__[wanted])))
        finally:
            self.is_running = False
            sys.modules["__main__"] = self.module
            sys.argv, sys.path[:] = argv, old_path
            os.chdir(old_cwd)

    def settle(self, request: Dict[str, Any], answer: "Answer") -> None:
        """What belongs to an execution and comes after its code: figures, finalizers, output that waits in buffers."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None and request.get("figures"):
            try:
                answer.figures = save_figures(pyplot, request["figures"], request["id"])
            except Exception as error:
                if answer.error is None:
                    answer.failed(error, request["name"])
        # a finalizer that prints does it now; the automatic collections in later executions look at newer objects only
        gc.collect()
        gc.freeze()
        self.flush()

    def tidy(self, took: float) -> None:
        """Between executions, what they print goes nowhere: looks through all memory if that is cheap compared with them."""
        self.since_full += 1
        if took > 10 * self.full_took and took > 0.01 or self.since_full >= FULL_COLLECTION_AFTER:
            started = time.monotonic()
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self.full_took, self.since_full = time.monotonic() - started, 0

    def flush(self) -> None:
        for stream in (sys.stdout, sys.stderr, self.out, self.err):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass  # the code closed it, or put something else in its place

    def remember(self, name: str, code: str) -> None:
        """Lets tracebacks show lines of a cell."""
        cache = sys.modules.get("linecache")
        if cache is None:
            return
        cache.cache[name] = (len(code), None, code.splitlines(True), name)
        self.cells.append(name)
        if len(self.cells) > CELLS_KEPT_MAX:
            cache.cache.pop(self.cells.pop(0), None)


class Answer:
    """What became of an execution."""

    def __init__(self, result_max: int) -> None:
        self.result_max = result_max
        self.result = "null"
        self.outputs: List[Tuple[str, str]] = []
        self.not_json: List[str] = []
        self.exit_code: Optional[int] = None
        self.error: Optional[Dict[str, Any]] = None
        self.files: List[Dict[str, Any]] = []
        self.figures: List[Dict[str, Any]] = []
        self.stray_chars = 0

    def json(self, name: str, value: Any) -> str:
        """The value as JSON; one that has no such form, or is too long, as its type and representation, and noted."""
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            size = len(text.encode("utf-8"))
            if size <= self.result_max:
                return text
            why = "its JSON has %d bytes, at most %d are taken" % (size, self.result_max)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            why = str(error)
        self.not_json.append(name)
        described = {"type": type_name(type(value)), "repr": scrub(representation(value)), "reason": scrub(why)}
        return json.dumps(described)

    def failed(self, error: BaseException, name: str) -> None:
        shown = error.with_traceback(own_part(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename == name:
            shown = error.with_traceback(None)
        try:
            text = "".join(traceback.format_exception(type(error), shown, shown.__traceback__))
        except Exception as other:  # an exception whose own text cannot be made
            text = "%s (its text cannot be made: %s)\n" % (type_name(type(error)), type_name(type(other)))
        if len(text) > TRACEBACK_CHARS_MAX:
            half = TRACEBACK_CHARS_MAX // 2
            text = text[:half] + "\n[... cut ...]\n" + text[-half:]
        self.error = {
            "type": type_name(type(error)),
            "message": scrub(message_of(error)),
            "traceback": scrub(text),
            "line": line_of(error, name),
        }

    def text(self) -> str:
        rest = {
            "op": "done",
            "not_json": self.not_json,
            "exit_code": self.exit_code,
            "error": self.error,
            "files": self.files,
            "figures": self.figures,
            "stray_chars": self.stray_chars,
        }
        outputs = ",".join(json.dumps(name) + ":" + text for name, text in self.outputs)
        return '%s,"result":%s,"outputs":{%s}}' % (json.dumps(rest)[:-1], self.result, outputs)


def type_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else "%s.%s" % (module, kind.__qualname__)


def message_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.msg:
        return error.msg
    try:
        return str(error)
    except Exception:
        return "<its text cannot be made>"


def representation(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = "<its representation cannot be made: %s>" % type_name(type(error))
    return text if len(text) <= _REPR_CHARS_MAX else text[:_REPR_CHARS_MAX] + "..."


def scrub(text: str) -> str:
    """The text without halves of surrogate pairs, which are no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def exit_code(exit: SystemExit) -> int:
    if exit.code is None:
        return 0
    if isinstance(exit.code, int):
        return exit.code
    print(exit.code, file=sys.stderr)
    return 1


def own_part(trace: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """The traceback without the frames of this file at its beginning."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def line_of(error: BaseException, name: str) -> Optional[int]:
    """The line of the code, as near to the failure as there is one."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def listing() -> Dict[str, Tuple[int, int]]:
    """Files in the working directory with size and time of the last change."""
    found: Dict[str, Tuple[int, int]] = {}
    folders = ["."]
    while folders and len(found) < FILES_MAX:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    known = entry.stat(follow_symlinks=False)
                    found[entry.path] = (known.st_size, known.st_mtime_ns)
            except OSError:
                continue
    return found


def changed(before: Dict[str, Tuple[int, int]]) -> List[Dict[str, Any]]:
    files = []
    for path, known in sorted(listing().items()):
        if before.get(path) != known:
            files.append({"path": scrub(os.path.abspath(path)), "bytes": known[0], "is_new": path not in before})
    return files


def save_figures(pyplot: Any, folder: str, number: int) -> List[Dict[str, Any]]:
    saved = []
    for figure_number in pyplot.get_fignums():
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "figure-%d-%d.png" % (number, figure_number))
        pyplot.figure(figure_number).savefig(path, format="png")
        saved.append({"path": path, "bytes": os.path.getsize(path)})
    pyplot.close("all")
    return saved


def private_socket() -> socket.socket:
    """The socket of the conversation, where code of the user does not come across it; standard input is then empty."""
    import fcntl

    fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.__stdin__ = sys.stdin  # type: ignore[misc]
    return socket.socket(fileno=fd)


def leave() -> None:
    """The host has ended the session, or is gone: nothing of it may stay."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass  # whatever it is, the process ends now
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    talk = Conversation(private_socket())
    session = Session(talk)
    import linecache  # noqa: F401  what tracebacks show comes from its cache

    ready = {
        "op": "ready",
        "protocol": PROTOCOL,
        "pid": os.getpid(),
        "version": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "prefix": sys.prefix,
    }
    gc.collect()
    gc.freeze()
    talk.send(json.dumps(ready))
    for fd in (1, 2):
        os.dup2(session.null, fd)
    while True:
        request, fds = talk.receive()
        if request is None:
            leave()
            return
        if request["op"] == "begin":
            try:
                session.begin(request)
                talk.send(json.dumps({"op": "begun"}))
            except Exception as error:
                talk.send(json.dumps({"op": "begun", "error": scrub("%s: %s" % (type_name(type(error)), error))}))
            continue
        started = time.monotonic()
        talk.send(session.execute(request, fds))
        session.tidy(time.monotonic() - started)
