/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners. */
#include "binding.h"

COMMON(listener, LISTENER)

PyObject *listener_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    wpipe_listener *listener = NULL;
    const char *name = NULL;
    char text[TEXT];
    wpipe_options options;
    int r;

    if (!PyArg_ParseTuple(args, "|z", &name) ||
        to_options(kw, &options, text) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_listen(&listener, name, &options);
    Py_END_ALLOW_THREADS
    return r < 0 ? fail(r, text) : wrap(type, LISTENER, listener);
}

static PyObject *listener_accept(PyObject *self, PyObject *args, PyObject *kw)
{
    struct object *o = (struct object *)self;
    PyObject *timeout = Py_None, *result = NULL;
    wpipe_stream *stream = NULL;
    int timeout_ms, r;
    void *handle;

    if (!parse(args, kw, "|O", NAMES("timeout"), &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    handle = enter_once(self, &o->reading, "accepts from");
    if (handle == NULL)
        return NULL;
    WAIT(self, timeout_ms, r, wpipe_accept(handle, &stream, ms));
    result = r < 0 ? fail(r, NULL)
                   : wrap((PyTypeObject *)stream_type, STREAM, stream);
    stream = NULL;
out:
    wpipe_stream_close(stream); /* Ctrl-C came with it */
    o->reading = 0;
    leave(self);
    return result;
}

static PyObject *listener_name(PyObject *self, void *unused)
{
    void *handle = enter(self);
    PyObject *name;

    (void)unused;
    if (handle == NULL)
        return NULL;
    name = PyUnicode_DecodeFSDefault(wpipe_listener_name(handle));
    leave(self);
    return name;
}

PyMethodDef listener_methods[] = {
    { "accept", WITH_KEYWORDS(listener_accept),
      "accept(timeout=None): the stream of the next client." },
    COMMON_METHODS(listener),
    { NULL, NULL, 0, NULL },
};

PyGetSetDef listener_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "name", listener_name, NULL, "The name without its prefix.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};
