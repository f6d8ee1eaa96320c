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
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_server_open(&server, name, &options);
    Py_END_ALLOW_THREADS
    return r < 0 ? fail(r, text) : wrap(type, SERVER, server);
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

static PyObject *server_send(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *source, *timeout = NULL, *result = NULL;
    wpipe_id to;
    Py_buffer data;
    int timeout_ms = 0, r;
    void *handle;

    if (!parse(args, kw, "O&O|O", NAMES("client", "data", "timeout"), to_id,
               &to, &source, &timeout) ||
        (timeout != NULL && to_ms(timeout, &timeout_ms) < 0) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        goto released;
    if (timeout == NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_send(handle, to, data.buf, (size_t)data.len);
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
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_broadcast(handle, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
        leave(self);
        result = r < 0 ? fail(r, NULL) : PyLong_FromLong(r);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *server_sendv(PyObject *self, PyObject *args)
{
    struct pieces pieces;
    PyObject *source, *result = NULL;
    wpipe_id to;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "O&O", to_id, &to, &source) ||
        to_pieces(source, &pieces) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_sendv(handle, to, pieces.pieces, (int)pieces.count);
        Py_END_ALLOW_THREADS
        leave(self);
        result = none_or_fail(r);
    }
    free_pieces(&pieces);
    return result;
}

static PyObject *server_reply(PyObject *self, PyObject *args)
{
    return reply(self, args, SERVER);
}

static PyObject *server_request(PyObject *self, PyObject *args, PyObject *kw)
{
    PyObject *source, *timeout = Py_None, *result = NULL;
    uint64_t request = 0;
    wpipe_id to;
    Py_buffer data;
    void *handle;
    int timeout_ms, r;

    if (!parse(args, kw, "O&O|O", NAMES("client", "data", "timeout"), to_id,
               &to, &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_request(handle, to, data.buf, (size_t)data.len,
                                 timeout_ms, &request);
        Py_END_ALLOW_THREADS
        leave(self);
        result = r < 0 ? fail(r, NULL) : PyLong_FromUnsignedLongLong(request);
    }
    PyBuffer_Release(&data);
    return result;
}

static PyObject *server_call(PyObject *self, PyObject *args)
{
    PyObject *source, *timeout = Py_None, *result = NULL;
    struct calling calling;
    wpipe_event answer;
    wpipe_id to;
    Py_buffer data;
    void *handle;
    int timeout_ms, r;

    if (!PyArg_ParseTuple(args, "O&O|O", to_id, &to, &source, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0 || to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        begin_call(&calling, self, SERVER, handle, timeout_ms);
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_call(handle, to, data.buf, (size_t)data.len, &answer,
                              timeout_ms);
        Py_END_ALLOW_THREADS
        if (end_call(&calling, r) >= 0)
            result = r < 0 ? fail(r, NULL) : to_event(&answer);
        leave(self);
    }
    PyBuffer_Release(&data);
    return result;
}

/* The objects are kept in __init__.py; here is whether there is such a
 * client. */
static PyObject *server_check_user(PyObject *self, PyObject *args)
{
    wpipe_id who;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "O&", to_id, &who))
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_server_set_user(handle, who, NULL);
    Py_END_ALLOW_THREADS
    leave(self);
    return none_or_fail(r);
}

static PyObject *server_drain(PyObject *self, PyObject *args)
{
    PyObject *timeout = Py_None, *result = NULL;
    wpipe_id who;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "O&|O", to_id, &who, &timeout) ||
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
    wpipe_id who;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "O&", to_id, &who))
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = kick ? wpipe_server_kick(handle, who)
             : wpipe_server_disconnect(handle, who);
    Py_END_ALLOW_THREADS
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
    wpipe_id who;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "O&", to_id, &who))
        return NULL;
    handle = enter(self);
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_server_peer(handle, who, &peer);
    Py_END_ALLOW_THREADS
    leave(self);
    return r < 0 ? fail(r, NULL) : to_peer(&peer);
}

static PyObject *server_stop(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    wpipe_server_stop(handle);
    Py_END_ALLOW_THREADS
    leave(self);
    Py_RETURN_NONE;
}

static PyObject *server_stop_accepting(PyObject *self, PyObject *unused)
{
    void *handle = enter(self);
    int r;

    (void)unused;
    if (handle == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_server_stop_accepting(handle);
    Py_END_ALLOW_THREADS
    leave(self);
    return none_or_fail(r);
}

static PyObject *server_shutdown(PyObject *self, PyObject *args)
{
    return shut_object_down(self, args, SERVER);
}

static PyObject *server_name(PyObject *self, void *unused)
{
    void *handle = enter(self);
    PyObject *name;

    (void)unused;
    if (handle == NULL)
        return NULL;
    name = PyUnicode_DecodeFSDefault(wpipe_server_name(handle));
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
    Py_BEGIN_ALLOW_THREADS
    count = wpipe_server_count(handle);
    Py_END_ALLOW_THREADS
    leave(self);
    return PyLong_FromSize_t(count);
}

PyMethodDef server_methods[] = {
    { "_wait", server_wait, METH_VARARGS, NULL },
    { "send", WITH_KEYWORDS(server_send),
      "send(client, data[, timeout]): without a timeout it never waits." },
    { "broadcast", server_broadcast, METH_O,
      "broadcast(data): for how many clients it was queued." },
    { "sendv", server_sendv, METH_VARARGS,
      "sendv(client, pieces): one message of several parts; never waits." },
    { "request", WITH_KEYWORDS(server_request),
      "request(client, data, timeout=None): call a client and return the\n"
      "number of the call; a REPLY event with that `request` tells the\n"
      "answer. Never waits." },
    { "_call", server_call, METH_VARARGS, NULL },
    { "_check_user", server_check_user, METH_VARARGS, NULL },
    { "stop_accepting", server_stop_accepting, METH_NOARGS,
      "Give the name back and accept no more clients; those that are\n"
      "connected stay." },
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
