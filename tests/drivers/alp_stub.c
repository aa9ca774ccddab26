/* A micromirror panel without a panel: the functions of ViALUX's libalp that ALP4lib calls, as its public manual describes
 * them, over one mapped file (environment variable ALP_STUB). tests/drivers/alp_stub.py makes the file, reads it and steps it.
 *
 * The file is int64 slots (below), a log of calls at LOG, and from PICTURES on the memory: picture after picture, each
 * rows x ceil(columns / 8) bytes as the mirrors stand, most significant bit leftmost, top row first, padding bits 0.
 * What is on the mirrors follows from the slots and the clock alone, so no code runs here while pictures change.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum slot {
    MAGIC, ROWS, COLUMNS, MEMORY, DMD_TYPE, SERIAL, MIN_US, MAX_US, STEPPED, REFUSE, TEMPERATURE, REMOVED,
    GENERATION = 16, ALLOCATED, MODE, SLAVE, BASE, FIRST, LAST, PICTURE_US, STARTED_NS, SHOWN_BEFORE, PULSES_BEFORE,
    TICKS_BEFORE, PARKED, FLOATING, TRIGGER_EDGE, SYNCH_POLARITY, RUNS, UPLOADED, OWNER,
    PULSES = 40, TICKS, LOGGED = 48, SLOTS = 64
};
enum { MAGIC_NUMBER = 0x414c5053, LOG = 8192, LOG_ENTRIES = 1024, PICTURES = 16384, MOST_SEQUENCES = 64 };
enum { IDLE, ONCE, FOREVER };
enum {
    OK = 0, NOT_ONLINE = 1001, NOT_IDLE = 1002, NOT_AVAILABLE = 1003, NOT_READY = 1004, PARM_INVALID = 1005,
    ADDR_INVALID = 1006, MEMORY_FULL = 1007, SEQ_IN_USE = 1008, ERROR_INIT = 1010, DEVICE_REMOVED = 1012
};
enum call {
    DEV_ALLOC = 1, DEV_INQUIRE, DEV_CONTROL, DEV_HALT, DEV_FREE, SEQ_ALLOC, SEQ_FREE, SEQ_CONTROL, SEQ_INQUIRE, SEQ_TIMING,
    SEQ_PUT, PROJ_CONTROL, PROJ_INQUIRE, PROJ_INQUIRE_EX, PROJ_START, PROJ_START_CONT, PROJ_HALT, PROJ_WAIT
};

struct sequence {
    int64_t base, pictures;                     /* pictures 0: free */
    int32_t first, last, uninterrupted, format, picture_us;
};

static int64_t *slots;                          /* volatile enough: every access is an __atomic one */
static uint8_t *pictures;
static size_t mapped;
static struct sequence sequences[MOST_SEQUENCES];
static int64_t playing;                         /* id of the sequence started last, 0: none */

static int64_t get(int slot) { return __atomic_load_n(&slots[slot], __ATOMIC_ACQUIRE); }
static void set(int slot, int64_t value) { __atomic_store_n(&slots[slot], value, __ATOMIC_RELEASE); }
static void begin(void) { __atomic_add_fetch(&slots[GENERATION], 1, __ATOMIC_ACQ_REL); }
static void end(void) { __atomic_add_fetch(&slots[GENERATION], 1, __ATOMIC_ACQ_REL); }

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int32_t logged(enum call call, int32_t code)
{
    if (slots) {
        int64_t n = get(LOGGED);
        slots[LOG / 8 + n % LOG_ENTRIES] = (int64_t)call * 100000 + code;
        set(LOGGED, n + 1);
    }
    return code;
}

static int64_t row_bytes(void) { return (get(COLUMNS) + 7) / 8; }

/* Bytes of a row of packed data, and how many of them stand before the first mirror. */
static int64_t pitch(int64_t *skipped)
{
    *skipped = 0;
    switch (get(DMD_TYPE)) {
    case 1: case 4: case 5: case 6: return 128;
    case 2: *skipped = 1; return 176;
    case 3: case 7: case 10: case 11: case 255: return 256;
    default: return row_bytes();
    }
}

/* Pictures that the present run has shown, and whether it goes on. */
static int64_t progress(int *running)
{
    int64_t mode = get(MODE), n = get(LAST) - get(FIRST) + 1, passed;
    *running = 0;
    if (mode == IDLE)
        return 0;
    if (get(SLAVE)) {
        passed = get(PULSES) - get(PULSES_BEFORE);
        *running = mode == FOREVER || passed < n;
        return mode == ONCE && passed > n ? n : passed;
    }
    passed = get(STEPPED) ? get(TICKS) - get(TICKS_BEFORE) : (now_ns() - get(STARTED_NS)) / (1000 * get(PICTURE_US));
    *running = mode == FOREVER || passed < n;
    if (mode == FOREVER && n == 1)
        return 1;
    return mode == ONCE && passed >= n ? n : passed + 1;
}

static int is_running(void)
{
    int running;
    progress(&running);
    return running;
}

static void halt(void)
{
    int running;
    int64_t shown = progress(&running);
    begin();
    set(SHOWN_BEFORE, get(SHOWN_BEFORE) + shown);
    set(MODE, IDLE);
    set(PARKED, 1);
    end();
    playing = 0;
}

/* What every call on an allocated device may answer. */
static int32_t refused(int64_t device)
{
    if (!slots || (uint32_t)device != (uint32_t)get(ALLOCATED) || !get(ALLOCATED))
        return NOT_AVAILABLE;
    if (get(REFUSE))
        return (int32_t)get(REFUSE);
    return get(REMOVED) ? DEVICE_REMOVED : OK;
}

static struct sequence *found(uint32_t id)
{
    return id >= 1 && id <= MOST_SEQUENCES && sequences[id - 1].pictures ? &sequences[id - 1] : NULL;
}

static int in_use(uint32_t id) { return playing == id && is_running(); }

int32_t AlpDevAlloc(int32_t number, int32_t flag, uint32_t *device)
{
    const char *path = getenv("ALP_STUB");
    struct stat about;
    int file;
    (void)flag;
    if (!path || (file = open(path, O_RDWR)) < 0)
        return NOT_ONLINE;
    if (slots)
        munmap(slots, mapped);
    slots = NULL;
    if (fstat(file, &about) == 0 && about.st_size >= PICTURES) {
        mapped = (size_t)about.st_size;
        slots = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    close(file);
    if (!slots || slots == MAP_FAILED || get(MAGIC) != MAGIC_NUMBER) {
        slots = NULL;
        return ERROR_INIT;
    }
    pictures = (uint8_t *)slots + PICTURES;
    if (get(REFUSE))
        return logged(DEV_ALLOC, NOT_ONLINE);
    if (number && number != get(SERIAL))
        return logged(DEV_ALLOC, NOT_ONLINE);
    if (get(ALLOCATED) && kill((pid_t)get(OWNER), 0) == 0)
        return logged(DEV_ALLOC, NOT_READY);
    memset(sequences, 0, sizeof sequences);
    playing = 0;
    begin();
    for (int slot = MODE; slot <= OWNER; slot++)
        set(slot, 0);
    set(REMOVED, 0);
    set(PARKED, 1);
    set(OWNER, getpid());
    set(ALLOCATED, 0x0a11);
    end();
    *device = 0x0a11;
    return logged(DEV_ALLOC, OK);
}

int32_t AlpDevInquire(uint32_t device, int32_t type, int32_t *value)
{
    int32_t code = refused(device);
    int64_t used = 0;
    if (code)
        return logged(DEV_INQUIRE, code);
    switch (type) {
    case 2000: *value = (int32_t)get(SERIAL); break;
    case 2001: *value = 0x10000; break;
    case 2002: *value = is_running() ? 1100 : 1101; break;
    case 2003:
        for (int i = 0; i < MOST_SEQUENCES; i++)
            used += sequences[i].pictures;
        *value = (int32_t)(get(MEMORY) - used);
        break;
    case 2021: *value = (int32_t)get(DMD_TYPE); break;
    case 2057: *value = (int32_t)get(ROWS); break;
    case 2058: *value = (int32_t)get(COLUMNS); break;
    case 2052: *value = (int32_t)get(TEMPERATURE); break;
    default: code = PARM_INVALID;
    }
    return logged(DEV_INQUIRE, code);
}

int32_t AlpDevControl(uint32_t device, int32_t type, int32_t value)
{
    int32_t code = refused(device);
    if (!code && is_running())
        code = NOT_IDLE;
    if (!code && type == 2005 && (value == 2008 || value == 2009))
        set(TRIGGER_EDGE, value);
    else if (!code && type == 2004 && (value == 2006 || value == 2007))
        set(SYNCH_POLARITY, value);
    else if (!code && type == 2064 && (value == 0 || value == 1))
        set(FLOATING, value);
    else if (!code)
        code = PARM_INVALID;
    return logged(DEV_CONTROL, code);
}

int32_t AlpDevHalt(uint32_t device)
{
    int32_t code = refused(device);
    if (!code)
        halt();
    return logged(DEV_HALT, code);
}

int32_t AlpDevFree(uint32_t device)
{
    int32_t code = refused(device);
    if (code == NOT_AVAILABLE)
        return logged(DEV_FREE, code);
    if (!code && is_running())
        return logged(DEV_FREE, NOT_IDLE);
    memset(sequences, 0, sizeof sequences);
    set(ALLOCATED, 0);
    return logged(DEV_FREE, code);
}

int32_t AlpSeqAlloc(uint32_t device, int32_t planes, int32_t number, uint32_t *id)
{
    int32_t code = refused(device);
    int free_slot = -1;
    int64_t base = 0;
    *id = UINT32_MAX;
    if (!code && (planes != 1 || number < 1))
        code = PARM_INVALID;
    for (int i = MOST_SEQUENCES - 1; i >= 0; i--)
        if (!sequences[i].pictures)
            free_slot = i;
    for (int moved = 1; moved;) {               /* the first gap that is large enough */
        moved = 0;
        for (int i = 0; i < MOST_SEQUENCES; i++) {
            struct sequence *s = &sequences[i];
            if (s->pictures && base < s->base + s->pictures && s->base < base + number) {
                base = s->base + s->pictures;
                moved = 1;
            }
        }
    }
    if (!code && (free_slot < 0 || base + number > get(MEMORY)))
        code = MEMORY_FULL;
    if (!code) {
        sequences[free_slot] = (struct sequence){base, number, 0, number - 1, 0, 0, 33334};
        *id = (uint32_t)free_slot + 1;
    }
    return logged(SEQ_ALLOC, code);
}

int32_t AlpSeqFree(uint32_t device, uint32_t id)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    if (!code && !s)
        code = PARM_INVALID;
    if (!code && in_use(id))
        code = SEQ_IN_USE;
    if (!code) {
        if (playing == id)
            halt();
        s->pictures = 0;
    }
    return logged(SEQ_FREE, code);
}

int32_t AlpSeqControl(uint32_t device, uint32_t id, int32_t type, int32_t value)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    if (code || !s)
        return logged(SEQ_CONTROL, code ? code : PARM_INVALID);
    if (type == 2101 && value >= 0 && value <= s->last)
        s->first = value;
    else if (type == 2102 && value >= s->first && value < s->pictures)
        s->last = value;
    else if (type == 2103 && value == 1)
        ;
    else if (type == 2104 && (value == 2105 || value == 2106))
        s->uninterrupted = value == 2106;
    else if (type == 2110 && value >= 0 && value <= 3)
        s->format = value;
    else
        code = PARM_INVALID;
    return logged(SEQ_CONTROL, code);
}

static int32_t shortest_us(const struct sequence *s) { return (int32_t)get(MIN_US) + (s->uninterrupted ? 0 : 44); }

int32_t AlpSeqInquire(uint32_t device, uint32_t id, int32_t type, int32_t *value)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    if (code || !s)
        return logged(SEQ_INQUIRE, code ? code : PARM_INVALID);
    switch (type) {
    case 2200: *value = 1; break;
    case 2201: *value = (int32_t)s->pictures; break;
    case 2203: *value = s->picture_us; break;
    case 2211: *value = shortest_us(s); break;
    case 2213: *value = (int32_t)get(MAX_US); break;
    default: code = PARM_INVALID;
    }
    return logged(SEQ_INQUIRE, code);
}

int32_t AlpSeqTiming(uint32_t device, uint32_t id, int32_t lit, int32_t picture, int32_t delay, int32_t width, int32_t in_delay)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    (void)lit; (void)delay; (void)width; (void)in_delay;
    if (!code && !s)
        code = PARM_INVALID;
    if (!code && in_use(id))
        code = SEQ_IN_USE;
    if (!code && picture && (picture < shortest_us(s) || picture > get(MAX_US)))
        code = PARM_INVALID;
    if (!code)
        s->picture_us = picture ? picture : 33334;
    return logged(SEQ_TIMING, code);
}

int32_t AlpSeqPut(uint32_t device, uint32_t id, int32_t offset, int32_t load, const uint8_t *data)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    int64_t rows, columns, wide, skipped = 0, bytes;
    if (!code && !s)
        code = PARM_INVALID;
    if (!code && in_use(id))
        code = SEQ_IN_USE;
    if (!code && !load)
        load = (int32_t)s->pictures - offset;
    if (!code && (offset < 0 || load < 1 || offset + load > s->pictures))
        code = PARM_INVALID;
    if (!code && !data)
        code = ADDR_INVALID;
    if (code)
        return logged(SEQ_PUT, code);
    rows = get(ROWS), columns = get(COLUMNS), wide = row_bytes();
    bytes = s->format >= 2 ? pitch(&skipped) : columns;
    for (int64_t p = 0; p < load; p++)
        for (int64_t r = 0; r < rows; r++) {
            const uint8_t *from = data + (p * rows + r) * bytes;
            uint8_t *to = pictures + ((s->base + offset + p) * rows + (s->format == 3 ? rows - 1 - r : r)) * wide;
            if (s->format >= 2) {
                memcpy(to, from + skipped, (size_t)wide);
                if (columns % 8)
                    to[wide - 1] &= (uint8_t)(0xff << (8 - columns % 8));
                continue;
            }
            memset(to, 0, (size_t)wide);
            for (int64_t c = 0; c < columns; c++)
                if (from[c] & (s->format == 1 ? 0x01 : 0x80))
                    to[c / 8] |= (uint8_t)(0x80 >> c % 8);
        }
    set(UPLOADED, get(UPLOADED) + load * rows * bytes);
    return logged(SEQ_PUT, OK);
}

int32_t AlpProjControl(uint32_t device, int32_t type, int32_t value)
{
    int32_t code = refused(device);
    if (!code && is_running())
        code = NOT_IDLE;
    if (!code && type == 2300 && (value == 2301 || value == 2302)) {
        if (get(MODE) != IDLE)
            halt();
        set(SLAVE, value == 2302);
    } else if (!code)
        code = PARM_INVALID;
    return logged(PROJ_CONTROL, code);
}

int32_t AlpProjInquire(uint32_t device, int32_t type, int32_t *value)
{
    int32_t code = refused(device);
    if (!code && type == 2400)
        *value = is_running() ? 1200 : 1201;
    else if (!code && type == 2300)
        *value = get(SLAVE) ? 2302 : 2301;
    else if (!code)
        code = PARM_INVALID;                    /* ALP4lib's ProjInquire() ends here: it passes a sequence as the type */
    return logged(PROJ_INQUIRE, code);
}

int32_t AlpProjInquireEx(uint32_t device, int32_t type, uint32_t *to)
{
    int32_t code = refused(device);
    int running;
    if (!code && type != 2318)
        code = PARM_INVALID;
    if (!code) {
        int64_t shown = progress(&running), n = get(LAST) - get(FIRST) + 1;
        to[0] = 1;
        to[1] = (uint32_t)playing;
        to[2] = 0;
        to[3] = running;
        to[4] = 0;
        to[5] = running ? (uint32_t)(n - (get(MODE) == FOREVER ? (shown + n - 1) % n + 1 : shown)) : 0;
        to[6] = (uint32_t)get(PICTURE_US);
        to[7] = (uint32_t)n;
        to[8] = (running ? 0 : 1) | (get(MODE) == FOREVER ? 4 : 0);
    }
    return logged(PROJ_INQUIRE_EX, code);
}

static int32_t start(uint32_t device, uint32_t id, int mode)
{
    int32_t code = refused(device);
    struct sequence *s = code ? NULL : found(id);
    if (!code && !s)
        code = PARM_INVALID;
    if (!code && is_running())
        code = NOT_IDLE;                        /* the real one queues it; nothing here should rely on that */
    if (code)
        return code;
    halt();
    begin();
    set(BASE, s->base);
    set(FIRST, s->first);
    set(LAST, s->last);
    set(PICTURE_US, s->picture_us);
    set(PULSES_BEFORE, get(PULSES));
    set(TICKS_BEFORE, get(TICKS));
    set(STARTED_NS, now_ns());
    set(RUNS, get(RUNS) + 1);
    set(PARKED, 0);
    set(MODE, mode);
    end();
    playing = id;
    return OK;
}

int32_t AlpProjStart(uint32_t device, uint32_t id) { return logged(PROJ_START, start(device, id, ONCE)); }

int32_t AlpProjStartCont(uint32_t device, uint32_t id) { return logged(PROJ_START_CONT, start(device, id, FOREVER)); }

int32_t AlpProjHalt(uint32_t device)
{
    int32_t code = refused(device);
    if (!code)
        halt();
    return logged(PROJ_HALT, code);
}

int32_t AlpProjWait(uint32_t device)
{
    int32_t code;
    const struct timespec pause = {0, 1000000};
    while (!(code = refused(device)) && is_running())
        nanosleep(&pause, NULL);
    return logged(PROJ_WAIT, code);
}
