/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The porting contract: everything windpipe asks of a system. Read from top
 * to bottom it is the guide to a new port; nothing outside src/os calls the
 * system itself. Functions return >= 0 or a WPIPE_E*; where the system's own
 * number matters to people it is kept by wpipe__os_error_text().
 *
 * Rules for every implementation: descriptors are close-on-exec from birth
 * and non-blocking; no signal is ever raised (SIGPIPE, SIGXFSZ); EINTR is
 * seen by the caller of a wait alone (WPIPE_EWOKEN); nothing changes the
 * process (umask, signal handlers, working directory, environment).
 */
#ifndef WPIPE_OS_OS_H
#define WPIPE_OS_OS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>
#include <windpipe/stream.h>

/* A system object: a descriptor here. -1 is none. */
typedef int wpipe__handle;
#define WPIPE__NO_HANDLE   (-1)
#define WPIPE__LOST_HANDLE (-2) /* see wpipe__os_receive; close does nothing */

/* ---- time, threads (posix.c) ------------------------------------------ */

/* Nanoseconds of a clock that never jumps. */
uint64_t wpipe__os_now(void);
/* The same, up to ten milliseconds late, and cheaper. */
uint64_t wpipe__os_now_roughly(void);

/* A deadline: now + timeout_ms; UINT64_MAX for WPIPE_FOREVER (any < 0);
 * 0 for timeout 0, so that the fast path reads no clock. */
uint64_t wpipe__os_deadline(int timeout_ms);

/* A call's time, counted from its first wait: a call that need not wait reads
 * no clock. Begin with {timeout_ms, 0}. */
struct wpipe__timer {
    int timeout_ms;
    uint64_t deadline; /* 0 until the first wait */
};

static inline uint64_t wpipe__timer_deadline(struct wpipe__timer *timer)
{
    if (timer->deadline == 0)
        timer->deadline = wpipe__os_deadline(timer->timeout_ms);
    return timer->deadline;
}

/* Milliseconds left until `deadline`, rounded up; 0 when it is over, -1 for
 * never: what poll takes. */
int wpipe__os_left_ms(uint64_t deadline);

struct wpipe__mutex {
    pthread_mutex_t system;
};
struct wpipe__thread {
    pthread_t system;
    int running;
};

int wpipe__mutex_init(struct wpipe__mutex *m);
void wpipe__mutex_done(struct wpipe__mutex *m);
void wpipe__mutex_lock(struct wpipe__mutex *m);
void wpipe__mutex_unlock(struct wpipe__mutex *m);
/* The thread runs with all signals blocked. */
int wpipe__thread_start(struct wpipe__thread *t, void *(*run)(void *),
                        void *user);
void wpipe__thread_join(struct wpipe__thread *t);
int wpipe__thread_is_current(const struct wpipe__thread *t);
/* A number for the calling thread, not 0; a later thread may get it again. Does
 * it run still: 0 only when it surely does not. */
uint32_t wpipe__os_thread(void);
int wpipe__os_thread_exists(uint32_t thread);

/* Give the core away once. */
void wpipe__os_yield(void);

/* Between two looks of a spin: lets the other hyperthread and the memory
 * system breathe. */
static inline void wpipe__os_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- the process (posix_process.c) ------------------------------------- */

const char *wpipe__os_environment(const char *name);
uint32_t wpipe__os_uid(void); /* effective */
uint32_t wpipe__os_gid(void);
int64_t wpipe__os_pid(void);
int wpipe__os_random(void *buf, size_t size);

/* Base name of the executable of `pid`, cleaned of control bytes; "" if it
 * is not to be known. */
void wpipe__os_program(int64_t pid, char *buf, size_t size);
/* Do process ids mean the same to process `pid` as to us? 0 also if that is not
 * to be known. */
int wpipe__os_same_pids(int64_t pid);
/* Login name of a user id; "" if unknown. Must not need NSS plug-ins at run
 * time in a static build: the number in decimal is a fine answer. */
void wpipe__os_user(uint32_t uid, char *buf, size_t size);

/* The core that this thread is on. */
int wpipe__os_core(void);

/*
 * Fork: objects remember wpipe__os_generation() when they are made; in a
 * forked child it differs (a word in memory that the kernel clears on fork),
 * so a child can tell that it owns nothing. Costs one load. Never 0.
 */
uint32_t wpipe__os_generation(void);

/* Text about the system error that the last failing call on this thread met,
 * for error_text only: "connect: Connection refused". */
const char *wpipe__os_error_text(void);
/* Its number, 0 when there is none. */
int wpipe__os_error_number(void);

/* ---- directories, files, locks (posix_file.c) ------------------------- */

struct wpipe__file_facts {
    uint64_t device;
    uint64_t inode;
    uint32_t uid;
    uint32_t gid;
    uint32_t mode; /* permission bits, with sticky */
    int kind;      /* WPIPE__FILE_* */
};
enum {
    WPIPE__FILE_OTHER = 0,
    WPIPE__FILE_REGULAR = 1,
    WPIPE__FILE_DIRECTORY = 2,
    WPIPE__FILE_SOCKET = 3,
    WPIPE__FILE_LINK = 4,
    WPIPE__FILE_FIFO = 5
};

/* Open a directory, not following a link in its last part. With `create` it
 * is made with mode 0700 if absent (parents are not). WPIPE_ENOTFOUND,
 * WPIPE_EACCES (also: a link, or not a directory). */
int wpipe__os_directory_open(const char *path, int create,
                             wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts);
int wpipe__os_directory_each(wpipe__handle directory,
                             int (*each)(const char *name, void *user),
                             void *user);
/* Facts about what a path leads to; its last part is not followed. */
int wpipe__os_path_facts(const char *path, struct wpipe__file_facts *ret_facts);
/* Facts about a name in the directory, not following links. */
int wpipe__os_file_facts(wpipe__handle directory, const char *name,
                         struct wpipe__file_facts *ret_facts);
int wpipe__os_file_rename(wpipe__handle directory, const char *from,
                          const char *to);
int wpipe__os_file_unlink(wpipe__handle directory, const char *name);

/* ---- between two directories (posix_place.c) ---------------------------- */

/*
 * Open a directory that belongs to others, too, to look names up in it: as
 * every program gets there, following links, and without asking for the right
 * to list it. WPIPE_ENOTFOUND, WPIPE_EACCES (also: not a directory).
 */
int wpipe__os_directory_follow(const char *path, wpipe__handle *ret_directory,
                               struct wpipe__file_facts *ret_facts);
/* Make the directory `name` with mode 0700, or take the one that is there, and
 * open it. 1: made; 0: it was there, and the facts tell whose it is, which in
 * a directory of others need not be us. WPIPE_EACCES (also: a link, or no
 * directory). */
int wpipe__os_directory_make(wpipe__handle directory, const char *name,
                             wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts);
/* Remove an empty one. */
int wpipe__os_directory_remove(wpipe__handle directory, const char *name);

/* Hold on to a file, whatever it is, without opening it: its inode cannot be
 * given to another one before the handle is closed. Links are not followed. */
int wpipe__os_file_hold(wpipe__handle directory, const char *name,
                        wpipe__handle *ret_held,
                        struct wpipe__file_facts *ret_facts);

/* A place for one file: a name in a directory. */
struct wpipe__file {
    wpipe__handle directory;
    const char *name;
};

/* Give a file (not a directory) a second name, which nobody has: else
 * WPIPE_EINUSE. Both are of one file system. */
int wpipe__os_file_link(struct wpipe__file from, struct wpipe__file to);
/* Give it another name; a file that has that name is gone. */
int wpipe__os_file_move(struct wpipe__file from, struct wpipe__file to);
/* Let two names change their files in one step. WPIPE_ENOTSUP where the
 * system or the file system cannot. */
int wpipe__os_file_exchange(struct wpipe__file one, struct wpipe__file other);

/* ---- who has a socket file (linux_diag.c) ------------------------------- */

/* A stream socket, as the kernel's list of them has it. */
struct wpipe__socket_facts {
    uint64_t number; /* the socket's, for socket_process */
    int listening;   /* 0: bound, but it does not listen (yet) */
};

/*
 * Which socket is bound to the socket file of this device and inode? Asked of
 * the kernel: the server hears nothing of it. What is not found may all the
 * same be there: in another network namespace, or on a file system that shows
 * other numbers than it has (Btrfs).
 *
 * Returns 0. Errors: WPIPE_ENOTFOUND, WPIPE_ENOTSUP (there is no such list),
 * WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__os_socket_find(uint64_t device, uint64_t inode,
                          struct wpipe__socket_facts *ret_facts);
/* A process that holds the socket, 0 if unknown: only those of our own user
 * tell. Reads a directory of each, so it is for error texts and lists. */
int64_t wpipe__os_socket_process(uint64_t number);

/* ---- locks (posix_file.c) ------------------------------------------------ */

/*
 * Take the lock file `name` in `directory`, creating it with `mode`. An
 * advisory lock that the kernel drops when the process dies. After locking
 * the file is compared with the name, and tried again if it was replaced.
 * WPIPE_EINUSE when another process has it. The taker's pid is written into
 * the file for people; in another PID namespace it means another process.
 */
int wpipe__os_lock_take(wpipe__handle directory, const char *name,
                        uint32_t mode, wpipe__handle *ret_lock);
/* A number that the holder leaves in the file for his successor, and what the
 * last one has left: 0 nothing. A full disk is no reason to fail. */
void wpipe__os_lock_note(wpipe__handle lock, uint64_t note);
uint64_t wpipe__os_lock_noted(wpipe__handle lock);
/* Unlink the lock file while still holding it, then let go. */
void wpipe__os_lock_release(wpipe__handle directory, const char *name,
                            wpipe__handle lock);

/*
 * Ask cleaners of temporary files to leave the directory and all that is in it
 * alone, for as long as the handle, which must be open for reading, is open: a
 * shared lock on it, which systemd-tmpfiles respects. It may be taken again.
 */
int wpipe__os_directory_hold(wpipe__handle directory);
/* Give a file of the directory, or with NULL the directory, the time of now. */
void wpipe__os_file_touch(wpipe__handle directory, const char *name);

/* ---- waiting for a name to appear (linux.c) ---------------------------- */

/*
 * A watch on an existing directory, readable when a name in it is made or
 * moved in. WPIPE_ELIMIT when the system has no more of them: poll with a
 * back-off then. Closing it within some 30 ms of its last use may take as
 * long (Linux waits for all readers of the list of watches).
 */
int wpipe__os_watch_open(const char *path, wpipe__handle *ret_watch);

/*
 * Watch one more directory with the same handle. Returns its number (>= 0),
 * the same one when it is watched already: also when it is the one that was
 * given to open.
 */
int wpipe__os_watch_add(wpipe__handle watch, const char *path);
/* Stop watching a directory by its number; unknown ones are left out. */
void wpipe__os_watch_remove(wpipe__handle watch, int number);

/* Forget what it has seen. */
void wpipe__os_watch_drain(wpipe__handle watch);

/* ---- sockets (linux_socket.c, linux_message.c, linux_sockopt.c; peers:
 * linux_peer.c) ---- */

/*
 * A stream socket bound to `name` in `directory` with `mode` from birth
 * (fchmod before bind) and group `gid` when mode has group bits and it is not
 * our own, listening with the largest backlog. A path of any length works.
 */
int wpipe__os_listen(wpipe__handle directory, const char *name, uint32_t mode,
                     uint32_t gid, wpipe__handle *ret_socket);

/* Listening sockets that somebody else made (posix_listener.c). 1 for a local
 * stream socket that listens, else 0. */
int wpipe__os_is_listener(wpipe__handle handle);
/* A copy of its descriptor to work with. The socket does not block from then
 * on, for its maker either, and takes no descriptors where that can be said. */
int wpipe__os_listener_copy(wpipe__handle handle, wpipe__handle *ret_listener);
/* The path it was bound to; "" when it has none, or one that does not fit. */
void wpipe__os_listener_path(wpipe__handle handle, char *buf, size_t size);

/* WPIPE_ENOTFOUND (nobody listens), WPIPE_EAGAIN (the backlog is full),
 * WPIPE_EACCES, WPIPE_ENOTSUP (not a stream socket). Never blocks. */
int wpipe__os_connect(wpipe__handle directory, const char *name,
                      wpipe__handle *ret_socket);

/* The same by a path, following links as every program does. WPIPE_ENAME: it
 * is too long for a socket address. */
int wpipe__os_connect_path(const char *path, wpipe__handle *ret_socket);

/*
 * Is a socket of a living process bound to this socket file? The kernel
 * tells for all network namespaces; the process hears nothing of it.
 *
 * Returns 1 or 0. Errors: WPIPE_EACCES (we may not ask), WPIPE_ENOTFOUND,
 * WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__os_socket_is_bound(wpipe__handle directory, const char *name);

/* WPIPE_EAGAIN when none waits, WPIPE_ELIMIT when descriptors or memory are
 * out; else WPIPE_ESYSTEM. */
int wpipe__os_accept(wpipe__handle listener, wpipe__handle *ret_socket);

/* A user that has no number in our user namespace: nobody's, never our own. */
#define WPIPE__UID_UNMAPPED UINT32_MAX

/* uid, gid, pid of the other end, as of connect or listen; no names. */
int wpipe__os_peer(wpipe__handle socket, wpipe_peer *ret_peer);
/* The names of a peer whose numbers are known: its user, and its program while
 * it is there. When the kernel says another id, or none, the peer is a child of
 * ours that was given the other end: then a child is believed. */
void wpipe__os_name_peer(wpipe__handle socket, wpipe_peer *peer);

/* The same in two steps. Hold the peer's process, without reading any file;
 * then name it, which lets go of it and needs the socket no more. */
struct wpipe__held_peer {
    wpipe__handle process;
    int how;
};
void wpipe__os_hold_peer(wpipe__handle socket, const wpipe_peer *peer,
                         struct wpipe__held_peer *ret_held);
void wpipe__os_name_held(struct wpipe__held_peer *held, wpipe_peer *peer);

/* Two connected ends (tests, anonymous pipes). */
int wpipe__os_socket_pair(wpipe__handle ret_sockets[2]);

/* Make the send buffer larger, if the system lets us. */
void wpipe__os_more_send_buffer(wpipe__handle socket);

/* Make the send buffer at least the system's usual one, for a socket that has
 * a smaller one, and tell what it is. WPIPE_ELIMIT when not even `least` bytes
 * can be had. */
int wpipe__os_need_send_buffer(wpipe__handle socket, uint32_t least,
                               uint32_t *ret_bytes);
/* Bytes of send buffer that the kernel grants. */
uint32_t wpipe__os_send_buffer(wpipe__handle socket);

/*
 * Send all pieces in one call, with one descriptor if `pass` is not
 * WPIPE__NO_HANDLE. Returns bytes sent (maybe fewer), WPIPE_EAGAIN,
 * WPIPE_EPIPE (the other end is gone), WPIPE_EACCES (descriptors are not
 * taken there), WPIPE_ESYSTEM. At most 18 pieces.
 */
int64_t wpipe__os_send(wpipe__handle socket, const wpipe_piece *pieces,
                       int count, wpipe__handle pass);
/* Takes `sent` bytes off the front of the pieces; how many are left. */
int wpipe__os_drop_front(wpipe_piece *pieces, int count, size_t sent);
/* The same, and again what a call left: fewer bytes mean that it is full, or
 * was refused the rest; sending that tells why. */
int64_t wpipe__os_send_whole(wpipe__handle socket, const wpipe_piece *pieces,
                             int count, wpipe__handle pass);

/*
 * Receive up to `size` bytes. Returns > 0, WPIPE_EAGAIN, WPIPE_EOF (orderly
 * end), WPIPE_EPIPE (reset). A descriptor that came along goes to *ret_passed
 * (else WPIPE__NO_HANDLE; WPIPE__LOST_HANDLE when one came that this process
 * had no place for). More than one: all are discarded and WPIPE_EPROTO
 * returned. Never receives into a control buffer that is too small.
 */
int64_t wpipe__os_receive(wpipe__handle socket, void *buf, size_t size,
                          wpipe__handle *ret_passed);

/* What may lie in the queue of a socket, besides bytes. */
enum {
    WPIPE__PASSES_NOTHING = 0, /* descriptors are and were refused */
    WPIPE__PASSED_BEFORE = 1,  /* they are; some may have come before that */
    WPIPE__PASSES = 2,         /* they may come, and nobody wants them */
    WPIPE__PASSES_DUE = 3      /* they may; from one who means no harm */
};

/* Let the kernel take descriptors for this socket, or not (SO_PASSRIGHTS, Linux
 * 6.16). 1, or 0 where it always does. */
int wpipe__os_set_passing(wpipe__handle socket, int on);
/* Refuse them from now on, where the kernel can: WPIPE__PASS*. Listening
 * sockets do from birth, and with them all that they accept. */
int wpipe__os_refuse_passing(wpipe__handle socket);

/*
 * Receive from one who has no descriptor to give, as wpipe__os_receive does.
 * What comes with one stays where it is: WPIPE_EPROTO, each time. *passing is
 * what refuse_passing said, and is kept up to date.
 */
int64_t wpipe__os_receive_plain(wpipe__handle socket, void *buf, size_t size,
                                int *passing);

/* Tell the other end that we are done, without closing: shutdown both. */
void wpipe__os_shutdown(wpipe__handle socket);

/* What we made ourselves, and nothing of others is in. */
void wpipe__os_close(wpipe__handle handle);

/* ---- closing what may wait (linux_close.c) ------------------------------ */

/*
 * None of these waits. What may is left to a thread, with all signals blocked,
 * which is there only meanwhile. There are 8 of them at the most; while none of
 * them comes back, what is left to them stays open.
 */

/* A descriptor that came from a peer: anything. */
void wpipe__os_discard(wpipe__handle handle);
/* A connected (or listening) socket, of which `passing` (WPIPE__PASS*) tells
 * what can be in its queue. */
void wpipe__os_close_socket(wpipe__handle socket, int passing);
/* The same when nothing is known of that; it was opened, or its owner made,
 * under `generation`: a copy in a forked child is just closed. */
void wpipe__os_close_unknown(wpipe__handle socket, uint32_t generation);
/* One that others use, too: nothing is done to what it leads to. */
void wpipe__os_close_shared(wpipe__handle socket, uint32_t generation);

/* A descriptor kept in reserve, to be able to accept and refuse when the
 * table is full. */
int wpipe__os_reserve(wpipe__handle *ret_handle);

/* ---- plain byte streams of others (posix_stream.c) ---------------------- */

enum {
    WPIPE__KIND_OTHER = 0,
    WPIPE__KIND_SOCKET = 1, /* AF_UNIX stream, or the like */
    WPIPE__KIND_PIPE = 2
};

/* What an inherited descriptor is; WPIPE_EINVAL when it is none at all. A
 * socket of another type, or one that listens, is KIND_OTHER. */
int wpipe__os_kind(wpipe__handle handle);

enum {
    WPIPE__CAN_READ = 1,
    WPIPE__CAN_WRITE = 2
};

/* What a handle was opened for: WPIPE__CAN_*. */
int wpipe__os_access(wpipe__handle handle);
/* Who made it, and its inode: the same for both ends of a pipe, another one
 * for everything else that is open. */
int wpipe__os_handle_facts(wpipe__handle handle,
                           struct wpipe__file_facts *ret_facts);

/* A pipe: [0] to read, [1] to write; `size` bytes, 0 the system's default. */
int wpipe__os_pipe(wpipe__handle ret_ends[2], uint32_t size);
/* Bytes that it holds at most; 0 when that is not to be known. */
uint32_t wpipe__os_pipe_size(wpipe__handle end);

/* Read and write on any such handle, never blocking, never raising SIGPIPE.
 * Results as receive_plain (`passing` is for sockets) and send. */
int64_t wpipe__os_stream_read(wpipe__handle handle, int kind, void *buf,
                              size_t size, int *passing);
int64_t wpipe__os_stream_write(wpipe__handle handle, int kind,
                               const wpipe_piece *pieces, int count);

/* Take an inherited handle over: close-on-exec, non-blocking. */
int wpipe__os_adopt(wpipe__handle handle);
/* Let children inherit it. */
int wpipe__os_inherit(wpipe__handle handle, int on);
/* 1 when they do; 0 when they do not, or it is closed. */
int wpipe__os_inherited(wpipe__handle handle);

/* Half of a socket: we will not write (or read) any more. */
void wpipe__os_shutdown_write(wpipe__handle socket);
void wpipe__os_shutdown_read(wpipe__handle socket);

/* Is the other end gone for good, both ways and not half? 0 no; 1 yes; 2 yes,
 * and it had not read everything. */
int wpipe__os_hung_up(wpipe__handle handle);

/* 1 when the other end has read all that was written (or thrown it away). */
int wpipe__os_all_read(wpipe__handle handle, int kind);

/* What the first of the handles is called in the child. */
#define WPIPE__SPAWN_FIRST 3

/*
 * Start a program with `handles`, which are its descriptors SPAWN_FIRST + i,
 * and stdin, stdout, stderr; nothing else is inherited. `path` is looked up in
 * PATH. Returns 0 and the process id; WPIPE_ENOTFOUND, WPIPE_EACCES,
 * WPIPE_ELIMIT, WPIPE_ENOMEM.
 */
int wpipe__os_spawn(const char *path, char *const *arguments,
                    const wpipe__handle *handles, int count, int64_t *ret_pid);
/* Wait for it: its exit status, 128 + n when signal n ended it;
 * WPIPE_ETIMEDOUT; WPIPE_EINVAL (not a child of ours). */
int wpipe__os_reap(int64_t pid, uint64_t deadline);

/* ---- waiting (linux.c) --------------------------------------------------
 *
 * All four waits (wait, wait_for, poller_wait, word_wait) return WPIPE_EWOKEN
 * when a signal handler ran while they slept: whether that ends the caller's
 * wait is the caller's decision.
 */

/* Sleep while *word is `value`, until `deadline`. 0: woken, changed, or no
 * reason at all; WPIPE_ETIMEDOUT. One process only. */
int wpipe__os_word_wait(_Atomic uint32_t *word, uint32_t value,
                        uint64_t deadline);
/* Wake all who sleep on it. Safe in a signal handler. */
void wpipe__os_word_wake(_Atomic uint32_t *word);

/* Waits until one of up to 4 handles is readable (or hung up). Bit i of the
 * result is handle i; 0 when `deadline` is over. Negative handles are left
 * out. */
int wpipe__os_wait(const wpipe__handle *handles, int count, uint64_t deadline);

/* Sleep for so many milliseconds; a signal handler ends it. */
void wpipe__os_nap(int ms);

/* What a link wants to know of its handle. A hang-up is always told. */
enum {
    WPIPE__INTEREST_IN = 1,  /* readable */
    WPIPE__INTEREST_OUT = 2, /* writable */
    WPIPE__INTEREST_SOON = 4 /* something that only a look can tell: wait a
                                few milliseconds at the most */
};

/* As wait, for one handle with an interest and a flag to be woken by: bit 0
 * is the handle, bit 1 the flag. */
int wpipe__os_wait_for(wpipe__handle handle, unsigned interest,
                       wpipe__handle flag, uint64_t deadline);

/* A flag that can be waited for: set from any thread, and in a signal
 * handler. */
int wpipe__os_flag_open(wpipe__handle *ret_flag);
void wpipe__os_flag_set(wpipe__handle flag);
/* 1 if it was set; it is clear afterwards. */
int wpipe__os_flag_clear(wpipe__handle flag);

/* A timer: a handle that is readable from `when` on (a clock of
 * wpipe__os_now), until it is set again; UINT64_MAX: never. */
int wpipe__os_timer_open(wpipe__handle *ret_timer);
void wpipe__os_timer_set(wpipe__handle timer, uint64_t when);

/*
 * Many handles at once. A poller is itself a handle that is readable while
 * one of its members is. `tag` comes back from wait.
 */
int wpipe__os_poller_open(wpipe__handle *ret_poller);
int wpipe__os_poller_add(wpipe__handle poller, wpipe__handle member,
                         uint64_t tag);
/* A member is added with INTEREST_IN; from now on this. */
int wpipe__os_poller_change(wpipe__handle poller, wpipe__handle member,
                            uint64_t tag, unsigned interest);
void wpipe__os_poller_remove(wpipe__handle poller, wpipe__handle member);
/* Tags of ready members; 0 when `deadline` is over. */
int wpipe__os_poller_wait(wpipe__handle poller, uint64_t *ret_tags, int room,
                          uint64_t deadline);

/* ---- shared memory (linux_memory.c) ------------------------------------- */

/*
 * A segment of our own: `size` bytes that we alone can write, sealed against
 * every change by others, its blocks allocated. *ret_memory is our writable
 * mapping (not inherited by fork), *ret_handle is to be passed to the peer
 * and closed. WPIPE_ENOTSUP where sealed memory is not to be had, or that of a
 * peer could not be checked; WPIPE_ENOMEM, WPIPE_ELIMIT.
 */
int wpipe__os_segment_make(size_t size, void **ret_memory,
                           wpipe__handle *ret_handle);

/*
 * Map a peer's segment for reading, after checking that it is sealed memory
 * (kind, seals, size exactly `size`, and all its pages: counted where
 * counts_pages, else as the file's blocks say, which only a peer of our own
 * user is to be believed). WPIPE_EPROTO with a word in *ret_why when it is not,
 * WPIPE_ENOTSUP when a filter of system calls keeps us from asking. Waits for
 * nobody. The handle stays the caller's.
 */
int wpipe__os_segment_map(wpipe__handle handle, size_t size,
                          const void **ret_memory, const char **ret_why);
void wpipe__os_segment_unmap(const void *memory, size_t size);

/* 1 where the pages of a segment can be counted: Linux 6.5, unless a filter
 * forbids it. Without that a segment may be full of holes, which would be
 * filled in our account as we read. Asked once. */
int wpipe__os_counts_pages(void);

/* 1 when this process can use wpipe__os_barrier (it registers itself). */
int wpipe__os_has_barrier(void);
/* Make every running thread of every registered process pass a full memory
 * barrier (membarrier). 0, or WPIPE_ENOTSUP where there was never any. Where it
 * is forbidden by now, this takes a millisecond. */
int wpipe__os_barrier(void);

#endif
