/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and anonymous pipes. */
#include "binding.h"

COMMON(stream, STREAM)

PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    wpipe_stream *stream = NULL;
    PyObject *timeout = Py_None;
    PyObject *self = NULL;
    const char *name;
    char text[TEXT];
    wpipe_options options;
    int timeout_ms, r;

    if (!PyArg_ParseTuple(args, "s|O", &name, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_options(kw, &options, text) < 0)
        return NULL;
    WAIT(NULL, timeout_ms, r, wpipe_connect(&stream, name, &options, ms));
    if (r < 0)
        return fail(r, text);
    self = wrap(type, STREAM, stream);
out:
    if (self == NULL && stream != NULL && PyErr_Occurred() && r == 0)
        wpipe_stream_close(stream);
    return self;
}

static PyObject *stream_readinto(PyObject *self, PyObject *args)
{
    struct object *o = (struct object *)self;
    PyObject *target, *timeout = Py_None, *result = NULL;
    Py_buffer buffer;
    int timeout_ms;
    void *handle;
    int64_t r;

    if (!PyArg_ParseTuple(args, "O|O", &target, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 ||
        PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    handle = enter_once(self, &o->reading, "reads");
    if (handle == NULL) {
        PyBuffer_Release(&buffer);
        return NULL;
    }
    WAIT(self, timeout_ms, r,
         wpipe_read(handle, buffer.buf, (size_t)buffer.len, ms));
    result = r < 0 ? fail(r, NULL) : PyLong_FromLongLong(r);
out:
    o->reading = 0;
    leave(self);
    PyBuffer_Release(&buffer);
    return result;
}

static PyObject *stream_write(PyObject *self, PyObject *args)
{
    struct object *o = (struct object *)self;
    PyObject *source, *timeout = Py_None, *result = NULL;
    Py_buffer data;
    int timeout_ms;
    void *handle;
    int64_t r;

    if (!PyArg_ParseTuple(args, "O|O", &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter_once(self, &o->writing, "writes");
    if (handle == NULL) {
        PyBuffer_Release(&data);
        return NULL;
    }
    WAIT(self, timeout_ms, r,
         wpipe_write(handle, data.buf, (size_t)data.len, ms));
    result = r < 0 ? fail(r, NULL) : PyLong_FromLongLong(r);
out:
    o->writing = 0;
    leave(self);
    PyBuffer_Release(&data);
    return result;
}

static PyObject *stream_peek(PyObject *self, PyObject *args)
{
    struct object *o = (struct object *)self;
    size_t available = 0, left = 0;
    PyObject *copy, *result = NULL;
    Py_ssize_t size = 0;
    void *handle;
    int64_t r;

    if (!PyArg_ParseTuple(args, "|n", &size))
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
        r = wpipe_peek(handle, PyByteArray_AsString(copy), (size_t)size,
                       &available, &left);
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

static PyObject *stream_drain(PyObject *self, PyObject *args)
{
    struct object *o = (struct object *)self;
    PyObject *timeout = Py_None, *result = NULL;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
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
    r = wpipe_finish(handle);
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
    r = wpipe_disconnect(handle);
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
    r = wpipe_stream_peer(handle, &peer);
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
    Py_BEGIN_ALLOW_THREADS r =
        string == NULL
            ? wpipe_anonymous(&stream, direction, &options)
            : wpipe_anonymous_open(&stream, direction, string, &options);
    Py_END_ALLOW_THREADS if (r < 0) return fail(r, text);
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
    r = wpipe_anonymous_release_client(handle);
    leave(self);
    return none_or_fail(r);
}

PyMethodDef stream_methods[] = {
    { "readinto", stream_readinto, METH_VARARGS,
      "readinto(buffer, timeout=None): bytes read into it." },
    { "write", stream_write, METH_VARARGS,
      "write(data, timeout=None): one message, or bytes." },
    { "peek", stream_peek, METH_VARARGS,
      "peek(size=0): (bytes, available, left in the message)." },
    { "drain", stream_drain, METH_VARARGS,
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
