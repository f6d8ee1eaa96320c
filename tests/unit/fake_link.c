/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link without a socket.
 */
#include "fake_link.h"

#include <string.h>

#include "support.h"

static struct fake_link *fake_of(struct wpipe__link *link)
{
    return (struct fake_link *)(void *)link;
}

static int fake_look(struct wpipe__link *link, struct wpipe__record *ret)
{
    struct fake_link *fake = fake_of(link);
    struct fake_record *first;

    if (fake->in_first == fake->in_count)
        return fake->end;
    first = &fake->in[fake->in_first];
    *ret = first->record;
    ret->data = first->bytes;
    return 1;
}

static void fake_take(struct wpipe__link *link,
                      const struct wpipe__record *record, uint32_t bytes,
                      int whole)
{
    assert_int_equal(bytes, record->size);
    assert_true(whole);
    fake_of(link)->in_first++;
}

static int fake_put(struct wpipe__link *link,
                    const struct wpipe__parcel *parcel)
{
    struct fake_link *fake = fake_of(link);
    struct fake_record *out;

    if (fake->put_error < 0)
        return fake->put_error;
    if (fake->shrinks_to > 0) {
        fake->fragment = fake->shrinks_to;
        fake->shrinks_to = 0;
        return WPIPE__PUT_TOO_LONG;
    }
    if (fake->room == 0)
        return 0;
    assert_true(fake->out_count < FAKE_RECORDS);
    assert_true(parcel->record.size <= fake->fragment);
    assert_int_equal(parcel->count, 1);
    assert_true(wpipe__record_sane(parcel->record.flags, parcel->record.size));
    out = &fake->out[fake->out_count++];
    out->record = parcel->record;
    if (parcel->record.size > 0)
        memcpy(out->bytes,
               (const uint8_t *)parcel->pieces[0].data + parcel->offset,
               parcel->record.size);
    fake->room--;
    return 1;
}

static int fake_mark(struct wpipe__link *link, uint32_t flag)
{
    struct fake_link *fake = fake_of(link);

    assert_true(fake->out_count < FAKE_RECORDS);
    memset(&fake->out[fake->out_count], 0, sizeof(fake->out[0]));
    fake->out[fake->out_count++].record.flags = flag;
    return 0;
}

static uint32_t fake_fragment(struct wpipe__link *link, size_t left)
{
    (void)left;
    return fake_of(link)->fragment;
}

static const struct wpipe__transport fake_transport = {
    .name = "fake",
    .look = fake_look,
    .take = fake_take,
    .put = fake_put,
    .mark = fake_mark,
    .fragment = fake_fragment,
};

void fake_link_init(struct fake_link *fake)
{
    memset(fake, 0, sizeof(*fake));
    fake->link.transport = &fake_transport;
    fake->link.terms.type = WPIPE_MESSAGE;
    fake->link.terms.max_in = 1000;
    fake->link.terms.max_out = 1000;
    fake->room = FAKE_RECORDS;
    fake->fragment = 16;
}

void fake_link_come_with(struct fake_link *fake, uint32_t flags,
                         const char *text, uint64_t total, uint64_t request)
{
    struct fake_record *in;
    size_t size = strlen(text);

    assert_true(fake->in_count < FAKE_RECORDS);
    assert_true(size <= FAKE_BYTES);
    in = &fake->in[fake->in_count++];
    in->record.size = (uint32_t)size;
    in->record.flags = flags;
    in->record.total = total;
    in->record.request = request;
    memcpy(in->bytes, text, size);
}

void fake_link_come(struct fake_link *fake, uint32_t flags, const char *text)
{
    fake_link_come_with(fake, flags, text, 0, 0);
}

void fake_link_expect(const struct fake_link *fake, int at, uint32_t flags,
                      const char *text)
{
    const struct fake_record *out = &fake->out[at];

    assert_true(at < fake->out_count);
    assert_int_equal(out->record.flags, flags);
    assert_int_equal(out->record.size, strlen(text));
    assert_memory_equal(out->bytes, text, strlen(text));
}
