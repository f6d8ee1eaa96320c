/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs over a server and several clients, in one thread, against a
 * model of what they are: a queue of messages each way for each connection, and
 * what ends it. Clients come, send, call, read, close and die; the server
 * sends, answers, broadcasts, disconnects and kicks. What a send took arrives
 * once, whole and in order, unless the end of its connection was begun.
 * WINDPIPE_SEED=n runs that program alone; a failure shows the seed and the
 * steps.
 */
#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/client.h"

enum {
    SLOTS = 4,
    STEPS = 120,
    SEEDS = 400,
    BUDGET_MS = 4000 * SUPPORT_LIMIT_FACTOR,
    QUIET = 60, /* rounds without news, and nothing is on its way */
    SIZE_MOST = 9000
};

/* One direction: numbers of messages. */
struct way {
    unsigned accepted;
    unsigned arrived;
};

/* A client of the program, and what became of it. */
struct member {
    wpipe_client *client;
    wpipe_id id;  /* 0: the server was not told of it yet, or it is gone */
    uint64_t tag; /* in each of its messages */
    struct way up;
    struct way down;
    uint32_t broadcast; /* the last one that came */
    bool up_now;        /* the client was told CONNECTED */
    bool may_lose;      /* an end was begun: what is on its way may be lost */
    bool ended_here;    /* the server was told of its end */
};

struct program {
    uint64_t random;
    wpipe_server *server;
    wpipe_options options;
    struct member members[SLOTS];
    wpipe_client *dead[STEPS];
    int dead_count;
    uint64_t next_tag;
    uint32_t broadcasts;
    unsigned connected;
    unsigned disconnected;
};

static uint64_t draw(struct program *p, uint64_t below)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (p->random >> 11) % below;
}

/* ---- messages: tag, number, then bytes that follow from both ---------- */

struct head {
    uint64_t tag;
    uint32_t number;
    uint32_t size;
};

static size_t some_size(struct program *p)
{
    switch (draw(p, 6)) {
    case 0:
        return sizeof(struct head);
    case 1:
        return sizeof(struct head) + draw(p, SIZE_MOST);
    default:
        return sizeof(struct head) + draw(p, 200);
    }
}

static const uint8_t *message(uint64_t tag, unsigned number, size_t size)
{
    static uint8_t bytes[sizeof(struct head) + SIZE_MOST];
    struct head head = { tag, number, (uint32_t)size };

    memcpy(bytes, &head, sizeof head);
    for (size_t i = sizeof head; i < size; i++)
        bytes[i] = (uint8_t)(tag * 7 + number * 13 + i);
    return bytes;
}

/* It is the next one of its way. */
static void check(const wpipe_event *event, struct way *way, uint64_t tag)
{
    struct head head;

    assert_true(event->size >= sizeof head);
    memcpy(&head, event->data, sizeof head);
    assert_int_equal(head.tag, tag);
    assert_int_equal(head.number, way->arrived);
    assert_int_equal(head.size, event->size);
    assert_memory_equal(event->data, message(tag, head.number, head.size),
                        event->size);
    way->arrived++;
    assert_true(way->arrived <= way->accepted);
}

/* To all and with tag 0: in order, and who has no room is left out. */
static bool check_broadcast(const wpipe_event *event, struct member *m)
{
    struct head head;

    assert_true(event->size >= sizeof head);
    memcpy(&head, event->data, sizeof head);
    if (head.tag != 0)
        return false;
    assert_true(head.number > m->broadcast);
    m->broadcast = head.number;
    assert_int_equal(head.size, event->size);
    assert_memory_equal(event->data, message(0, head.number, head.size),
                        event->size);
    return true;
}

/* ---- events ----------------------------------------------------------- */

static struct member *of_id(struct program *p, wpipe_id id)
{
    for (int i = 0; i < SLOTS; i++)
        if (p->members[i].id == id)
            return &p->members[i];
    return NULL;
}

static struct member *of_tag(struct program *p, const wpipe_event *event)
{
    struct head head;

    assert_true(event->size >= sizeof head);
    memcpy(&head, event->data, sizeof head);
    for (int i = 0; i < SLOTS; i++)
        if (p->members[i].tag == head.tag)
            return &p->members[i];
    return NULL;
}

/* The first message of a connection tells the server who it is: a hello. */
static void on_server_message(struct program *p, const wpipe_event *event)
{
    struct member *m = of_id(p, event->from);

    if (!m) {
        m = of_tag(p, event);
        if (!m)
            return; /* it has been closed and replaced meanwhile */
        assert_int_equal(m->id, 0);
        m->id = event->from;
    }
    check(event, &m->up, m->tag);
    if (event->request)
        assert_true(wpipe_server_reply(p->server, event, "ok", 2) <= 0);
}

static void on_server_end(struct program *p, const wpipe_event *event)
{
    struct member *m = of_id(p, event->from);

    p->disconnected++;
    assert_int_not_equal(event->reason, WPIPE_REASON_PROTOCOL);
    assert_int_not_equal(event->reason, WPIPE_REASON_MEMORY);
    if (!m)
        return;
    assert_true(m->may_lose); /* nobody ends for no reason */
    m->id = 0;
    m->ended_here = true;
}

static bool serve_once(struct program *p)
{
    wpipe_event event;
    int r = wpipe_server_wait(p->server, &event, 0);

    if (r != 1) {
        assert_int_equal(r, WPIPE_ETIMEDOUT);
        return false;
    }
    switch (event.type) {
    case WPIPE_EVENT_CONNECTED:
        p->connected++;
        break;
    case WPIPE_EVENT_MESSAGE:
        on_server_message(p, &event);
        break;
    case WPIPE_EVENT_DISCONNECTED:
        on_server_end(p, &event);
        break;
    case WPIPE_EVENT_REFUSED: /* it left before it was let in */
    case WPIPE_EVENT_WRITABLE:
    case WPIPE_EVENT_SKIPPED:
        break;
    default:
        fail_msg("event %d", event.type);
    }
    return true;
}

/* As its first message, so that the server knows whom it is talking to. */
static void say_hello(struct program *p, struct member *m)
{
    (void)p;
    m->up_now = true;
    assert_int_equal(wpipe_client_send(m->client,
                                       message(m->tag, 0, sizeof(struct head)),
                                       sizeof(struct head)),
                     0);
    m->up.accepted = 1;
}

static bool client_once(struct program *p, struct member *m)
{
    wpipe_event event;
    int r;

    if (!m->client)
        return false;
    r = wpipe_client_wait(m->client, &event, 0);
    if (r == WPIPE_ENOTCONN) {
        assert_true(m->may_lose);
        return false;
    }
    if (r != 1) {
        assert_int_equal(r, WPIPE_ETIMEDOUT);
        return false;
    }
    if (event.type == WPIPE_EVENT_CONNECTED)
        say_hello(p, m);
    else if (event.type == WPIPE_EVENT_MESSAGE && !check_broadcast(&event, m))
        check(&event, &m->down, m->tag);
    else if (event.type == WPIPE_EVENT_DISCONNECTED)
        assert_true(m->may_lose);
    return true;
}

/* ---- steps ------------------------------------------------------------ */

static void come(struct program *p, struct member *m)
{
    wpipe_options options = p->options;

    memset(m, 0, sizeof *m);
    m->tag = ++p->next_tag;
    options.shared_memory = (int)draw(p, 3);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&m->client, wpipe_server_name(p->server), &options),
        0);
}

static void leave(struct member *m)
{
    m->may_lose = true;
    wpipe_client_close(m->client);
    memset(m, 0, sizeof *m);
}

/* The socket goes without a word. */
static void die(struct program *p, struct member *m)
{
    m->may_lose = true;
    if (!m->up_now || !m->client->conn || !m->client->conn->link) {
        leave(m);
        return;
    }
    assert_int_equal(shutdown(m->client->conn->link->socket, SHUT_RDWR), 0);
    p->dead[p->dead_count++] = m->client;
    memset(m, 0, sizeof *m);
}

static void client_sends(struct program *p, struct member *m, bool calls)
{
    size_t size = some_size(p);
    const uint8_t *bytes = message(m->tag, m->up.accepted, size);
    wpipe_event answer;
    int r;

    if (!m->up_now)
        return;
    if (calls && m->up.arrived == m->up.accepted) { /* then there is room */
        r = wpipe_client_call(m->client, bytes, size, &answer, 0);
        m->up.accepted += r == WPIPE_ETIMEDOUT;
    } else {
        r = wpipe_client_send(m->client, bytes, size);
        if (r == 0)
            m->up.accepted++;
    }
    if (r == WPIPE_ENOTCONN)
        assert_true(m->may_lose);
    else
        assert_true(r == 0 || r == WPIPE_EAGAIN || r == WPIPE_ETIMEDOUT);
}

static void server_sends(struct program *p, struct member *m)
{
    size_t size = some_size(p);
    int r;

    if (!m->id)
        return;
    r = wpipe_server_send(p->server, m->id,
                          message(m->tag, m->down.accepted, size), size);
    if (r == 0)
        m->down.accepted++;
    else if (r == WPIPE_ENOTCONN)
        assert_true(m->may_lose);
    else
        assert_int_equal(r, WPIPE_EAGAIN);
}

static void server_ends(struct program *p, struct member *m, bool kicks)
{
    int r;

    if (!m->id)
        return;
    r = kicks ? wpipe_server_kick(p->server, m->id)
              : wpipe_server_disconnect(p->server, m->id);
    assert_true(r == 0 || (r == WPIPE_ENOTCONN && m->may_lose));
    m->may_lose = true;
}

static void broadcast(struct program *p)
{
    size_t size = some_size(p);
    int r = wpipe_server_broadcast(p->server,
                                   message(0, p->broadcasts + 1, size), size);

    assert_true(r >= 0 && r <= STEPS);
    p->broadcasts++;
}

/* All that was accepted has arrived, unless an end was begun. */
static void settle(struct program *p)
{
    int quiet = 0;

    while (quiet < QUIET) {
        bool news = serve_once(p);

        for (int i = 0; i < SLOTS; i++)
            news |= client_once(p, &p->members[i]);
        quiet = news ? 0 : quiet + 1;
    }
    for (int i = 0; i < SLOTS; i++) {
        const struct member *m = &p->members[i];

        if (!m->client || m->may_lose)
            continue;
        assert_true(m->up_now);
        assert_int_not_equal(m->id, 0);
        assert_int_equal(m->up.arrived, m->up.accepted);
        assert_int_equal(m->down.arrived, m->down.accepted);
        assert_int_equal(wpipe_client_drain(m->client, 0), 0);
    }
}

static void step(struct program *p)
{
    int slot = (int)draw(p, SLOTS);
    int what = (int)draw(p, 16);
    struct member *m = &p->members[slot];

    printf(" %d.%d", slot, what);
    if (!m->client) {
        come(p, m);
        return;
    }
    switch (what) {
    case 0:
        leave(m);
        break;
    case 1:
        die(p, m);
        break;
    case 2:
    case 3:
        server_ends(p, m, what == 2);
        break;
    case 4:
        settle(p);
        break;
    case 5:
        client_sends(p, m, true);
        break;
    case 6:
    case 7:
    case 8:
        client_sends(p, m, false);
        break;
    case 9:
    case 10:
        server_sends(p, m);
        break;
    case 11:
        broadcast(p);
        break;
    case 12:
        (void)client_once(p, m);
        break;
    default:
        (void)serve_once(p);
        break;
    }
}

/* ---- programs ---------------------------------------------------------- */

static void run(uint64_t seed, int steps)
{
    static struct program program;
    struct program *p = &program;

    memset(p, 0, sizeof *p);
    p->random = seed * UINT64_C(0x9E3779B97F4A7C15);
    p->options = (wpipe_options){ .size = sizeof p->options,
                                  .linger_ms = WPIPE_LINGER_OFF,
                                  .slow_reader = WPIPE_SLOW_SKIP,
                                  .buffer_in = 4096,
                                  .buffer_out = 4096,
                                  .queue_limit = 65536 };
    printf("seed %llu:", (unsigned long long)seed);
    assert_int_equal(
        wpipe_server_open(&p->server, support_unique_name(), &p->options), 0);
    for (int i = 0; i < steps; i++)
        step(p);
    settle(p);
    for (int i = 0; i < SLOTS; i++)
        if (p->members[i].client)
            leave(&p->members[i]);
    settle(p);
    assert_int_equal(wpipe_server_count(p->server), 0);
    assert_int_equal(p->connected, p->disconnected);
    for (int i = 0; i < p->dead_count; i++)
        wpipe_client_close(p->dead[i]);
    wpipe_server_close(p->server);
    printf("\n");
}

static void random_programs_agree_with_the_model(void **state)
{
    const char *chosen = getenv("WINDPIPE_SEED");
    int64_t end =
        support_now_ms() + (support_is_soak() ? support_soak_ms() : BUDGET_MS);

    (void)state;
    setvbuf(stdout, NULL, _IONBF, 0); /* the program is shown when it fails */
    if (chosen) {
        run(strtoull(chosen, NULL, 10), STEPS);
        return;
    }
    for (uint64_t seed = 1; support_now_ms() < end; seed++) {
        if (seed > SEEDS && !support_is_soak())
            break;
        run(seed, STEPS);
    }
}

static const struct support_case cases[] = {
    TEST_SLOW(random_programs_agree_with_the_model),
};

TEST_MAIN(cases)
