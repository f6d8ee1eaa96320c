/* SPDX-License-Identifier: Apache-2.0 */
/* Servers. */
#include "binding.h"

COMMON(server, SERVER)

PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    wpipe_server *server = NULL;
    const char *name = NULL;
    char text[TEXT];
    wpipe_options options;
    int r;

    if (!PyArg_ParseTuple(args, "|z", &name) ||
        to_options(kw, &options, text) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS r = wpipe_server_open(&server, name, &options);
    Py_END_ALLOW_THREADS return r < 0 ? fail(r, text)
                                      : wrap(type, SERVER, server);
}

static PyObject *server_wait(PyObject *self, PyObject *args)
{
    PyObject *timeout = Py_None, *result = NULL;
    wpipe_event event;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    WAIT(self, timeout_ms, r, wpipe_server_wait(handle, &event, ms));
    if (r == 0)
        r = WPIPE_EWOKEN;
    result = r < 0 ? fail(r, NULL) : to_event(&event);
out:
    leave(self);
    return result;
}

static PyObject *server_send(PyObject *self, PyObject *args)
{
    PyObject *source, *timeout = NULL, *result = NULL;
    unsigned long long to;
    Py_buffer data;
    int timeout_ms = 0, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "KO|O", &to, &source, &timeout) ||
        (timeout != NULL && to_ms(timeout, &timeout_ms) < 0) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        goto released;
    if (timeout == NULL) {
        Py_BEGIN_ALLOW_THREADS r =
            wpipe_server_send(handle, to, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
    } else {
        WAIT(
            self, timeout_ms, r,
            wpipe_server_send_wait(handle, to, data.buf, (size_t)data.len, ms));
    }
    result = none_or_fail(r);
out:
    leave(self);
released:
    PyBuffer_Release(&data);
    return result;
}

static PyObject *server_broadcast(PyObject *self, PyObject *source)
{
    PyObject *result = NULL;
    Py_buffer data;
    void *handle;
    int r;

    if (to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS r =
            wpipe_server_broadcast(handle, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS leave(self);
        result = r < 0 ? fail(r, NULL) : PyLong_FromLong(r);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *server_reply(PyObject *self, PyObject *args)
{
    unsigned long long to, request;
    wpipe_event event = { 0 };
    PyObject *source, *result = NULL;
    Py_buffer data;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "KKO", &to, &request, &source) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        event.type = WPIPE_EVENT_MESSAGE;
        event.from = to;
        event.request = request;
        Py_BEGIN_ALLOW_THREADS r =
            wpipe_server_reply(handle, &event, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS leave(self);
        result = none_or_fail(r);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *server_drain(PyObject *self, PyObject *args)
{
    PyObject *timeout = Py_None, *result = NULL;
    unsigned long long who;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "K|O", &who, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    WAIT(self, timeout_ms, r, wpipe_server_drain(handle, who, ms));
    result = none_or_fail(r);
out:
    leave(self);
    return result;
}

static PyObject *server_end_one(PyObject *self, PyObject *args, int kick)
{
    unsigned long long who;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "K", &who))
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    r = kick ? wpipe_server_kick(handle, who)
             : wpipe_server_disconnect(handle, who);
    leave(self);
    return none_or_fail(r);
}

static PyObject *server_disconnect(PyObject *self, PyObject *args)
{
    return server_end_one(self, args, 0);
}

static PyObject *server_kick(PyObject *self, PyObject *args)
{
    return server_end_one(self, args, 1);
}

static PyObject *server_peer(PyObject *self, PyObject *args)
{
    wpipe_peer peer = { .size = sizeof(peer) };
    unsigned long long who;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "K", &who))
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    r = wpipe_server_peer(handle, who, &peer);
    leave(self);
    return r < 0 ? fail(r, NULL) : to_peer(&peer);
}

static PyObject *server_stop(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS wpipe_server_stop(handle);
    Py_END_ALLOW_THREADS leave(self);
    Py_RETURN_NONE;
}

static PyObject *server_shutdown(PyObject *self, PyObject *args)
{
    PyObject *timeout = Py_None;
    wpipe_lost lost = { .size = sizeof(lost) };
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS r = wpipe_server_shutdown(handle, timeout_ms, &lost);
    Py_END_ALLOW_THREADS leave(self);
    return r < 0 && r != WPIPE_ETIMEDOUT ? fail(r, NULL) : to_lost(r, &lost);
}

static PyObject *server_name(PyObject *self, void *unused)
{
    void *handle = enter(self);
    PyObject *name;

    (void)unused;
    if (handle == NULL)
        return NULL;
    name = PyUnicode_FromString(wpipe_server_name(handle));
    leave(self);
    return name;
}

static PyObject *server_count(PyObject *self, void *unused)
{
    void *handle = enter(self);
    size_t count;

    (void)unused;
    if (handle == NULL)
        return NULL;
    count = wpipe_server_count(handle);
    leave(self);
    return PyLong_FromSize_t(count);
}

PyMethodDef server_methods[] = {
    { "_wait", server_wait, METH_VARARGS, NULL },
    { "send", server_send, METH_VARARGS,
      "send(client, data[, timeout]): without a timeout it never waits." },
    { "broadcast", server_broadcast, METH_O,
      "broadcast(data): for how many clients it was queued." },
    { "_reply", server_reply, METH_VARARGS, NULL },
    { "_drain", server_drain, METH_VARARGS, NULL },
    { "disconnect", server_disconnect, METH_VARARGS,
      "disconnect(client): end it once it has read all." },
    { "kick", server_kick, METH_VARARGS, "kick(client): end it at once." },
    { "_peer", server_peer, METH_VARARGS, NULL },
    { "stop", server_stop, METH_NOARGS, "End all waits from now on." },
    { "_shutdown", server_shutdown, METH_VARARGS, NULL },
    COMMON_METHODS(server),
    { NULL, NULL, 0, NULL },
};

PyGetSetDef server_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "name", server_name, NULL, "The name without its prefix.", NULL },
    { "count", server_count, NULL, "How many clients are connected.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
