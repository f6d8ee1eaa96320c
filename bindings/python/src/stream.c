/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and anonymous pipes. */
#include "binding.h"

COMMON(stream, STREAM)

PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    struct task task = { .kind = STREAM };
    PyObject *timeout = Py_None;
    const char *name;

    if (!PyArg_ParseTuple(args, "s|O", &name, &timeout) ||
        to_ms(timeout, &task.timeout_ms) < 0 ||
        to_options(kw, &task.options, task.text) < 0)
        return NULL;
    return open_object(type, &task, name);
}

/* Bytes read, or -1 with an exception. The end of a slice in the middle of a
 * message is not the end of the read. */
static int64_t read_now(PyObject *self, char *to, size_t size,
                        PyObject *timeout)
{
    struct object *o = (struct object *)self;
    struct waiting w;
    int64_t r, got = 0;
    int timeout_ms, again = 0;
    void *handle;

    if (to_ms(timeout, &timeout_ms) < 0)
        return -1;
    handle = enter_once(self, &o->reading, "reads");
    if (handle == NULL)
        return -1;
    begin_wait(&w, self, timeout_ms);
    do {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_read(handle, to + got, size - (size_t)got, w.slice_ms);
        Py_END_ALLOW_THREADS
        if (r > 0)
            got += r;
        if (r > 0 && (size_t)got < size && w.slice_ms != w.left_ms &&
            !wpipe_stream_message_complete(handle))
            r = WPIPE_ETIMEDOUT;
        again = wait_again(&w, r);
    } while (again > 0);
    o->reading = 0;
    leave(self);
    if (again < 0)
        return -1;
    if (r < 0 && got == 0) {
        fail(r, NULL);
        return -1;
    }
    return got;
}

static PyObject *stream_readinto(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *target, *timeout = Py_None;
    Py_buffer buffer;
    int64_t r;

    if (!parse(args, kw, "O|O", NAMES("buffer", "timeout"), &target,
               &timeout) ||
        PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    r = read_now(self, buffer.buf, (size_t)buffer.len, timeout);
    PyBuffer_Release(&buffer);
    return r < 0 ? NULL : PyLong_FromLongLong(r);
}

static PyObject *stream_read(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *timeout = Py_None, *result = NULL;
    Py_ssize_t size = 65536;
    char *buffer;
    int64_t r;

    if (!parse(args, kw, "|nO", NAMES("size", "timeout"), &size, &timeout))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a size is 0 and more");
        return NULL;
    }
    buffer = PyMem_Malloc((size_t)size + 1); /* not touched: it may be huge */
    if (buffer == NULL)
        return PyErr_NoMemory();
    r = read_now(self, buffer, (size_t)size, timeout);
    if (r >= 0)
        result = PyBytes_FromStringAndSize(buffer, (Py_ssize_t)r);
    PyMem_Free(buffer);
    return result;
}

/* A message that was given up is withdrawn, so it is one wait. */
static PyObject *stream_write(PyObject *self, PyObject *args, PyObject *kw)
{
    struct object *o = (struct object *)self;
    PyObject *source, *timeout = Py_None, *result = NULL;
    struct calling calling;
    Py_buffer data;
    int timeout_ms, again;
    void *handle;
    int64_t r;

    if (!parse(args, kw, "O|O", NAMES("data", "timeout"), &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter_once(self, &o->writing, "writes");
    if (handle == NULL) {
        PyBuffer_Release(&data);
        return NULL;
    }
    do {
        begin_call(&calling, self, STREAM, handle, timeout_ms);
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_write(handle, data.buf, (size_t)data.len, timeout_ms);
        Py_END_ALLOW_THREADS
        again = end_call(&calling, r);
        timeout_ms = calling.left_ms;
    } while (again > 0);
    if (again == 0)
        result = r < 0 ? fail(r, NULL) : PyLong_FromLongLong(r);
    o->writing = 0;
    leave(self);
    PyBuffer_Release(&data);
    return result;
}

static PyObject *stream_peek(PyObject *self, PyObject *args, PyObject *kw)
{
    struct object *o = (struct object *)self;
    size_t available = 0, left = 0;
    PyObject *copy, *result = NULL;
    Py_ssize_t size = 0;
    void *handle;
    int64_t r;

    if (!parse(args, kw, "|n", NAMES("size"), &size))
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "a size is 0 and more");
        return NULL;
    }
    copy = PyByteArray_FromStringAndSize(NULL, size);
    if (copy == NULL)
        return NULL;
    handle = enter_once(self, &o->reading, "reads");
    if (handle != NULL) {
        char *to = PyByteArray_AsString(copy);

        Py_BEGIN_ALLOW_THREADS
        r = wpipe_peek(handle, to, (size_t)size, &available, &left);
        Py_END_ALLOW_THREADS
        o->reading = 0;
        leave(self);
        if (r < 0)
            fail(r, NULL);
        else
            result =
                Py_BuildValue("(Nnn)",
                              PyBytes_FromStringAndSize(
                                  PyByteArray_AsString(copy), (Py_ssize_t)r),
                              (Py_ssize_t)available, (Py_ssize_t)left);
    }
    Py_DECREF(copy);
    return result;
}

static PyObject *stream_drain(PyObject *self, PyObject *args, PyObject *kw)
{
    struct object *o = (struct object *)self;
    PyObject *timeout = Py_None, *result = NULL;
    int timeout_ms, r;
    void *handle;

    if (!parse(args, kw, "|O", NAMES("timeout"), &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter_once(self, &o->writing, "writes");
    if (handle == NULL)
        return NULL;
    WAIT(self, timeout_ms, r, wpipe_drain(handle, ms));
    result = none_or_fail(r);
out:
    o->writing = 0;
    leave(self);
    return result;
}

static PyObject *stream_finish(PyObject *self, PyObject *unused)
{
    struct object *o = (struct object *)self;
    void *handle = enter_once(self, &o->writing, "writes");
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_finish(handle);
    Py_END_ALLOW_THREADS
    o->writing = 0;
    leave(self);
    return none_or_fail(r);
}

static PyObject *stream_disconnect(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_disconnect(handle);
    Py_END_ALLOW_THREADS
    leave(self);
    return none_or_fail(r);
}

static PyObject *stream_peer(PyObject *self, PyObject *unused)
{
    wpipe_peer peer = { .size = sizeof(peer) };
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_stream_peer(handle, &peer);
    Py_END_ALLOW_THREADS
    leave(self);
    return r < 0 ? fail(r, NULL) : to_peer(&peer);
}

static PyObject *stream_complete(PyObject *self, void *unused)
{
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    r = wpipe_stream_message_complete(handle);
    leave(self);
    return PyBool_FromLong(r);
}

/* anonymous pipes: the parent's end; its string for the child; the child's */
PyObject *anonymous(PyObject *module, PyObject *args, PyObject *kw)
{
    wpipe_stream *stream = NULL;
    const char *string = NULL;
    char text[TEXT];
    wpipe_options options;
    int direction, r;

    (void)module;
    if (!PyArg_ParseTuple(args, "i|z", &direction, &string) ||
        to_options(kw, &options, text) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = string == NULL
            ? wpipe_anonymous(&stream, direction, &options)
            : wpipe_anonymous_open(&stream, direction, string, &options);
    Py_END_ALLOW_THREADS
    if (r < 0)
        return fail(r, text);
    return wrap((PyTypeObject *)stream_type, STREAM, stream);
}

static PyObject *stream_client_string(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);
    char text[16];
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    r = wpipe_anonymous_client_string(handle, text, sizeof(text));
    leave(self);
    return r < 0 ? fail(r, NULL) : PyUnicode_FromString(text);
}

static PyObject *stream_release_client(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_anonymous_release_client(handle);
    Py_END_ALLOW_THREADS
    leave(self);
    return none_or_fail(r);
}

PyMethodDef stream_methods[] = {
    { "readinto", WITH_KEYWORDS(stream_readinto),
      "readinto(buffer, timeout=None): bytes read into it." },
    { "read", WITH_KEYWORDS(stream_read),
      "read(size=65536, timeout=None): up to `size` bytes; of a message pipe\n"
      "one message or a part of it (message_complete tells). EOFError at the\n"
      "end." },
    { "write", WITH_KEYWORDS(stream_write),
      "write(data, timeout=None): one message, or bytes." },
    { "peek", WITH_KEYWORDS(stream_peek),
      "peek(size=0): (bytes, available, left in the message)." },
    { "drain", WITH_KEYWORDS(stream_drain),
      "drain(timeout=None): until the peer has read all." },
    { "finish", stream_finish, METH_NOARGS, "Write nothing more." },
    { "disconnect", stream_disconnect, METH_NOARGS,
      "Server end: discard what is unread, end the connection." },
    { "_peer", stream_peer, METH_NOARGS, NULL },
    { "client_string", stream_client_string, METH_NOARGS,
      "Anonymous: what the child opens its end with." },
    { "release_client", stream_release_client, METH_NOARGS,
      "Anonymous: close our copy of the child's end." },
    COMMON_METHODS(stream),
    { NULL, NULL, 0, NULL },
};

PyGetSetDef stream_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "message_complete", stream_complete, NULL,
      "Whether the last read reached the end of a message.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
