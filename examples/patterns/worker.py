"""A worker of pooled.json: turns words around."""

from jackfield_worker import serve

serve(lambda request: request["word"][::-1].capitalize())
