/* SPDX-License-Identifier: Apache-2.0 */
/* What all objects share: errors, arguments, waits, values, close. */
#include "binding.h"

PyObject *raise_error, *make_event, *stream_type;
unsigned long main_thread;

/* ---- errors -------------------------------------------------------------- */

PyObject *fail(int64_t code, const char *text)
{
    PyObject *e = PyObject_CallFunction(
        raise_error, "is", (int)code,
        text != NULL && text[0] != '\0' ? text : wpipe_strerror((int)code));

    if (e != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(e), e);
        Py_DECREF(e);
    }
    return NULL;
}

/* ---- objects ------------------------------------------------------------- */

void wake(enum kind kind, void *handle)
{
    if (kind == LISTENER)
        wpipe_listener_wake(handle);
    else if (kind == STREAM)
        wpipe_stream_wake(handle);
    else if (kind == SERVER)
        wpipe_server_wake(handle);
    else
        wpipe_client_wake(handle);
}

static void end(enum kind kind, void *handle)
{
    if (kind == LISTENER)
        wpipe_listener_close(handle);
    else if (kind == STREAM)
        wpipe_stream_close(handle);
    else if (kind == SERVER)
        wpipe_server_close(handle);
    else
        wpipe_client_close(handle);
}

void *enter(PyObject *self)
{
    struct object *o = (struct object *)self;

    if (o->handle == NULL || o->closing) {
        PyErr_SetString(PyExc_ValueError, "this object is closed");
        return NULL;
    }
    o->inside++;
    return o->handle;
}

void leave(PyObject *self)
{
    ((struct object *)self)->inside--;
}

/* A pause that lets other threads run. */
static void pause_1_ms(void)
{
    const struct timespec time = { 0, 1000000 };

    Py_BEGIN_ALLOW_THREADS nanosleep(&time, NULL);
    Py_END_ALLOW_THREADS
}

PyObject *close_object(PyObject *self, enum kind kind)
{
    struct object *o = (struct object *)self;
    void *handle = o->handle;

    if (handle == NULL)
        Py_RETURN_NONE;
    if (o->closing) { /* another thread is at it */
        while (o->handle != NULL)
            pause_1_ms();
        Py_RETURN_NONE;
    }
    o->closing = 1;
    while (o->inside > 0) {
        wake(kind, handle);
        pause_1_ms();
    }
    Py_BEGIN_ALLOW_THREADS end(kind, handle);
    Py_END_ALLOW_THREADS o->handle = NULL;
    Py_RETURN_NONE;
}

void free_object(PyObject *self, enum kind kind)
{
    struct object *o = (struct object *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    /* nobody is inside: a call holds a reference */
    if (o->handle != NULL) {
        Py_BEGIN_ALLOW_THREADS end(kind, o->handle);
        Py_END_ALLOW_THREADS
    }
    release(self);
    Py_DECREF(type);
}

/* ---- arguments ----------------------------------------------------------- */

int to_ms(PyObject *seconds, int *ret)
{
    double s;

    *ret = WPIPE_FOREVER;
    if (seconds == NULL || seconds == Py_None)
        return 0;
    s = PyFloat_AsDouble(seconds);
    if (s == -1.0 && PyErr_Occurred())
        return -1;
    if (!(s >= 0)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is None, or 0 and more");
        return -1;
    }
    s = s * 1000;
    *ret = s >= INT32_MAX ? INT32_MAX : (int)s + ((double)(int)s < s);
    return 0;
}

/* The options that keywords can set. */
enum field_type {
    INT,
    U32,
    U64
};

static const struct field {
    const char *name;
    size_t offset;
    enum field_type type;
} fields[] = {
#define FIELD(name, type)                          \
    {                                              \
#name, offsetof(wpipe_options, name), type \
    }
    FIELD(type, INT),          FIELD(direction, INT),
    FIELD(access, INT),        FIELD(group, U32),
    FIELD(shared_memory, INT), FIELD(slow_reader, INT),
    FIELD(spin_us, INT),       FIELD(flags, U32),
    FIELD(server_uid, U32),    FIELD(max_clients, U32),
    FIELD(max_per_user, U32),  FIELD(buffer_in, U32),
    FIELD(buffer_out, U32),    FIELD(max_message, U64),
    FIELD(queue_limit, U64),   FIELD(memory_limit, U64),
    FIELD(handshake_ms, INT),  FIELD(connect_ms, INT),
    FIELD(foreign, INT),       FIELD(framing, INT),
    FIELD(second_pipe, INT),   FIELD(linger_ms, INT),
    FIELD(message_ms, INT),
#undef FIELD
};

static int set_field(wpipe_options *options, const struct field *f,
                     PyObject *value)
{
    char *at = (char *)options + f->offset;
    unsigned long long big;
    long small;

    if (f->type == INT) {
        small = PyLong_AsLong(value);
        if (small == -1 && PyErr_Occurred())
            return -1;
        if (small < INT32_MIN || small > INT32_MAX) {
            PyErr_Format(PyExc_ValueError, "%s is out of range", f->name);
            return -1;
        }
        *(int *)(void *)at = (int)small;
        return 0;
    }
    big = PyLong_AsUnsignedLongLong(value);
    if (big == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    if (f->type == U32 && big > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s is out of range", f->name);
        return -1;
    }
    if (f->type == U32)
        *(uint32_t *)(void *)at = (uint32_t)big;
    else
        *(uint64_t *)(void *)at = big;
    return 0;
}

int to_options(PyObject *keywords, wpipe_options *ret, char text[TEXT])
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    wpipe_options null = { 0 };
    size_t i;

    *ret = null;
    ret->size = sizeof(*ret);
    ret->error_text = text;
    ret->error_text_size = TEXT;
    text[0] = '\0';
    while (keywords != NULL && PyDict_Next(keywords, &position, &key, &value)) {
        for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
            if (PyUnicode_CompareWithASCIIString(key, fields[i].name) == 0)
                break;
        if (i == sizeof(fields) / sizeof(fields[0])) {
            PyErr_Format(PyExc_TypeError, "there is no option %R", key);
            return -1;
        }
        if (set_field(ret, &fields[i], value) < 0)
            return -1;
    }
    return 0;
}

/* ---- waiting ------------------------------------------------------------- */

void begin_wait(struct waiting *w, PyObject *self, int timeout_ms)
{
    w->object = (struct object *)self;
    w->left_ms = timeout_ms;
    w->slice_ms = timeout_ms;
    if (PyThread_get_thread_ident() == main_thread &&
        (timeout_ms < 0 || timeout_ms > SLICE_MS))
        w->slice_ms = SLICE_MS;
}

int wait_again(struct waiting *w, int64_t r)
{
    if (w->object != NULL && w->object->closing) {
        PyErr_SetString(PyExc_ValueError, "this object was closed meanwhile");
        return -1;
    }
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (r != WPIPE_ETIMEDOUT || w->slice_ms == w->left_ms)
        return 0;
    if (w->left_ms > 0) {
        w->left_ms -= w->slice_ms;
        if (w->left_ms < w->slice_ms)
            w->slice_ms = w->left_ms;
    }
    return 1;
}

/* ---- values -------------------------------------------------------------- */

PyObject *to_event(const wpipe_event *e)
{
    PyObject *data = PyBytes_FromStringAndSize(e->size > 0 ? e->data : NULL,
                                               (Py_ssize_t)e->size);
    PyObject *r;

    if (data == NULL)
        return NULL;
    r = PyObject_CallFunction(
        make_event, "iiKNKKKii", e->type, e->reason,
        (unsigned long long)e->from, data, (unsigned long long)e->request,
        (unsigned long long)e->lost_messages, (unsigned long long)e->lost_bytes,
        e->os_error, e->error);
    return r;
}

PyObject *to_peer(const wpipe_peer *p)
{
    return Py_BuildValue("(IILNN)", p->uid, p->gid, (long long)p->pid,
                         PyUnicode_DecodeFSDefault(p->program),
                         PyUnicode_DecodeFSDefault(p->user));
}

PyObject *to_lost(int r, const wpipe_lost *lost)
{
    return Py_BuildValue("(OKKI)", r == 0 ? Py_True : Py_False,
                         (unsigned long long)lost->messages,
                         (unsigned long long)lost->bytes, lost->peers);
}

PyObject *none_or_fail(int64_t r)
{
    if (r < 0)
        return fail(r, NULL);
    Py_RETURN_NONE;
}

int to_bytes(PyObject *object, Py_buffer *ret)
{
    return PyObject_GetBuffer(object, ret, PyBUF_SIMPLE);
}

PyObject *wrap(PyTypeObject *type, enum kind kind, void *handle)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = alloc(type, 0);

    if (self == NULL) {
        end(kind, handle);
        return NULL;
    }
    ((struct object *)self)->handle = handle;
    return self;
}

void *enter_once(PyObject *self, int *flag, const char *what)
{
    void *handle;

    if (*flag) {
        PyErr_Format(PyExc_RuntimeError, "another thread %s this stream", what);
        return NULL;
    }
    handle = enter(self);
    if (handle != NULL)
        *flag = 1;
    return handle;
}

PyObject *get_closed(PyObject *self, void *unused)
{
    struct object *o = (struct object *)self;

    (void)unused;
    return PyBool_FromLong(o->handle == NULL || o->closing);
}
