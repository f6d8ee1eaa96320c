/* SPDX-License-Identifier: Apache-2.0 */
/* The module: its types and functions. */
#include "binding.h"

static int add_name(const char *name, const char *where, void *user)
{
    PyObject *text = PyUnicode_DecodeFSDefault(name);
    int r;

    (void)where;
    if (text == NULL)
        return 1;
    r = PyList_Append(user, text);
    Py_DECREF(text);
    return r < 0;
}

static PyObject *list_names(PyObject *module, PyObject *unused)
{
    PyObject *names = PyList_New(0);
    int r;

    (void)module, (void)unused;
    if (names == NULL)
        return NULL;
    r = wpipe_list(add_name, names);
    if (r < 0 && !PyErr_Occurred())
        fail(r, NULL);
    if (PyErr_Occurred()) {
        Py_DECREF(names);
        return NULL;
    }
    return names;
}

static PyObject *wait_for(PyObject *module, PyObject *args, PyObject *kw)
{
    PyObject *timeout = Py_None;
    const char *name;
    int timeout_ms, r;

    (void)module;
    if (!parse(args, kw, "s|O", NAMES("name", "timeout"), &name, &timeout) ||
        to_ms(timeout, &timeout_ms) < 0)
        return NULL;
    WAIT(NULL, timeout_ms, r, wpipe_wait_for(name, ms));
    return none_or_fail(r);
out:
    return NULL;
}

static PyObject *message_encode(PyObject *module, PyObject *args)
{
    Py_ssize_t topic_size, body_size;
    wpipe_message m = { 0 };
    PyObject *result;
    int64_t size;

    (void)module;
    if (!PyArg_ParseTuple(args, "s#s#", &m.topic, &topic_size, &m.body,
                          &body_size))
        return NULL;
    m.topic_size = (size_t)topic_size;
    m.body_size = (size_t)body_size;
    size = wpipe_message_size(&m);
    if (size < 0)
        return fail(size, NULL);
    result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (result != NULL)
        (void)wpipe_message_encode(&m, PyBytes_AsString(result), (size_t)size);
    return result;
}

static PyObject *message_decode(PyObject *module, PyObject *source)
{
    wpipe_message m = { 0 };
    PyObject *result;
    Py_buffer data;
    int problem = 0;
    int r;

    (void)module;
    if (to_bytes(source, &data) < 0)
        return NULL;
    r = wpipe_message_decode(data.buf, (size_t)data.len, &m, &problem);
    result = r < 0 ? fail(r, wpipe_message_problem_text(problem))
                   : Py_BuildValue("(s#s#)", m.topic, (Py_ssize_t)m.topic_size,
                                   m.body, (Py_ssize_t)m.body_size);
    PyBuffer_Release(&data);
    return result;
}

/* For __init__.py: what it makes, and the id of the main thread. */
static PyObject *setup(PyObject *module, PyObject *args)
{
    static int64_t owner = -1;
    int64_t me = PyInterpreterState_GetID(PyInterpreterState_Get());
    PyObject *error, *event, *stream;
    unsigned long thread;

    (void)module;
    if (!PyArg_ParseTuple(args, "OOOk", &error, &event, &stream, &thread))
        return NULL;
    if (owner >= 0 && owner != me) {
        PyErr_SetString(PyExc_ImportError,
                        "windpipe works in one interpreter of a process");
        return NULL;
    }
    owner = me;
    Py_INCREF(error); /* and for ever: a reload leaves the old ones */
    Py_INCREF(event);
    Py_INCREF(stream);
    raise_error = error;
    make_event = event;
    stream_type = stream;
    set_main_thread(thread);
    Py_RETURN_NONE;
}

/* In a child after fork: the thread that forked is its main thread. */
static PyObject *forked(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    forks++;
    set_main_thread(PyThread_get_thread_ident());
    Py_RETURN_NONE;
}

static PyObject *error_name(PyObject *module, PyObject *args)
{
    int code;

    (void)module;
    if (!PyArg_ParseTuple(args, "i", &code))
        return NULL;
    return PyUnicode_FromString(wpipe_error_name(code));
}

static PyMethodDef functions[] = {
    { "_setup", setup, METH_VARARGS, NULL },
    { "_forked", forked, METH_NOARGS, NULL },
    { "_anonymous", (PyCFunction)(void (*)(void))anonymous,
      METH_VARARGS | METH_KEYWORDS, NULL },
    { "_error_name", error_name, METH_VARARGS, NULL },
    { "list_pipes", list_names, METH_NOARGS,
      "The names of all pipes that this user can see." },
    { "wait_for", WITH_KEYWORDS(wait_for),
      "wait_for(name, timeout=None): until a server owns the name." },
    { "_encode", message_encode, METH_VARARGS, NULL },
    { "_decode", message_decode, METH_O, NULL },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "windpipe._windpipe",
    NULL,
    -1,
    functions,
    NULL,
    NULL,
    NULL,
    NULL,
};

static PyObject *add_type(PyObject *module, const char *name, newfunc make,
                          destructor release, PyMethodDef *methods,
                          PyGetSetDef *getters)
{
    char full[64];
    PyType_Slot slots[] = {
        { Py_tp_new, (void *)make },
        { Py_tp_dealloc, (void *)release },
        { Py_tp_methods, methods },
        { Py_tp_getset, getters },
        { 0, NULL },
    };
    PyType_Spec spec = { full, sizeof(struct object), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots };
    PyObject *type;

    PyOS_snprintf(full, sizeof(full), "windpipe._windpipe.%s", name);
    type = PyType_FromSpec(&spec);
    if (type == NULL || PyModule_AddObject(module, name, type) < 0)
        return NULL;
    return type;
}

PyMODINIT_FUNC PyInit__windpipe(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module == NULL)
        return NULL;
    if (add_type(module, "Stream", stream_new, stream_free, stream_methods,
                 stream_getters) == NULL ||
        add_type(module, "Listener", listener_new, listener_free,
                 listener_methods, listener_getters) == NULL ||
        add_type(module, "Server", server_new, server_free, server_methods,
                 server_getters) == NULL ||
        add_type(module, "Client", client_new, client_free, client_methods,
                 client_getters) == NULL ||
        PyModule_AddStringConstant(module, "version", wpipe_version()) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
