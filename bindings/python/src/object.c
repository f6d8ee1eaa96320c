/* SPDX-License-Identifier: Apache-2.0 */
/* What all objects share: errors, arguments, waits, values, close. */
#include "binding.h"

#include <stdarg.h>
#include <stdlib.h>

PyObject *raise_error, *make_event, *stream_type;
unsigned forks;

/* ---- errors -------------------------------------------------------------- */

PyObject *fail(int64_t code, const char *text)
{
    const char *why =
        text != NULL && text[0] != '\0' ? text : wpipe_strerror((int)code);
    /* it may have a path in it, and be cut off anywhere */
    PyObject *e = PyObject_CallFunction(
        raise_error, "iN", (int)code,
        PyUnicode_DecodeUTF8(why, (Py_ssize_t)strlen(why), "replace"));

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

/* After a fork the calls of the parent's threads are not here. */
static void see_fork(struct object *o)
{
    if (o->forks == forks)
        return;
    o->forks = forks;
    o->inside = o->closing = o->reading = o->writing = o->shutting = 0;
}

void *enter(PyObject *self)
{
    struct object *o = (struct object *)self;

    see_fork(o);
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

    Py_BEGIN_ALLOW_THREADS
    nanosleep(&time, NULL);
    Py_END_ALLOW_THREADS
}

PyObject *close_object(PyObject *self, enum kind kind)
{
    struct object *o = (struct object *)self;
    void *handle = o->handle;

    see_fork(o);
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
        if (o->shutting && kind == SERVER) {
            Py_BEGIN_ALLOW_THREADS
            wpipe_server_shutdown(handle, 0, NULL);
            Py_END_ALLOW_THREADS
        } else if (o->shutting) {
            Py_BEGIN_ALLOW_THREADS
            wpipe_client_shutdown(handle, 0, NULL);
            Py_END_ALLOW_THREADS
        }
        pause_1_ms();
    }
    Py_BEGIN_ALLOW_THREADS
    end(kind, handle);
    Py_END_ALLOW_THREADS
    o->handle = NULL;
    Py_RETURN_NONE;
}

void free_object(PyObject *self, enum kind kind)
{
    struct object *o = (struct object *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    /* nobody is inside: a call holds a reference */
    if (o->handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        end(kind, o->handle);
        Py_END_ALLOW_THREADS
    }
    release(self);
    Py_DECREF(type);
}

/* ---- arguments ----------------------------------------------------------- */

int parse(PyObject *args, PyObject *kw, const char *format, char **names, ...)
{
    va_list list;
    int r;

    va_start(list, names);
    r = kw == NULL
            ? PyArg_VaParse(args, format, list)
            : PyArg_VaParseTupleAndKeywords(args, kw, format, names, list);
    va_end(list);
    return r;
}

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

/* ---- values -------------------------------------------------------------- */

PyObject *to_event(const wpipe_event *e)
{
    PyObject *data = PyBytes_FromStringAndSize(e->size > 0 ? e->data : NULL,
                                               (Py_ssize_t)e->size);
    PyObject *r;

    if (data == NULL)
        return NULL;
    r = PyObject_CallFunction(
        make_event, "iiKNKKKiiK", e->type, e->reason,
        (unsigned long long)e->from, data, (unsigned long long)e->request,
        (unsigned long long)e->lost_messages, (unsigned long long)e->lost_bytes,
        e->os_error, e->error, (unsigned long long)e->count);
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
    ((struct object *)self)->forks = forks;
    return self;
}

void *enter_once(PyObject *self, int *flag, const char *what)
{
    void *handle;

    see_fork((struct object *)self);
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
    see_fork(o);
    return PyBool_FromLong(o->handle == NULL || o->closing);
}

int to_id(PyObject *object, void *ret)
{
    unsigned long long id = PyLong_AsUnsignedLongLong(object);

    if (id == (unsigned long long)-1 && PyErr_Occurred())
        return 0;
    *(wpipe_id *)ret = id;
    return 1;
}

int to_pieces(PyObject *source, struct pieces *ret)
{
    PyObject *list = PySequence_List(source);
    Py_ssize_t size = list == NULL ? -1 : PyList_Size(list);

    ret->count = 0;
    if (size < 0)
        return -1;
    if (size > PIECES) {
        Py_DECREF(list);
        PyErr_Format(PyExc_ValueError, "more than %d pieces", PIECES);
        return -1;
    }
    ret->views = PyMem_Calloc((size_t)size + 1, sizeof(*ret->views));
    ret->pieces = PyMem_Calloc((size_t)size + 1, sizeof(*ret->pieces));
    if (ret->views == NULL || ret->pieces == NULL)
        PyErr_NoMemory();
    while (!PyErr_Occurred() && ret->count < size) {
        Py_buffer *view = &ret->views[ret->count];

        if (to_bytes(PyList_GetItem(list, ret->count), view) < 0)
            break;
        ret->pieces[ret->count].data = view->buf;
        ret->pieces[ret->count].size = (size_t)view->len;
        ret->count++;
    }
    Py_DECREF(list);
    if (!PyErr_Occurred())
        return 0;
    free_pieces(ret);
    return -1;
}

void free_pieces(struct pieces *p)
{
    while (p->count > 0)
        PyBuffer_Release(&p->views[--p->count]);
    PyMem_Free(p->views);
    PyMem_Free(p->pieces);
}

/* ---- connecting --------------------------------------------------------- */

static void open_now(struct task *t)
{
    if (t->kind == CLIENT) {
        t->options.connect_ms = t->timeout_ms;
        t->r = wpipe_client_open((wpipe_client **)&t->handle, t->name,
                                 &t->options);
    } else {
        t->r = wpipe_connect((wpipe_stream **)&t->handle, t->name, &t->options,
                             t->timeout_ms);
    }
}

/* The task moves to another place; its text moves with it. */
static void open_task(struct task *t)
{
    t->options.error_text = t->text;
    open_now(t);
    if (t->r < 0)
        t->handle = NULL;
}

static void undo_open(struct task *t)
{
    if (t->handle != NULL)
        end(t->kind, t->handle);
    free(t->name);
}

PyObject *open_object(PyTypeObject *type, struct task *t, const char *name)
{
    t->run = open_task;
    t->undo = undo_open;
    t->name = strdup(name);
    if (t->name == NULL)
        return PyErr_NoMemory();
    if (do_task(t) < 0)
        return NULL;
    free(t->name);
    return t->r < 0 ? fail(t->r, t->text) : wrap(type, t->kind, t->handle);
}

/* ---- shutting down ------------------------------------------------------ */

static void shut_down(struct task *t)
{
    if (t->kind == SERVER)
        t->r = wpipe_server_shutdown(t->handle, t->timeout_ms, &t->lost);
    else
        t->r = wpipe_client_shutdown(t->handle, t->timeout_ms, &t->lost);
}

/* A second one without a timeout ends the first. */
static void hurry(struct task *t)
{
    if (t->kind == SERVER)
        (void)wpipe_server_shutdown(t->handle, 0, NULL);
    else
        (void)wpipe_client_shutdown(t->handle, 0, NULL);
}

PyObject *shut_object_down(PyObject *self, PyObject *args, enum kind kind)
{
    struct task t = { .run = shut_down, .hurry = hurry, .kind = kind };
    PyObject *timeout = Py_None;
    int r;

    t.lost.size = sizeof(t.lost);
    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
        to_ms(timeout, &t.timeout_ms) < 0)
        return NULL;
    t.handle = enter(self);
    if (t.handle == NULL)
        return NULL;
    ((struct object *)self)->shutting++;
    r = do_task(&t);
    ((struct object *)self)->shutting--;
    leave(self);
    if (r < 0 || closed_meanwhile((struct object *)self) < 0)
        return NULL;
    return t.r < 0 && t.r != WPIPE_ETIMEDOUT ? fail(t.r, NULL)
                                             : to_lost(t.r, &t.lost);
}

PyObject *reply(PyObject *self, PyObject *args, enum kind kind)
{
    wpipe_event event = { .type = WPIPE_EVENT_MESSAGE };
    PyObject *source, *result = NULL;
    Py_buffer data;
    void *handle;
    int r;

    if (!PyArg_ParseTuple(args, "O&O&O", to_id, &event.from, to_id,
                          &event.request, &source) ||
        to_bytes(source, &data) < 0)
        return NULL;
    handle = enter(self);
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS
        r = kind == SERVER
                ? wpipe_server_reply(handle, &event, data.buf, (size_t)data.len)
                : wpipe_client_reply(handle, &event, data.buf,
                                     (size_t)data.len);
        Py_END_ALLOW_THREADS
        leave(self);
        result = none_or_fail(r);
    }
    PyBuffer_Release(&data);
    return result;
}
