/* SPDX-License-Identifier: Apache-2.0 */
/* Clients. */
#include "binding.h"

COMMON(client, CLIENT)

PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    struct task task = { .kind = CLIENT };
    PyObject *timeout = Py_None;
    const char *name;
    int timeout_ms;

    if (!PyArg_ParseTuple(args, "s|O", &name, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 ||
        to_options(kw, &task.options, task.text) < 0)
        return NULL;
    if (timeout != Py_None)
        task.timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    else if (task.options.connect_ms != 0)
        task.timeout_ms = task.options.connect_ms;
    else
        task.timeout_ms = 300000;
    return open_object(type, &task, name);
}

static PyObject *client_wait(PyObject *self, PyObject *args)
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
    WAIT(self, timeout_ms, r, wpipe_client_wait(handle, &event, ms));
    if (r == 0)
        r = WPIPE_EWOKEN;
    result = r < 0 ? fail(r, NULL) : to_event(&event);
out:
    leave(self);
    return result;
}

static PyObject *client_send(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *source, *timeout = NULL, *result = NULL;
    Py_buffer data;
    int timeout_ms = 0, r;
    void *handle;

    if (!parse(args, kw, "O|O", NAMES("data", "timeout"), &source, &timeout) ||
        (timeout != NULL && to_ms(timeout, &timeout_ms) < 0) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        goto released;
    if (timeout == NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_client_send(handle, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
    } else {
        WAIT(self, timeout_ms, r,
             wpipe_client_send_wait(handle, data.buf, (size_t)data.len, ms));
    }
    result = none_or_fail(r);
out:
    leave(self);
released:
    PyBuffer_Release(&data);
    return result;
}

static PyObject *client_sendv(PyObject *self, PyObject *source)
{
    struct pieces pieces;
    PyObject *result = NULL;
    void *handle;
    int r;

    if (to_pieces(source, &pieces) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_client_sendv(handle, pieces.pieces, (int)pieces.count);
        Py_END_ALLOW_THREADS
        leave(self);
        result = none_or_fail(r);
    }
    free_pieces(&pieces);
    return result;
}

static PyObject *client_reply(PyObject *self, PyObject *args)
{
    return reply(self, args, CLIENT);
}

static PyObject *client_request(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *source, *timeout = Py_None, *result = NULL;
    uint64_t request = 0;
    Py_buffer data;
    void *handle;
    int timeout_ms, r;

    if (!parse(args, kw, "O|O", NAMES("data", "timeout"), &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_client_request(handle, data.buf, (size_t)data.len, timeout_ms,
                                 &request);
        Py_END_ALLOW_THREADS
        leave(self);
        result = r < 0 ? fail(r, NULL) : PyLong_FromUnsignedLongLong(request);
    }
    PyBuffer_Release(&data);
    return result;
}

/* A request is sent once, so it is one wait. */
static PyObject *client_call(PyObject *self, PyObject *args)
{
    PyObject *source, *timeout = Py_None, *result = NULL;
    struct calling calling;
    wpipe_event event;
    Py_buffer data;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "O|O", &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        begin_call(&calling, self, CLIENT, handle, timeout_ms);
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_client_call(handle, data.buf, (size_t)data.len, &event,
                              timeout_ms);
        Py_END_ALLOW_THREADS
        if (end_call(&calling, r) >= 0)
            result = r < 0 ? fail(r, NULL) : to_event(&event);
        leave(self);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *client_drain(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *timeout = Py_None, *result = NULL;
    int timeout_ms, r;
    void *handle;

    if (!parse(args, kw, "|O", NAMES("timeout"), &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    WAIT(self, timeout_ms, r, wpipe_client_drain(handle, ms));
    result = none_or_fail(r);
out:
    leave(self);
    return result;
}

static PyObject *client_peer(PyObject *self, PyObject *unused)
{
    wpipe_peer peer = { .size = sizeof(peer) };
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_client_peer(handle, &peer);
    Py_END_ALLOW_THREADS
    leave(self);
    return r < 0 ? fail(r, NULL) : to_peer(&peer);
}

static PyObject *client_shutdown(PyObject *self, PyObject *args)
{
    return shut_object_down(self, args, CLIENT);
}

PyMethodDef client_methods[] = {
    { "_wait", client_wait, METH_VARARGS, NULL },
    { "send", WITH_KEYWORDS(client_send),
      "send(data[, timeout]): without a timeout it never waits." },
    { "sendv", client_sendv, METH_O,
      "sendv(pieces): one message of several parts; never waits." },
    { "request", WITH_KEYWORDS(client_request),
      "request(data, timeout=None): call the server and return the number\n"
      "of the call; a REPLY event with that `request` tells the answer.\n"
      "Never waits." },
    { "_reply", client_reply, METH_VARARGS, NULL },
    { "_call", client_call, METH_VARARGS, NULL },
    { "drain", WITH_KEYWORDS(client_drain),
      "drain(timeout=None): until the server has read all." },
    { "_peer", client_peer, METH_NOARGS, NULL },
    { "_shutdown", client_shutdown, METH_VARARGS, NULL },
    COMMON_METHODS(client),
    { NULL, NULL, 0, NULL },
};

PyGetSetDef client_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
