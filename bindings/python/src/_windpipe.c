/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe for Python: the objects and calls of <windpipe.h> as types of a
 * compiled module, on CPython's stable ABI (3.9 and later). What is nicer to
 * write in Python is in windpipe/__init__.py.
 *
 * Every call that may wait lets other threads run meanwhile. On the main thread
 * it looks for signals several times a second, so that Ctrl-C ends it. An
 * object counts the calls that are inside it: close ends them and waits until
 * the last one is out.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <time.h>
#include <windpipe.h>

#if Py_LIMITED_API < 0x030b0000
/* The buffer protocol joined the stable ABI with 3.11, in the layout that it
 * has had since 3.0. */
typedef struct {
    void *buf;
    PyObject *obj;
    Py_ssize_t len;
    Py_ssize_t itemsize;
    int readonly;
    int ndim;
    char *format;
    Py_ssize_t *shape;
    Py_ssize_t *strides;
    Py_ssize_t *suboffsets;
    void *internal;
} Py_buffer;
#define PyBUF_SIMPLE   0
#define PyBUF_WRITABLE 1
int PyObject_GetBuffer(PyObject *object, Py_buffer *view, int flags);
void PyBuffer_Release(Py_buffer *view);
#endif

enum {
    SLICE_MS = 100, /* between two looks for signals, on the main thread */
    TEXT = 512
};

/* Made in windpipe/__init__.py and told by _setup. */
static PyObject *raise_error; /* (code, text) -> an exception */
static PyObject *make_event;  /* the class of events */
static unsigned long main_thread;

/* ---- errors ---------------------------------------------------------------- */

/* Set the exception of a code. Returns NULL. */
static PyObject *fail(int64_t code, const char *text)
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

/* ---- objects --------------------------------------------------------------- */

enum kind { LISTENER, STREAM, SERVER, CLIENT };

struct object {
    PyObject_HEAD
    void *handle; /* NULL: closed */
    int inside;   /* calls that use it now */
    int closing;
    int reading; /* a stream: one thread reads, one writes */
    int writing;
};

static void wake(enum kind kind, void *handle)
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

/* Begin a call: the handle, or NULL with an exception. */
static void *enter(PyObject *self)
{
    struct object *o = (struct object *)self;

    if (o->handle == NULL || o->closing) {
        PyErr_SetString(PyExc_ValueError, "this object is closed");
        return NULL;
    }
    o->inside++;
    return o->handle;
}

static void leave(PyObject *self)
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

static PyObject *close_object(PyObject *self, enum kind kind)
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
    Py_BEGIN_ALLOW_THREADS
    end(kind, handle);
    Py_END_ALLOW_THREADS
    o->handle = NULL;
    Py_RETURN_NONE;
}

static void free_object(PyObject *self, enum kind kind)
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

/* ---- arguments ------------------------------------------------------------- */

/* Seconds or None to milliseconds, rounded up. 0, or -1 with an exception. */
static int to_ms(PyObject *seconds, int *ret)
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
enum field_type { INT, U32, U64 };

static const struct field {
    const char *name;
    size_t offset;
    enum field_type type;
} fields[] = {
#define FIELD(name, type) { #name, offsetof(wpipe_options, name), type }
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

/* All keywords are options. 0, or -1 with an exception. */
static int to_options(PyObject *keywords, wpipe_options *ret, char text[TEXT])
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
    while (keywords != NULL &&
           PyDict_Next(keywords, &position, &key, &value)) {
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

/* ---- waiting --------------------------------------------------------------- */

/* A wait that is made in slices on the main thread. */
struct waiting {
    struct object *object;
    int left_ms; /* or WPIPE_FOREVER */
    int slice_ms;
};

static void begin_wait(struct waiting *w, PyObject *self, int timeout_ms)
{
    w->object = (struct object *)self;
    w->left_ms = timeout_ms;
    w->slice_ms = timeout_ms;
    if (PyThread_get_thread_ident() == main_thread &&
        (timeout_ms < 0 || timeout_ms > SLICE_MS))
        w->slice_ms = SLICE_MS;
}

/* After a slice gave `r`: 1 wait again, 0 that is the result; -1 with an
 * exception (Ctrl-C, or closed meanwhile). */
static int wait_again(struct waiting *w, int64_t r)
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

/* Do CALL, which uses `ms` as its timeout and sets r, until that is a result;
 * with an exception go to `out`. */
#define WAIT(self, timeout_ms, r, CALL)          \
    do {                                         \
        struct waiting waiting_;                 \
        int again_;                              \
                                                 \
        begin_wait(&waiting_, self, timeout_ms); \
        do {                                     \
            int ms = waiting_.slice_ms;          \
                                                 \
            Py_BEGIN_ALLOW_THREADS               \
            r = CALL;                            \
            Py_END_ALLOW_THREADS                 \
            again_ = wait_again(&waiting_, r);   \
            if (again_ < 0)                      \
                goto out;                        \
        } while (again_ > 0);                    \
    } while (0)

/* ---- values ---------------------------------------------------------------- */

static PyObject *to_event(const wpipe_event *e)
{
    PyObject *data = PyBytes_FromStringAndSize(
        e->type == WPIPE_EVENT_MESSAGE ? e->data : NULL,
        e->type == WPIPE_EVENT_MESSAGE ? (Py_ssize_t)e->size : 0);
    PyObject *r;

    if (data == NULL)
        return NULL;
    r = PyObject_CallFunction(make_event, "iiKNKKKii", e->type, e->reason,
                              (unsigned long long)e->from, data,
                              (unsigned long long)e->request,
                              (unsigned long long)e->lost_messages,
                              (unsigned long long)e->lost_bytes, e->os_error,
                              e->error);
    return r;
}

static PyObject *to_peer(const wpipe_peer *p)
{
    return Py_BuildValue("(IILNN)", p->uid, p->gid, (long long)p->pid,
                         PyUnicode_DecodeFSDefault(p->program),
                         PyUnicode_DecodeFSDefault(p->user));
}

static PyObject *to_lost(int r, const wpipe_lost *lost)
{
    return Py_BuildValue("(OKKI)", r == 0 ? Py_True : Py_False,
                         (unsigned long long)lost->messages,
                         (unsigned long long)lost->bytes, lost->peers);
}

/* 0 and more is None; else the exception. */
static PyObject *none_or_fail(int64_t r)
{
    if (r < 0)
        return fail(r, NULL);
    Py_RETURN_NONE;
}

/* A bytes-like argument, to be released. 0, or -1 with an exception. */
static int to_bytes(PyObject *object, Py_buffer *ret)
{
    return PyObject_GetBuffer(object, ret, PyBUF_SIMPLE);
}

/* A new object of a type around `handle`, or NULL; then the handle is gone. */
static PyObject *wrap(PyTypeObject *type, enum kind kind, void *handle)
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

/* ---- what all types have ------------------------------------------------------ */

static PyObject *get_closed(PyObject *self, void *unused)
{
    struct object *o = (struct object *)self;

    (void)unused;
    return PyBool_FromLong(o->handle == NULL || o->closing);
}

#define COMMON(name, KIND)                                     \
    static PyObject *name##_close(PyObject *self, PyObject *u) \
    {                                                          \
        (void)u;                                               \
        return close_object(self, KIND);                       \
    }                                                          \
    static void name##_free(PyObject *self)                    \
    {                                                          \
        free_object(self, KIND);                               \
    }                                                          \
    static PyObject *name##_wake(PyObject *self, PyObject *u)  \
    {                                                          \
        void *handle = enter(self);                            \
                                                               \
        (void)u;                                               \
        if (handle == NULL)                                    \
            return NULL;                                       \
        wake(KIND, handle);                                    \
        leave(self);                                           \
        Py_RETURN_NONE;                                        \
    }                                                          \
    static PyObject *name##_fileno(PyObject *self, PyObject *u) \
    {                                                          \
        void *handle = enter(self);                            \
        intptr_t r;                                            \
                                                               \
        (void)u;                                               \
        if (handle == NULL)                                    \
            return NULL;                                       \
        r = wpipe_##name##_fd(handle);                         \
        leave(self);                                           \
        return r < 0 ? fail(r, NULL) : PyLong_FromLongLong(r); \
    }

COMMON(listener, LISTENER)
COMMON(stream, STREAM)
COMMON(server, SERVER)
COMMON(client, CLIENT)

#define COMMON_METHODS(name)                                                  \
    { "close", name##_close, METH_NOARGS,                                     \
      "End running calls, deliver what was accepted, close." },               \
        { "wake", name##_wake, METH_NOARGS, "End the waits of this moment." }, \
    {                                                                         \
        "fileno", name##_fileno, METH_NOARGS,                                 \
            "A descriptor for select and asyncio; it stays the object's."     \
    }

static PyGetSetDef common_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* ---- streams ----------------------------------------------------------------- */

static PyObject *stream_type; /* told by _setup, too */

static PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kw)
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

/* One reads at a time, and one writes. */
static void *enter_once(PyObject *self, int *flag, const char *what)
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
            result = Py_BuildValue(
                "(Nnn)",
                PyBytes_FromStringAndSize(PyByteArray_AsString(copy),
                                          (Py_ssize_t)r),
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
static PyObject *anonymous(PyObject *module, PyObject *args, PyObject *kw)
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
    r = wpipe_anonymous_release_client(handle);
    leave(self);
    return none_or_fail(r);
}

static PyMethodDef stream_methods[] = {
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

static PyGetSetDef stream_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "message_complete", stream_complete, NULL,
      "Whether the last read reached the end of a message.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* ---- listeners ----------------------------------------------------------------- */

static PyObject *listener_new(PyTypeObject *type, PyObject *args, PyObject *kw)
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

static PyObject *listener_accept(PyObject *self, PyObject *args)
{
    struct object *o = (struct object *)self;
    PyObject *timeout = Py_None, *result = NULL;
    wpipe_stream *stream = NULL;
    int timeout_ms, r;
    void *handle;

    if (!PyArg_ParseTuple(args, "|O", &timeout) ||
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
    name = PyUnicode_FromString(wpipe_listener_name(handle));
    leave(self);
    return name;
}

static PyMethodDef listener_methods[] = {
    { "accept", listener_accept, METH_VARARGS,
      "accept(timeout=None): the stream of the next client." },
    COMMON_METHODS(listener),
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef listener_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "name", listener_name, NULL, "The name without its prefix.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* ---- servers ------------------------------------------------------------------- */

static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kw)
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
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_send(handle, to, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
    } else {
        WAIT(self, timeout_ms, r,
             wpipe_server_send_wait(handle, to, data.buf, (size_t)data.len,
                                    ms));
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
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_server_reply(handle, &event, data.buf, (size_t)data.len);
        Py_END_ALLOW_THREADS
        leave(self);
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
    Py_BEGIN_ALLOW_THREADS
    wpipe_server_stop(handle);
    Py_END_ALLOW_THREADS
    leave(self);
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
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_server_shutdown(handle, timeout_ms, &lost);
    Py_END_ALLOW_THREADS
    leave(self);
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

static PyMethodDef server_methods[] = {
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

static PyGetSetDef server_getters[] = {
    { "closed", get_closed, NULL, "Whether close was called.", NULL },
    { "name", server_name, NULL, "The name without its prefix.", NULL },
    { "count", server_count, NULL, "How many clients are connected.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

/* ---- clients ------------------------------------------------------------------- */

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kw)
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
         (options.connect_ms = ms,
          wpipe_client_open(&client, name, &options)));
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
        Py_BEGIN_ALLOW_THREADS
        r = wpipe_client_call(handle, data.buf, (size_t)data.len, &event,
                              timeout_ms);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() == 0)
            result = r < 0 ? fail(r, NULL) : to_event(&event);
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
    Py_BEGIN_ALLOW_THREADS
    r = wpipe_client_shutdown(handle, timeout_ms, &lost);
    Py_END_ALLOW_THREADS
    leave(self);
    return r < 0 && r != WPIPE_ETIMEDOUT ? fail(r, NULL) : to_lost(r, &lost);
}

static PyMethodDef client_methods[] = {
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

/* ---- the module ---------------------------------------------------------------- */

static int add_name(const char *name, const char *where, void *user)
{
    PyObject *text = PyUnicode_FromString(name);
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

static PyObject *wait_for(PyObject *module, PyObject *args)
{
    PyObject *timeout = Py_None;
    const char *name;
    int timeout_ms, r;

    (void)module;
    if (!PyArg_ParseTuple(args, "s|O", &name, &timeout) ||
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

/* For __init__.py, once. */
static PyObject *setup(PyObject *module, PyObject *args)
{
    (void)module;
    if (!PyArg_ParseTuple(args, "OOO", &raise_error, &make_event, &stream_type))
        return NULL;
    Py_INCREF(raise_error);
    Py_INCREF(make_event);
    Py_INCREF(stream_type);
    main_thread = PyThread_get_thread_ident();
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
    { "_anonymous", (PyCFunction)(void (*)(void))anonymous,
      METH_VARARGS | METH_KEYWORDS, NULL },
    { "_error_name", error_name, METH_VARARGS, NULL },
    { "list_pipes", list_names, METH_NOARGS,
      "The names of all pipes that this user can see." },
    { "wait_for", wait_for, METH_VARARGS,
      "wait_for(name, timeout=None): until a server owns the name." },
    { "_encode", message_encode, METH_VARARGS, NULL },
    { "_decode", message_decode, METH_O, NULL },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "windpipe._windpipe", NULL, -1, functions,
    NULL, NULL, NULL, NULL,
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
                 common_getters) == NULL ||
        PyModule_AddStringConstant(module, "version", wpipe_version()) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
