/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe for Python, the compiled part: the objects and calls of <windpipe.h>
 * as types of a
 * compiled module, on CPython's stable ABI (3.9 and later). What is nicer to
 * write in Python is in windpipe/__init__.py.
 *
 * Every call that may wait lets other threads run meanwhile. On the main thread
 * it looks for signals several times a second, so that Ctrl-C ends it. An
 * object counts the calls that are inside it: close ends them and waits until
 * the last one is out.
 */
#ifndef WINDPIPE_PYTHON_H
#define WINDPIPE_PYTHON_H

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
    TEXT = 512,
    PIECES = 1024 /* of one message, at most */
};

/* Made in windpipe/__init__.py and told by _setup. */
extern PyObject *raise_error; /* (code, text) -> an exception */
extern PyObject *make_event;  /* the class of events */
extern PyObject *stream_type; /* what accept returns */
extern unsigned forks;        /* how many of them led to this process */

enum kind {
    LISTENER,
    STREAM,
    SERVER,
    CLIENT
};

struct object {
    PyObject_HEAD void *handle; /* NULL: closed */
    int inside;                 /* calls that use it now */
    int closing;
    int reading; /* a stream: one thread reads, one writes */
    int writing;
    int shutting;   /* calls of shutdown */
    unsigned forks; /* when the counts above were right */
};

/* A wait that is made in slices on the main thread. */
struct waiting {
    struct object *object;
    int left_ms; /* or WPIPE_FOREVER */
    int slice_ms;
};

/* A call that is made once, and that a signal wakes on the main thread. */
struct calling {
    struct object *object;
    int left_ms; /* or WPIPE_FOREVER */
    int hooked;
    int64_t until_ms;
};

/* A call on a thread of its own, so that the main thread sees signals. */
struct task {
    void (*run)(struct task *);
    void (*undo)(struct task *);  /* the result is not wanted any more */
    void (*hurry)(struct task *); /* end it; NULL: it ends alone */
    enum kind kind;
    void *handle;
    char *name;
    wpipe_options options;
    char text[TEXT];
    int timeout_ms;
    int r;
    wpipe_lost lost;
};

struct pieces {
    Py_buffer *views;
    wpipe_piece *pieces;
    Py_ssize_t count;
};

/* Set the exception of a code. Returns NULL. */
PyObject *fail(int64_t code, const char *text);
void wake(enum kind kind, void *handle);
/* Begin a call: the handle, or NULL with an exception. */
void *enter(PyObject *self);
void leave(PyObject *self);
PyObject *close_object(PyObject *self, enum kind kind);
void free_object(PyObject *self, enum kind kind);
/* As PyArg_ParseTupleAndKeywords; quicker if there are no keywords. */
int parse(PyObject *args, PyObject *kw, const char *format, char **names, ...);
#define NAMES(...)        \
    (char *[])            \
    {                     \
        __VA_ARGS__, NULL \
    }
#define WITH_KEYWORDS(function) \
    (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS
/* Seconds or None to milliseconds, rounded up. 0, or -1 with an exception. */
int to_ms(PyObject *seconds, int *ret);
/* All keywords are options. 0, or -1 with an exception. */
int to_options(PyObject *keywords, wpipe_options *ret, char text[TEXT]);
void begin_wait(struct waiting *w, PyObject *self, int timeout_ms);
/* After a slice gave `r`: 1 wait again, 0 that is the result; -1 with an
 * exception (Ctrl-C, or closed meanwhile). */
int wait_again(struct waiting *w, int64_t r);
void begin_call(struct calling *c, PyObject *self, enum kind kind, void *handle,
                int timeout_ms);
/* 0 `r` is the result; 1 a signal handler ran and returned: it may be made
 * again with left_ms; -1 with an exception. */
int end_call(struct calling *c, int64_t r);
/* -1 with an exception: another thread closes it. */
int closed_meanwhile(const struct object *o);
/* 0 when it has run; -1 with an exception. */
int do_task(struct task *task);
/* At the import, and in a forked child. */
void set_main_thread(unsigned long id);
/* Connect as t->kind, with t->options and t->timeout_ms. */
PyObject *open_object(PyTypeObject *type, struct task *t, const char *name);
PyObject *shut_object_down(PyObject *self, PyObject *args, enum kind kind);
/* (id, request, data): answer a call, as a server or a client. */
PyObject *reply(PyObject *self, PyObject *args, enum kind kind);
PyObject *to_event(const wpipe_event *e);
PyObject *to_peer(const wpipe_peer *p);
PyObject *to_lost(int r, const wpipe_lost *lost);
/* 0 and more is None; else the exception. */
PyObject *none_or_fail(int64_t r);
/* A bytes-like argument, to be released. 0, or -1 with an exception. */
int to_bytes(PyObject *object, Py_buffer *ret);
/* For "O&": a wpipe_id or the number of a call. */
int to_id(PyObject *object, void *ret);
/* A sequence of bytes-like objects, to be freed. 0, or -1 with an exception. */
int to_pieces(PyObject *source, struct pieces *ret);
void free_pieces(struct pieces *p);
/* A new object of a type around `handle`, or NULL; then the handle is gone. */
PyObject *wrap(PyTypeObject *type, enum kind kind, void *handle);
/* One reads at a time, and one writes. */
void *enter_once(PyObject *self, int *flag, const char *what);
PyObject *get_closed(PyObject *self, void *unused);

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

/* What all types have; their methods and getters are in tables. */
#define COMMON(name, KIND)                                      \
    static PyObject *name##_close(PyObject *self, PyObject *u)  \
    {                                                           \
        (void)u;                                                \
        return close_object(self, KIND);                        \
    }                                                           \
    void name##_free(PyObject *self)                            \
    {                                                           \
        free_object(self, KIND);                                \
    }                                                           \
    static PyObject *name##_wake(PyObject *self, PyObject *u)   \
    {                                                           \
        void *handle = enter(self);                             \
                                                                \
        (void)u;                                                \
        if (handle == NULL)                                     \
            return NULL;                                        \
        wake(KIND, handle);                                     \
        leave(self);                                            \
        Py_RETURN_NONE;                                         \
    }                                                           \
    static PyObject *name##_fileno(PyObject *self, PyObject *u) \
    {                                                           \
        void *handle = enter(self);                             \
        intptr_t r;                                             \
                                                                \
        (void)u;                                                \
        if (handle == NULL)                                     \
            return NULL;                                        \
        r = wpipe_##name##_fd(handle);                          \
        leave(self);                                            \
        return r < 0 ? fail(r, NULL) : PyLong_FromLongLong(r);  \
    }

#define COMMON_METHODS(name)                                                   \
    { "close", name##_close, METH_NOARGS,                                      \
      "End running calls, deliver what was accepted, close." },                \
        { "wake", name##_wake, METH_NOARGS, "End the waits of this moment." }, \
    {                                                                          \
        "fileno", name##_fileno, METH_NOARGS,                                  \
            "A descriptor for select and asyncio; it stays the object's."      \
    }

extern PyMethodDef stream_methods[], listener_methods[], server_methods[],
    client_methods[];
extern PyGetSetDef stream_getters[], listener_getters[], server_getters[],
    client_getters[];
PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kw);
PyObject *listener_new(PyTypeObject *type, PyObject *args, PyObject *kw);
PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kw);
PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kw);
void stream_free(PyObject *self);
void listener_free(PyObject *self);
void server_free(PyObject *self);
void client_free(PyObject *self);
PyObject *anonymous(PyObject *module, PyObject *args, PyObject *kw);

#endif
