/* SPDX-License-Identifier: Apache-2.0 */
/* Clients. */
#include "binding.h"

COMMON(client, CLIENT)

PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    wpipe_client *client = NULL;
    PyObject *timeout = Py_None;
    PyObject *self = NULL;
    const char *name;
    char text[TEXT];
    wpipe_options options;
    int timeout_ms, r;

    if (!PyArg_ParseTuple(args, "s|O", &name, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_options(kw, &options, text) < 0)
        return NULL;
    if (timeout != Py_None)
        options.connect_ms = timeout_ms > 0 ? timeout_ms : 1;
    if (options.connect_ms == 0)
        options.connect_ms = 300000;
    timeout_ms = options.connect_ms;
    WAIT(NULL, timeout_ms, r,
         (options.connect_ms = ms, wpipe_client_open(&client, name, &options)));
    if (r < 0)
        return fail(r, text);
    self = wrap(type, CLIENT, client);
    client = NULL;
out:
    wpipe_client_close(client);
    return self;
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

static PyObject *client_send(PyObject *self, PyObject *args)
{
    PyObject *source, *timeout = NULL, *result = NULL;
    Py_buffer data;
    int timeout_ms = 0, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "O|O", &source, &timeout) ||
        (timeout != NULL && to_ms(timeout, &timeout_ms) < 0) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        goto released;
    if (timeout == NULL) {
        Py_BEGIN_ALLOW_THREADS r =
            wpipe_client_send(handle, data.buf, (size_t)data.len);
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

/* A request is sent once, so it is one wait: Ctrl-C comes when that is over,
 * unless the wake of another thread ends it. */
static PyObject *client_call(PyObject *self, PyObject *args)
{
    PyObject *source, *timeout = Py_None, *result = NULL;
    wpipe_event event;
    Py_buffer data;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "O|O", &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS r = wpipe_client_call(
            handle, data.buf, (size_t)data.len, &event, timeout_ms);
        Py_END_ALLOW_THREADS if (PyErr_CheckSignals() == 0) result =
            r < 0 ? fail(r, NULL) : to_event(&event);
        leave(self);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *client_drain(PyObject *self, PyObject *args)
{
    PyObject *timeout = Py_None, *result = NULL;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
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
    r = wpipe_client_peer(handle, &peer);
    leave(self);
    return r < 0 ? fail(r, NULL) : to_peer(&peer);
}

static PyObject *client_shutdown(PyObject *self, PyObject *args)
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
    Py_BEGIN_ALLOW_THREADS r = wpipe_client_shutdown(handle, timeout_ms, &lost);
    Py_END_ALLOW_THREADS leave(self);
    return r < 0 && r != WPIPE_ETIMEDOUT ? fail(r, NULL) : to_lost(r, &lost);
}

PyMethodDef client_methods[] = {
    { "_wait", client_wait, METH_VARARGS, NULL },
    { "send", client_send, METH_VARARGS,
      "send(data[, timeout]): without a timeout it never waits." },
    { "_call", client_call, METH_VARARGS, NULL },
    { "drain", client_drain, METH_VARARGS,
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
