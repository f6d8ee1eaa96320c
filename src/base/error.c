/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error table: name, class and sentence of every WPIPE_E* code in one
 * place, and the public calls that look into it. Pure.
 */
#include <windpipe/error.h>

/* X(code, class, sentence): every code of enum wpipe_error, in its order. */
#define WPIPE__ERRORS(X)                                                       \
    X(WPIPE_EINVAL, CALLER,                                                    \
      "an argument or option is out of range, or a line has a newline inside") \
    X(WPIPE_ENAME, CALLER, "the pipe name is not allowed")                     \
    X(WPIPE_ENOMEM, SYSTEM, "out of memory")                                   \
    X(WPIPE_ELIMIT, SYSTEM, "out of descriptors or another system limit")      \
    X(WPIPE_EAGAIN, RETRY, "the call would have to wait")                      \
    X(WPIPE_ETIMEDOUT, RETRY, "the timeout expired")                           \
    X(WPIPE_EWOKEN, RETRY, "a wake, a stop or a signal ended the wait")        \
    X(WPIPE_ENOTFOUND, RETRY, "no server has this name")                       \
    X(WPIPE_EBUSY, RETRY, "the server is full, or there is unread data")       \
    X(WPIPE_EREFUSED, PEER, "the server refused the connection")               \
    X(WPIPE_EACCES, SYSTEM, "access denied, or the peer is not trusted")       \
    X(WPIPE_EINUSE, RETRY, "another server has this name")                     \
    X(WPIPE_EOF, PEER, "the peer closed or finished, and all was read")        \
    X(WPIPE_EPIPE, PEER, "the peer closed and cannot read any more")           \
    X(WPIPE_EDIED, PEER, "the peer died without closing")                      \
    X(WPIPE_EDISCONNECTED, PEER,                                               \
      "the peer ended the connection; data for us may be lost")                \
    X(WPIPE_EPROTO, PEER, "the peer broke the protocol")                       \
    X(WPIPE_EVERSION, PEER, "the peer speaks another version")                 \
    X(WPIPE_EABORTED, RETRY, "the peer withdrew the message being read")       \
    X(WPIPE_EMSGSIZE, CALLER, "the message is over the limit")                 \
    X(WPIPE_ENOTCONN, PEER, "not connected, or that client is gone")           \
    X(WPIPE_ESTATE, CALLER, "not possible with this object or in its state")   \
    X(WPIPE_ENOTSUP, SYSTEM, "not supported by this system or this peer")      \
    X(WPIPE_ESYSTEM, SYSTEM, "a system call failed in another way")

const char *wpipe_strerror(int error)
{
    if (error >= 0)
        return "no error";
    switch (error) {
#define X(code, class, sentence) \
    case code:                   \
        return sentence;
        WPIPE__ERRORS(X)
#undef X
    default:
        return "an unknown error";
    }
}

const char *wpipe_error_name(int error)
{
    if (error >= 0)
        return "WPIPE_OK";
    switch (error) {
#define X(code, class, sentence) \
    case code:                   \
        return #code;
        WPIPE__ERRORS(X)
#undef X
    default:
        return "unknown";
    }
}

int wpipe_error_class(int error)
{
    if (error >= 0)
        return WPIPE_CLASS_NONE;
    switch (error) {
#define X(code, class, sentence) \
    case code:                   \
        return WPIPE_CLASS_##class;
        WPIPE__ERRORS(X)
#undef X
    default:
        return WPIPE_CLASS_SYSTEM;
    }
}

const char *wpipe_version(void)
{
    return WPIPE_VERSION;
}
